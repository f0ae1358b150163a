"""Policies: what the signatures of an image must satisfy, and the verdict. Public names load on first use.

Pure: the caller opens keys and reads the clock.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.policy.policy": "AuthorityLike Policy",
    "imagesig.policy.requirement": "AcceptAnything Reject Requirement Rule Unsupported",
    "imagesig.policy.authority": "KeyLike KeyReference",
    "imagesig.policy.enforcement": "AUDIT PERMISSIVE STRICT Action Enforcement",
    "imagesig.policy.signed": "Signed",
    "imagesig.policy.attested": "Attested",
    "imagesig.policy.predicate": "Condition",
    "imagesig.policy.identity": """
        AnyName ExactName ExactReference ExactRepository Identity MatchExact MatchRepoDigestOrExact MatchRepository
        OfImage RemapIdentity
    """,
    "imagesig.policy.scope": "Scope parse_scope",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)

from imagesig.policy.authority import KeyLike as KeyLike
from imagesig.policy.authority import KeyReference as KeyReference
from imagesig.policy.enforcement import AUDIT as AUDIT
from imagesig.policy.enforcement import PERMISSIVE as PERMISSIVE
from imagesig.policy.enforcement import STRICT as STRICT
from imagesig.policy.enforcement import Action as Action
from imagesig.policy.enforcement import Enforcement as Enforcement
from imagesig.policy.identity import Identity as Identity
from imagesig.policy.identity import IdentityKind as IdentityKind
from imagesig.policy.policy import AuthorityLike as AuthorityLike
from imagesig.policy.policy import Policy as Policy
from imagesig.policy.requirement import AcceptAnything as AcceptAnything
from imagesig.policy.requirement import Reject as Reject
from imagesig.policy.requirement import Requirement as Requirement
from imagesig.policy.requirement import Rule as Rule
from imagesig.policy.requirement import Signed as Signed
from imagesig.policy.requirement import Unsupported as Unsupported
from imagesig.policy.scope import Scope as Scope
from imagesig.policy.scope import parse_scope as parse_scope

PUBLIC: dict[str, str]

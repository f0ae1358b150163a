"""Docker Content Trust (notary): trust servers, whose signed data name the digest of a tag.

Public names load on first use.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.content_trust.servers": "TrustServers",
    "imagesig.content_trust.backup": "TrustBackup",
    "imagesig.content_trust.memory": "DockerTrust FolderMemory NoTrustMemory InMemoryTrust TrustMemory",
    "imagesig.content_trust.keyring": "KeyFolder TrustKeys",
    "imagesig.content_trust.update": "TrustData",
    "imagesig.content_trust.lookup": "Release released releases signers_of",
    "imagesig.content_trust.key": "canonical_id",
    "imagesig.content_trust.signing_key": "ProviderKey",
    "imagesig.content_trust.private_folder": "PrivateKeyFolder docker_passphrases",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)

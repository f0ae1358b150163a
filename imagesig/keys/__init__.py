"""Keys: the interfaces of providers, and one folder for each place where keys are stored.

Public names load on first use, and so does the SDK of each provider.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.keys.provider": "KeyInfo KeyProvider ManagesKeys SigningKey",
    "imagesig.keys.uri": "KeySettings open_key open_public_keys resolve_key",
    "imagesig.keys.certified": "CertifiedKey",
    "imagesig.keys.certify": "certificate_request self_signed_certificate",
    "imagesig.keys.file.provider": "FileProvider key_from_pem",
    "imagesig.keys.pkcs11.provider": "Pkcs11Provider",
    "imagesig.keys.vault.provider": "VaultProvider",
    "imagesig.keys.vault.connection": "VaultConnection",
    "imagesig.keys.vault.login": "app_role jwt kubernetes userpass",
    "imagesig.keys.awskms.provider": "AwsKmsProvider",
    "imagesig.keys.plugin.notation": "NotationPluginProvider",
    "imagesig.keys.plugin.sigstore": "SigstorePluginProvider",
    "imagesig.signature": "SignerInfo",
    "imagesig.crypto.algorithms": "ECDSA_SHA256 Algorithm KeyType Scheme ToSign",
    "imagesig.crypto.public_key": "PublicKey",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)

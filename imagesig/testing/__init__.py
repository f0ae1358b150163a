"""Test tools for the authors of key providers and of programs that use imagesig.

`ProviderContract` is the test suite that every key provider passes, `UriContract` that of its URIs; they need pytest.
`InMemoryRegistry` is a registry with faults on demand, and `PROFILES` are kinds of registries in the field.
`hostile_registry` and `hostile_homes` serve images that attack their reader. Public names load on first use.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.testing.contract": "ProviderContract",
    "imagesig.testing.uri_contract": "UriContract",
    "imagesig.testing.keys": "MemoryProvider",
    "imagesig.testing.kms": "ScriptedKms",
    "imagesig.testing.sts": "ScriptedSts",
    "imagesig.testing.loopback_server": "Answer Request",
    "imagesig.testing.registry": "InMemoryRegistry",
    "imagesig.testing.profiles": "PROFILES Difference Profile",
    "imagesig.testing.vault": "ScriptedVault",
    "imagesig.testing.hostile": "HOSTILE_HOMES HOSTILITIES hostile_home hostile_homes hostile_registry",
    "imagesig.testing.hostile.kinds": "HomeHostility HostileHome HostileRegistry Hostility Work",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)

"""A complete provider, with keys in memory."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from imagesig.errors import KeyExists, KeyNotFound, UnsupportedAlgorithm
from imagesig.keys import ECDSA_SHA256, KeyInfo, KeyProvider, KeyType, PublicKey, SignerInfo, SigningKey, ToSign


class MemoryKey(SigningKey):
    def __init__(self, name, private_key):
        self._private_key = private_key
        public_key = PublicKey.from_cryptography(private_key.public_key())
        self._info = SignerInfo(public_key, f"memory://{name}", algorithms=(ECDSA_SHA256,))

    @property
    def info(self):
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        return self._private_key.sign(request.digest, ec.ECDSA(Prehashed(SHA256())))

    def _release(self):
        self._private_key = None


class MemoryProvider(KeyProvider):
    def __init__(self):
        self._keys = {}

    def open(self, name):
        if name not in self._keys:
            raise KeyNotFound(f"memory://{name}: no such key", hint=f"available keys: {', '.join(self._keys)}")
        return MemoryKey(name, self._keys[name])

    def generate(self, name, key_type):
        if key_type is not KeyType.ECDSA_P256:
            raise UnsupportedAlgorithm(f"memory: no {key_type.value} keys")
        if name in self._keys:
            raise KeyExists(f"memory://{name}: already exists")
        self._keys[name] = ec.generate_private_key(ec.SECP256R1())
        return self.open(name)

    def list(self):
        yield from (KeyInfo(f"memory://{name}", KeyType.ECDSA_P256) for name in self._keys)

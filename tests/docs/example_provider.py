"""A complete provider, with keys in memory."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from imagesig.errors import KeyExists, KeyNotFound, KeyUnusable, UnsupportedAlgorithm
from imagesig.keys import ECDSA_SHA256, KeyInfo, KeyProvider, KeyType, PublicKey, SignerInfo, SigningKey, ToSign


class MemoryKey(SigningKey):
    def __init__(self, provider, name, private_key):
        self._provider, self._private_key = provider, private_key
        public_key = PublicKey.from_cryptography(private_key.public_key())
        self._info = SignerInfo(public_key, f"memory://{name}", algorithms=(ECDSA_SHA256,))
        self._closed = False

    @property
    def info(self):
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        if self._closed or self._provider.closed:
            raise KeyUnusable(f"{self._info.key_id}: closed")
        return self._private_key.sign(request.digest, ec.ECDSA(Prehashed(SHA256())))

    def close(self):
        self._closed = True

    def __repr__(self):
        return f"MemoryKey({self._info.key_id!r})"


class MemoryProvider(KeyProvider):
    def __init__(self):
        self._keys, self.closed = {}, False

    def open(self, name):
        if self.closed:
            raise KeyUnusable("memory: closed")
        if name not in self._keys:
            raise KeyNotFound(f"memory://{name}: no such key", hint=f"available keys: {', '.join(self._keys)}")
        return MemoryKey(self, name, self._keys[name])

    def generate(self, name, key_type):
        if key_type is not KeyType.ECDSA_P256:
            raise UnsupportedAlgorithm(f"memory: no {key_type.value} keys")
        if name in self._keys:
            raise KeyExists(f"memory://{name}: already exists")
        self._keys[name] = ec.generate_private_key(ec.SECP256R1())
        return self.open(name)

    def list(self):
        if self.closed:
            raise KeyUnusable("memory: closed")
        yield from (KeyInfo(f"memory://{name}", KeyType.ECDSA_P256) for name in self._keys)

    def close(self):
        self.closed = True

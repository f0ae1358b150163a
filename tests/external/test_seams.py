"""A fake at each call into another package raises what it likes: library, command and `doctor` end in our errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagesig.testing.registry import InMemoryRegistry
from tests.external.scenarios import Scenarios
from tests.external.seams import Seam, escapes

_SERIALIZATION = "cryptography.hazmat.primitives.serialization"
SEAMS = [
    # keys: files
    *(
        Seam(f"imagesig.reading:os.{name}", act, "keys")
        for name in ("open", "read", "fstat")
        for act in ("open_plain",)
    ),
    Seam("imagesig.reading:os.open", "doctor_key", "keys"),
    Seam("imagesig.reading:os.open", "command_sign", "keys"),
    Seam("imagesig.reading:os.read", "read_chain", "keys"),
    Seam("imagesig.keys.file.provider:os.scandir", "list_keys", "keys"),
    Seam("imagesig.keys.file.disk:os.open", "generate", "keys"),
    Seam("imagesig.keys.file.disk:os.link", "generate", "keys"),
    Seam("imagesig.keys.file.disk:os.fsync", "generate", "keys"),
    Seam("getpass:getpass", "prompt", "keys"),
    # keys: cryptography and NaCl
    Seam(f"{_SERIALIZATION}:load_der_private_key", "open_plain", "keys"),
    Seam(f"{_SERIALIZATION}:load_der_private_key", "doctor_key", "keys"),
    Seam(f"{_SERIALIZATION}:load_der_private_key", "open_pkcs8", "keys"),
    Seam(f"{_SERIALIZATION}.pkcs12:load_pkcs12", "open_p12", "keys"),
    Seam(f"{_SERIALIZATION}:NoEncryption", "generate", "keys"),
    Seam("cryptography.hazmat.primitives.asymmetric.ec:generate_private_key", "generate", "keys"),
    Seam("cryptography.hazmat.primitives.asymmetric.ec:ECDSA", "sign_message", "keys"),
    Seam("cryptography.hazmat.primitives.kdf.scrypt:Scrypt", "open_cosign", "keys"),
    Seam("nacl.secret:SecretBox.decrypt", "open_cosign", "keys"),
    Seam("nacl.secret:SecretBox.encrypt", "generate", "keys"),
    # keys: Vault
    *(Seam("hvac:Client", act, "keys") for act in ("open_vault", "doctor_vault")),
    *(Seam("hvac.adapters:JSONAdapter.request", act, "keys") for act in ("open_vault", "list_vault", "doctor_vault")),
    Seam("hvac.adapters:JSONAdapter.close", "open_vault", "keys"),
    Seam("requests:Session.request", "open_vault", "keys"),
    Seam("requests.adapters:HTTPAdapter.send", "open_vault", "keys"),
    Seam("requests.adapters:HTTPAdapter.init_poolmanager", "open_vault", "keys"),
    Seam("urllib3.connectionpool:HTTPConnectionPool.urlopen", "open_vault", "keys"),
    Seam("urllib3.response:HTTPResponse.read1", "open_vault", "keys"),
    # keys: AWS KMS
    Seam("boto3:Session", "open_kms", "keys"),
    Seam("boto3:Session.client", "open_kms", "keys"),
    Seam("boto3:Session.get_credentials", "open_kms", "keys"),
    Seam("boto3:Session.get_credentials", "doctor_kms", "keys"),
    Seam("botocore.client:BaseClient._make_api_call", "open_kms", "keys"),
    Seam("botocore.client:BaseClient._make_api_call", "doctor_kms", "keys"),
    Seam("botocore.client:BaseClient.close", "open_kms", "keys"),
    Seam("botocore.httpsession:URLLib3Session.send", "open_kms", "keys"),
    # keys: plugins and providers of others
    Seam("imagesig.keys.plugin.process:subprocess.Popen", "open_plugin", "keys"),
    Seam("imagesig.keys.plugin.process:os.read", "open_plugin", "keys"),
    Seam("imagesig.keys.plugin.process:selectors.DefaultSelector", "open_plugin", "keys"),
    Seam("imagesig.keys.plugin.sigstore:shutil.which", "open_plugin", "keys"),
    Seam("importlib.metadata:entry_points", "open_elsewhere", "keys"),
    Seam("imagesig.keys.uri:import_module", "open_plain", "keys"),
    # doctor
    Seam("imagesig.api.diagnosing:version", "doctor_alone", "keys"),
    Seam("imagesig.api.diagnosing:platform.platform", "doctor_alone", "keys"),
    # trust: public keys, certificates, COSE, requests for certificates
    Seam(f"{_SERIALIZATION}:load_pem_public_key", "open_rsa_public", "trust"),
    Seam(
        "cryptography.hazmat.primitives.asymmetric.ec:EllipticCurvePublicKey.from_encoded_point", "open_public", "trust"
    ),
    *(
        Seam("cryptography.x509:load_der_x509_certificate", act, "trust")
        for act in ("verify_cose", "verify_jws", "inspect_cose", "sign_notation")
    ),
    Seam("cbor2:CBORDecoder", "verify_cose", "trust"),
    Seam("cbor2:CBORDecoder", "verify_many", "trust"),
    Seam("cbor2:CBORDecoder", "inspect_cose", "trust"),
    Seam("asn1crypto.csr:CertificationRequest", "command_csr", "trust"),
    # network: sockets, HTTP
    Seam("imagesig.http.race:socket.socket", "verify_remote", "network"),
    Seam("imagesig.http.race:socket.socket", "verify_many", "network"),
    Seam("imagesig.http.race:socket.socket", "doctor_image", "network"),
    Seam("imagesig.http.answer:HttpResponseParser", "verify_remote", "network"),
    Seam("imagesig.http.answer:HttpResponseParser", "verify_bundle", "network"),
    Seam("imagesig.http.answer:HttpResponseParser", "verify_many", "network"),
    Seam("imagesig.http.answer:HttpResponseParser", "doctor_image", "network"),
    Seam("imagesig.http.answer:HttpResponseParser", "command_doctor", "network"),
    # encodings
    Seam("imagesig.encoding.json:_DECODER.decode", "verify_layout", "json"),
    Seam("imagesig.encoding.json:_DECODER.decode", "command_verify", "json"),
    Seam("imagesig.encoding.json:_DECODER.decode", "verify_many", "json"),
    # tar: layouts and workloads
    Seam("imagesig.images.folder:os.open", "verify_layout", "subject"),
    Seam("imagesig.images.folder:os.open", "command_verify", "subject"),
    Seam("yaml:parse", "command_workload", "policy"),
]


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenarios]:
    with InMemoryRegistry() as server:
        yield Scenarios(tmp_path_factory.mktemp("foreign"), server)


def _cases() -> Iterator[object]:
    for seam in SEAMS:
        yield pytest.param(seam, id=str(seam))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, quick_retries: None) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("imagesig.keys.awskms.provider._ATTEMPTS", 1)
    monkeypatch.setattr("imagesig.keys.vault.transport._ATTEMPTS", 0)


@pytest.mark.parametrize("seam", list(_cases()))
def test_every_exception_becomes_ours(seam: Seam, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch) -> None:
    assert escapes(seam, getattr(scenarios, seam.scenario), monkeypatch) == []

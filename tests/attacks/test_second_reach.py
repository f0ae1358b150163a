"""Names that mean this machine or its own link wherever they are looked up: a proxy that does so is not sent there."""

from __future__ import annotations

import pytest

from imagesig import SigningKey, registry, verify
from imagesig.errors import UnexpectedResponse
from imagesig.testing import Answer, InMemoryRegistry
from tests.makers import signing_key

NAMES = ["metadata.google.internal", "METADATA.google.internal.", "metadata", "metadata.goog", "instance-data"]
NAMES += ["instance-data.ec2.internal", "localhost.localdomain", "ip6-localhost", "ip6-loopback"]


@pytest.fixture
def signer() -> SigningKey:
    return signing_key()


@pytest.mark.parametrize("name", NAMES)
def test_through_a_proxy_a_registry_leads_to_no_such_name(
    signer: SigningKey, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with InMemoryRegistry() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        answers = iter([Answer(302, headers={"location": f"http://{name}/computeMetadata/v1/"})])
        proxy.faults.append(lambda _request: next(answers, Answer(200, b"{}")))
        with pytest.raises(UnexpectedResponse, match="is not contacted"):
            verify(registry("registry.example/team/app:1.0", plain_http=True, credentials=("user", "s3cret")), signer)
        assert proxy.asked() == 1

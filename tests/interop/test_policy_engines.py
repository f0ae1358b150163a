"""What admission controllers say of our attestations, without a cluster: Kyverno's command and policy-controller's.

`make campaign` builds both. Each policy wants a provenance by one key, from one builder.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import indent

import pytest
from msgspec import Struct

from imagesig import attest
from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.provider import MemoryProvider
from tests.interop.attesting import push
from tests.interop.tools import Run, Tools
from tests.makers import private_key
from tests.peers.servers import RegistryServer

pytestmark = [pytest.mark.interop, pytest.mark.campaign]

PROVENANCE, BUILDER = "https://slsa.dev/provenance/v1", "https://builder.example"
PREDICATE = {"buildDefinition": {"buildType": "t"}, "runDetails": {"builder": {"id": BUILDER}}}
KEY_TYPES = (KeyType.ECDSA_P256, KeyType.RSA_2048, KeyType.ED25519)


class Wanted(Struct, frozen=True):
    """What a policy wants to be attested, and by whom."""

    pem: str
    type: str = PROVENANCE
    builder: str = BUILDER


@pytest.fixture
def engines(tmp_path: Path) -> Tools:
    return Tools(tmp_path)


def policy_controller(engines: Tools, image: str, wanted: Wanted) -> Run:
    """Its policies read classic attestations only, where they trust a key."""
    policy = engines.home / "policy.yaml"
    policy.write_text(
        f"""\
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {{name: attested}}
spec:
  images: [{{glob: "**"}}]
  authorities:
  - name: release
    key:
      hashAlgorithm: sha256
      data: |
{indent(wanted.pem, " " * 8)}
    attestations:
    - name: provenance
      predicateType: {wanted.type}
      policy:
        type: cue
        data: |
          predicate: runDetails: builder: id: "{wanted.builder}"
"""
    )
    return engines.run("policy-tester", "-policy", str(policy), "-image", image)


def kyverno(engines: Tools, image: str, wanted: Wanted, kind: str) -> Run:
    policy, pod = engines.home / "policy.yaml", engines.home / "pod.json"
    spec = {"containers": [{"name": "app", "image": image}]}
    pod.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}))
    policy.write_text(
        f"""\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: attested}}
spec:
  validationFailureAction: Enforce
  rules:
  - name: provenance
    match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}
    verifyImages:
    - imageReferences: ["*"]
      type: {kind}
      mutateDigest: false
      verifyDigest: false
      attestations:
      - type: {wanted.type}
        attestors:
        - entries:
          - keys:
              publicKeys: |-
{indent(wanted.pem, " " * 16)}
              rekor: {{ignoreTlog: true}}
              ctlog: {{ignoreSCT: true}}
        conditions:
        - all:
          - {{key: "{{{{ runDetails.builder.id }}}}", operator: Equals, value: "{wanted.builder}"}}
"""
    )
    return engines.run("kyverno", "apply", str(policy), "--resource", str(pod), "--registry")


ENGINES = {
    "policy-controller": ("cosign", policy_controller),
    "Kyverno Cosign": ("cosign", lambda *given: kyverno(*given, "Cosign")),
    "Kyverno SigstoreBundle": ("bundle", lambda *given: kyverno(*given, "SigstoreBundle")),
}
OTHER = {
    "type": lambda pem: Wanted(pem, type="https://spdx.dev/Document"),
    "signer": lambda pem: Wanted(private_key(number=7).public_key.pem),
    "builder": lambda pem: Wanted(pem, builder="https://other.example"),
}


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=lambda key_type: key_type.value)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_accepts_what_we_attest_and_refuses_another_type_signer_and_builder(
    engine: str, key_type: KeyType, engines: Tools, registry_referrers: RegistryServer
) -> None:
    form, ask = ENGINES[engine]
    image, key = push(registry_referrers.host), private_key(key_type)
    signing = MemoryProvider({"key": key.to_pem(None)}).open("key")
    attest(image, signing, predicate_type="slsaprovenance1", predicate=PREDICATE, formats=[form])

    ask(engines, image, Wanted(key.public_key.pem)).must_succeed()
    for what, other in OTHER.items():
        assert not ask(engines, image, other(key.public_key.pem)).ok, what


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_refuses_an_image_of_which_nothing_is_attested(
    engine: str, engines: Tools, registry_referrers: RegistryServer
) -> None:
    _, ask = ENGINES[engine]
    assert not ask(engines, push(registry_referrers.host), Wanted(private_key().public_key.pem)).ok

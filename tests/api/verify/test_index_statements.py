"""BuildKit's statements in an image index: what a signature of the index proves of them, and what nothing proves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import imagesig
from imagesig import effort, limits, sign, verify, verify_attestation
from imagesig.errors import LimitExceeded, NoSignatureAccepted, NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.oci.annotations import Annotations
from imagesig.oci.descriptor import Descriptor, Platform
from imagesig.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Index, Manifest
from imagesig.policy import Attested, Identity, Policy, Rule, Signed
from imagesig.policy.enforcement import AUDIT
from imagesig.testing import Answer, InMemoryRegistry, Request
from imagesig.testing.hostile.registries.stage import NAME
from imagesig.trust import TrustedKey
from tests.attacks.hostile_listings import image_at
from tests.attestations import TYPE, attest, statement
from tests.commands import run_here
from tests.makers import private_key, signing_key

KEY = private_key().public_key
OTHER = private_key(number=1).public_key
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
NO_PLATFORM = Platform("unknown", "unknown")
ELSEWHERE = "sha256:" + "0" * 64


class Build:
    """An index as BuildKit pushes it. Nothing is signed."""

    def __init__(self, server: InMemoryRegistry) -> None:
        self.server, self.image = server, image_at(server)
        self.children = [build_image(self.image.home, {"a": str(item).encode()}, item) for item in PLATFORMS]
        self.entries: list[Descriptor] = []

    @property
    def first(self) -> str:
        return self.children[0].digest

    def state(
        self,
        about: str,
        predicate: object = None,
        *,
        content: bytes = b"",
        said: str | None = TYPE,
        platform: Platform | None = NO_PLATFORM,
        type_: str = "attestation-manifest",
        **changes: Any,
    ) -> str:
        """Adds a manifest with one statement about a digest. Gives the digest of the statement."""
        home = self.image.home
        blob = home.put_blob(content or statement(about, predicate, **changes), "application/vnd.in-toto+json")
        noted = Annotations({} if said is None else {"in-toto.io/predicate-type": said})
        layer = Descriptor(blob.media_type, blob.digest, blob.size, noted)
        manifest = Manifest(home.put_blob(b"{}", OCI_CONFIG), (layer,))
        put = home.put_manifest(manifest.to_bytes(), OCI_MANIFEST)
        reference = {"vnd.docker.reference.type": type_, "vnd.docker.reference.digest": about}
        entry = Descriptor(put.media_type, put.digest, put.size, Annotations(reference), platform=platform)
        self.entries.append(entry)
        return blob.digest

    def push(self, children: Sequence[Descriptor] | None = None) -> Image:
        listed = self.children if children is None else children
        index = Index((*listed, *self.entries))
        self.image.home.put_manifest(index.to_bytes(), OCI_INDEX, "1.0")
        return self.image

    def signed(self, number: int = 0, **options: Any) -> Image:
        image = self.push(**options)
        sign(image, signing_key(number))
        return image


@pytest.fixture
def build() -> Iterator[Build]:
    with InMemoryRegistry() as server:
        yield Build(server)


def ask(image: Image, key: object = KEY, type_: str = TYPE, **options: Any) -> imagesig.VerificationResult:
    return verify_attestation(image, key, predicate_type=type_, **options)  # type: ignore[arg-type]


def one(build: Build, **options: Any) -> Image:
    """A signed index of one image with this statement about it."""
    build.children = build.children[:1]
    build.state(build.first, **options)
    return build.signed()


def test_a_signed_index_proves_the_statements_in_it_and_says_so(build: Build) -> None:
    text = b'{ "n" : 9007199254740993, "real": 1.50}'
    image = one(build, predicate=text, subject=[{"name": "pkg:docker/app@1", "digest": {"sha256": build.first[7:]}}])
    index = image.home.resolve("1.0").digest

    result = ask(image, conditions=[{"pointer": "/n", "equals": 2**53 + 1}])

    assert (result.verified, result.digest, result.signatures) == (True, index, ())
    (made,) = result.statements
    assert (made.predicate, made.subjects, made.index) == (text, (build.first,), index)
    assert made.authority == KEY.fingerprint
    assert build.entries[0].digest in made.signature.origin
    document = made.document()
    assert (document["proven_by"], document["index"]) == ("index", index)
    attest(image)
    (signed,) = ask(image).statements
    assert (signed.index, signed.document()["proven_by"]) == ("", "signature")


def test_an_index_that_nobody_signed_proves_nothing(build: Build) -> None:
    build.children = build.children[:1]
    build.state(build.first)
    image = build.push()
    with pytest.raises(NoSignatures, match="the index is not signed") as caught:
        ask(image)
    assert "sign the index" in caught.value.hint
    with pytest.raises(NoSignatures, match="the index is not signed"):
        ask(image, platform=str(PLATFORMS[0]))


def test_a_signature_of_one_image_does_not_prove_the_statements_of_its_index(build: Build) -> None:
    build.children = build.children[:1]
    build.state(build.first)
    image = build.push()
    sign(image_at(build.server, build.first), signing_key())
    verify(image, KEY, platform=str(PLATFORMS[0]))
    for options in ({}, {"platform": str(PLATFORMS[0])}):
        with pytest.raises(NoSignatures):
            ask(image, **options)
    with pytest.raises(NoSignatures):
        ask(image_at(build.server, build.first))
    sign(image_at(build.server, build.entries[0].digest), signing_key())
    with pytest.raises(NoSignatures):
        ask(image)


def test_a_signature_by_another_key_proves_nothing(build: Build) -> None:
    build.children = build.children[:1]
    build.state(build.first)
    with pytest.raises(NoSignatureAccepted, match="needs 1 trusted attester of slsaprovenance1"):
        ask(build.signed(1))


def test_each_image_of_the_index_needs_a_statement_unless_one_platform_is_asked_for(build: Build) -> None:
    build.state(build.first)
    image = build.signed()
    with pytest.raises(NoSignatureAccepted, match=f"none about its image {build.children[1].digest}"):
        ask(image)
    result = ask(image, platform=str(PLATFORMS[0]))
    assert (result.digest, result.through_index) == (build.first, True)
    with pytest.raises(NoSignatures):
        ask(image, platform=str(PLATFORMS[1]))
    build.state(build.children[1].digest)
    image = build.signed()
    assert len(ask(image).statements) == 2
    (made,) = ask(image, platform=str(PLATFORMS[1])).statements
    assert made.subjects == (build.children[1].digest,)


FORGED = {
    "the statement is about another digest": ({"subject": [{"name": "_", "digest": {"sha256": "0" * 64}}]}, "is about"),
    "the statement is about nothing": ({"subject": [{"name": "_", "digest": {"sha512": "0" * 128}}]}, "nothing with"),
    "the manifest gives a foreign type": ({"predicateType": VULN}, "gives the type"),
    "no statement": ({"content": b"{}"}, "no member"),
    "no JSON": ({"content": b"nothing"}, "JSON"),
    "a member occurs twice": ({"content": b'{"predicateType": "a", "predicateType": "b", "predicate": {}}'}, "twice"),
}


@pytest.mark.parametrize(("changes", "reason"), FORGED.values(), ids=FORGED)
def test_a_forged_statement_is_rejected_with_a_reason(build: Build, changes: dict[str, Any], reason: str) -> None:
    image = one(build, **changes)
    with pytest.raises(NoSignatureAccepted) as caught:
        ask(image)
    assert reason in str(caught.value.rejections[0].error)
    build.state(build.first)
    assert len(ask(build.signed()).statements) == 1, "a forged one hides no other"


def test_a_manifest_about_a_digest_that_the_index_does_not_list_proves_nothing(build: Build) -> None:
    build.children = build.children[:1]
    build.state(ELSEWHERE)
    with pytest.raises(NoSignatureAccepted, match="does not list"):
        ask(build.signed())


def test_another_type_of_reference_is_no_statement(build: Build) -> None:
    with pytest.raises(NoSignatures):
        ask(one(build, type_="other"))


@pytest.mark.parametrize("platform", [PLATFORMS[1], None], ids=["platform", "none"])
def test_an_entry_that_an_engine_may_run_is_an_image_and_no_statement(build: Build, platform: Platform | None) -> None:
    with pytest.raises(NoSignatures):
        ask(one(build, platform=platform))


def test_a_statement_that_is_listed_for_a_platform_too_is_an_image(build: Build) -> None:
    build.children = build.children[:1]
    build.state(build.first)
    entry = build.entries[0]
    build.entries.append(Descriptor(entry.media_type, entry.digest, entry.size, platform=PLATFORMS[1]))
    with pytest.raises(NoSignatureAccepted, match=f"none about its image {entry.digest}"):
        ask(build.signed())


def test_one_manifest_may_be_about_two_images_if_its_statement_is(build: Build) -> None:
    both = [{"name": "_", "digest": {"sha256": item.digest[7:]}} for item in build.children]
    build.state(build.first, subject=both)
    (entry,) = build.entries
    noted = Annotations({**entry.annotations, "vnd.docker.reference.digest": build.children[1].digest})
    build.entries.append(Descriptor(entry.media_type, entry.digest, entry.size, noted, platform=NO_PLATFORM))
    assert {item.subjects for item in ask(build.signed()).statements} == {tuple(item.digest for item in build.children)}


def test_an_index_without_images_proves_nothing(build: Build) -> None:
    build.state(build.first)
    with pytest.raises(NoSignatureAccepted, match="does not list"):
        ask(build.signed(children=[]))


def test_of_two_manifests_about_one_image_one_that_fits_is_enough_unless_every_one_must(build: Build) -> None:
    build.children = build.children[:1]
    for number in range(2):
        build.state(build.first, {"n": number})
    image, wanted = build.signed(), [{"pointer": "/n", "equals": 1}]
    (made,) = ask(image, conditions=wanted).statements
    assert made.parsed == {"n": 1}
    assert len(ask(image).statements) == 2
    with pytest.raises(NoSignatureAccepted, match="every attestation of slsaprovenance1 must fit"):
        ask(image, conditions=wanted, every=True)
    attest(image, predicate={"n": 1})
    with pytest.raises(NoSignatureAccepted, match="every attestation of slsaprovenance1 must fit"):
        ask(image, conditions=wanted, every=True)


@pytest.mark.parametrize("number", [1, 2], ids=["statement fits", "attestation fits"])
def test_every_attestation_of_a_platform_must_fit_whether_signed_or_in_the_index(build: Build, number: int) -> None:
    build.children = build.children[:1]
    build.state(build.first, {"n": number})
    image, wanted = build.signed(), [{"pointer": "/n", "equals": 1}]
    attest(image_at(build.server, build.first), predicate={"n": 3 - number})
    platform = str(PLATFORMS[0])
    assert ask(image, conditions=wanted, platform=platform).through_index is (number == 1)
    with pytest.raises(NoSignatureAccepted, match="'/n' is 2, equals 1 is needed"):
        ask(image, conditions=wanted, every=True, platform=platform)
    assert ask(image, every=True, platform=platform).verified


@pytest.mark.parametrize("answer", [Answer(404, b"{}"), Answer(200, b"{}")], ids=["missing", "other bytes"])
@pytest.mark.parametrize("part", ["statement", "manifest"])
def test_a_registry_hides_no_statement_of_a_signed_index_where_every_one_must_fit(
    build: Build, answer: Answer, part: str
) -> None:
    build.children = build.children[:1]
    build.state(build.first, {"n": 1})
    blob = build.state(build.first, {"n": 2})
    hidden = blob if part == "statement" else build.entries[-1].digest
    build.signed()
    image, wanted = image_at(build.server, "1.0"), [{"pointer": "/n", "equals": 1}]
    build.server.faults.append(lambda request: answer if hidden in request.path else None)
    assert ask(image, conditions=wanted).verified
    with pytest.raises(NoSignatureAccepted, match="must fit, and 1 does not: it cannot be read"):
        ask(image, conditions=wanted, every=True)


def test_what_others_attest_of_a_platform_is_not_needed_to_fit(build: Build) -> None:
    build.children = build.children[:1]
    build.state(build.first, {"n": 2})
    image, child = build.signed(1), image_at(build.server, build.first)
    attest(child, predicate={"n": 1})
    attest(child, predicate={"n": 2}, key=private_key(number=1))
    wanted = [{"pointer": "/n", "equals": 1}]
    assert ask(image, conditions=wanted, every=True, platform=str(PLATFORMS[0])).verified


def test_a_statement_of_another_type_is_not_read(build: Build) -> None:
    build.children = build.children[:1]
    blob = build.state(build.first, said=VULN, predicateType=VULN)
    image = build.signed()
    build.server.requests.clear()
    with pytest.raises(NoSignatures, match="its index has statements of BuildKit of: vuln"):
        ask(image)
    assert build.server.asked("GET", blob) == 0
    assert ask(image, type_="vuln").statements
    assert build.server.asked("GET", blob) == 1


def test_a_type_that_the_manifest_does_not_give_is_the_one_of_the_statement(build: Build) -> None:
    assert ask(one(build, said=None)).statements
    with pytest.raises(NoSignatureAccepted, match="attested as"):
        ask(build.image, type_="vuln")


def test_other_bytes_under_the_digest_of_a_layer_prove_nothing(build: Build) -> None:
    build.children = build.children[:1]
    blob = build.state(build.first)
    image = build.signed()
    forged = statement(build.first, {"forged": True})

    def answer(request: Request) -> Answer | None:
        return Answer(200, forged) if blob in request.path and request.method == "GET" else None

    build.server.faults.append(answer)
    with pytest.raises(NoSignatureAccepted, match=r"bytes|digest"):
        ask(image)


def test_what_the_registry_did_not_give_is_not_missing(build: Build) -> None:
    build.children = build.children[:1]
    blob = build.state(build.first)
    image = build.signed()
    build.server.faults.append(lambda request: Answer(403, b"{}") if blob in request.path else None)
    with pytest.raises(imagesig.TransportError):
        ask(image)


def test_a_registry_that_fails_is_not_asked_for_everything(build: Build) -> None:
    build.children = build.children[:1]
    blobs = {build.state(build.first, {"n": number}) for number in range(20)}
    image = build.signed()
    build.server.faults.append(
        lambda request: Answer(500, b"{}") if any(item in request.path for item in blobs) else None
    )
    build.server.requests.clear()
    with pytest.raises(imagesig.TransportError):
        ask(image)
    assert len({item.path for item in build.server.requests if item.path[-71:] in blobs}) == limits.UNREAD_BLOBS


def test_an_index_that_cannot_be_read_proves_nothing(build: Build) -> None:
    build.children = build.children[:1]
    build.state(build.first)
    build.push()
    document = json.loads(build.server.manifest(NAME, "1.0")[0])
    document["manifests"].append({"digest": "x"})
    build.image.home.put_manifest(json.dumps(document).encode(), OCI_INDEX, "1.0")
    with pytest.raises(NoSignatures) as caught:
        ask(build.image)
    assert "BuildKit" not in str(caught.value)
    sign(build.image, signing_key())
    verify(build.image, KEY)
    with pytest.raises(NoSignatureAccepted, match="manifest 2"):
        ask(build.image)


def test_statements_in_an_index_are_limited(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    build.children = build.children[:1]
    for number in range(3):
        build.state(build.first, {"n": number, "padding": "x" * number})
    image = build.signed()
    monkeypatch.setattr(limits, "ATTESTATIONS", 2)
    assert len(ask(image).statements) == 2
    with pytest.raises(LimitExceeded, match="3 statements"):
        ask(image, conditions=[{"pointer": "/n", "equals": 2}])
    monkeypatch.setattr(limits, "ATTESTATION_BYTES", 20)
    image = one(build, said=VULN, predicateType=VULN)
    with pytest.raises(NoSignatureAccepted, match="at most 20 are read"):
        ask(image, type_="vuln")


def test_the_statements_of_one_image_have_one_budget(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    build.children = build.children[:1]
    for number in range(3):
        build.state(build.first, {"n": number, "padding": "x" * 1000})
    image = build.signed()
    # Each has about 1230 bytes; the bundle with the signature has 700, and may be an attestation until it is read.
    monkeypatch.setitem(effort.ALLOWANCE, effort.Cost.STATEMENT_BYTES, 3500)
    assert len(ask(image).statements) == 2
    with pytest.raises(LimitExceeded, match="more than 3500 bytes of attestations"):
        ask(image, conditions=[{"pointer": "/n", "equals": 3}])


def test_a_threshold_is_of_distinct_signers_of_the_index_or_of_attestations(build: Build) -> None:
    image = one(build)
    both = Policy.at_least(2, KEY, OTHER)
    with pytest.raises(NoSignatureAccepted, match="needs 2 trusted attesters"):
        ask(image, both)
    attest(image, key=private_key())
    with pytest.raises(NoSignatureAccepted, match="needs 2 trusted attesters"):
        ask(image, both)
    sign(image, signing_key(1))
    result = ask(image, both)
    assert {item.authority for item in result.statements} == {KEY.fingerprint, OTHER.fingerprint}


def test_a_policy_with_a_type_is_satisfied_by_a_signed_index(build: Build) -> None:
    image = one(build, predicate={"ok": True})
    key = (TrustedKey("ci", (KEY,)),)
    rule = Rule((Signed(key), Attested(key, predicate_type=TYPE)))
    result = verify(image, Policy(rule))
    assert ([item.index != "" for item in result.statements], len(result.signatures)) == ([True], 2)
    assert verify(image, Policy(rule), platform=str(PLATFORMS[0])).through_index


def test_the_name_in_the_signature_of_the_index_must_fit(build: Build) -> None:
    image = one(build)
    key = (TrustedKey("ci", (KEY,)),)
    for identity, fits in ((Identity.exactly("elsewhere.example/app:1.0"), False), (Identity.any(), True)):
        policies = (
            Policy(Rule((Attested(key, predicate_type=TYPE, identity=identity),))),
            Policy(Rule((Signed(key, identity=identity),))),
        )
        for policy in policies:
            if fits:
                assert ask(image, policy).statements
            else:
                with pytest.raises(NoSignatureAccepted):
                    ask(image, policy)


def test_a_signer_whom_nobody_certified_proves_nothing_even_if_that_is_only_logged(build: Build) -> None:
    image = one(build)
    audited = Attested((TrustedKey("ci", (OTHER,)),), predicate_type=TYPE, enforcement=AUDIT)
    with pytest.raises(imagesig.VerificationError):
        ask(image, Policy(Rule((audited,))), allow_unverified=True)


def test_cel_sees_the_image_of_the_statement_and_the_signer_of_the_index(build: Build) -> None:
    text = f"subject.digest == '{build.first}' && signer.fingerprint == '{KEY.fingerprint}' && predicate.ok"
    assert ask(one(build, predicate={"ok": True}), cel=text).statements


@pytest.mark.parametrize("name", ["cosign", "bundle"])
def test_an_expression_may_choose_among_the_signatures_of_one_key(build: Build, name: str) -> None:
    (made,) = ask(one(build), cel=f"signer.format == '{name}'").statements
    assert made.signature.format == name


def test_the_command_says_that_the_index_proves_it(build: Build, tmp_path: Any) -> None:
    image = one(build, predicate={"ok": True})
    (tmp_path / "key.pub").write_text(KEY.pem)
    asked = ["verify-attestation", "--key", str(tmp_path / "key.pub"), "--type", TYPE, str(image)]
    done = run_here(*asked)
    assert done.exit_code == 0, done.stderr
    assert "contains this statement" in done.stdout
    assert "unsigned itself: it is in the signed index sha256:" in done.stdout
    done = run_here(*asked, "--output", "json")
    (found,) = json.loads(done.stdout)["images"][0]["statements"]
    assert found["proven_by"] == "index"

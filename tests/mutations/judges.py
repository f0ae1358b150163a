"""What imagesig and the real tools say of one image. Each tool is asked about the formats that it judges."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagesig import Identity, ImagesigError, Policy, verify, verify_attestation
from imagesig.errors import NoSignatureAccepted
from imagesig.images.open import open_image
from imagesig.trust import CertificateAuthority, Holder
from tests.chains import pem
from tests.interop.notation import LAYOUT_SCOPE, NotationHome
from tests.interop.tools import Run, Tools
from tests.mutations.changes import Mutation
from tests.mutations.material import ATTESTED, HOLDER, IDENTITY, TAG, TYPE, Base, Material
from tests.mutations.serving import Shelf, write
from tests.mutations.stores import Store

_SECONDS = 20.0
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Opinion:
    """Whether an image is accepted, and then what: its digest, or for Docker's archives config and layers.

    Of an attestation, the digest and the predicates.

    cosign does not say which image it verified of a bundle in a layout.
    """

    accepted: bool
    what: str = ""
    reason: str = ""
    crashed: bool = False


@dataclass(frozen=True)
class Judged:
    """One tool's opinion and ours of the same question."""

    judge: str
    theirs: Opinion
    ours: Opinion

    @property
    def outcome(self) -> str:
        """`agree`, `stricter` or `laxer` (imagesig is), `other-image`, or `crash`."""
        if self.ours.crashed:
            return "crash"
        if self.ours.accepted and self.theirs.accepted:
            return "agree" if self.theirs.what in ("", self.ours.what) else "other-image"
        if self.ours.accepted == self.theirs.accepted or (self.judge == DEPLOYS and not self.ours.accepted):
            return "agree"
        return "laxer" if self.ours.accepted else "stricter"


COSIGN, SKOPEO, NOTATION = "cosign", "skopeo", "notation"
DEPLOYS = "skopeo deploys"
"""skopeo under a policy that accepts anything, from homes whose signatures it does not read: what does it copy?"""

_JUDGES: dict[tuple[str, str], tuple[str, ...]] = {
    ("registry", "cosign"): (COSIGN, SKOPEO),
    ("registry", "both"): (COSIGN, SKOPEO),
    ("registry", "bundle"): (COSIGN,),
    ("fallback", "bundle"): (COSIGN,),
    ("registry", "cosign-x509"): (COSIGN,),
    ("registry", "bundle-x509"): (COSIGN,),
    ("registry", "attestation"): (COSIGN,),
    ("registry", "attestation-bundle"): (COSIGN,),
    ("fallback", "attestation-bundle"): (COSIGN,),
    ("registry", "notation-jws"): (NOTATION,),
    ("fallback", "notation-jws"): (NOTATION,),
    ("registry", "notation-cose"): (NOTATION,),
    ("layout", "cosign"): (COSIGN, DEPLOYS),
    ("layout", "bundle"): (COSIGN, DEPLOYS),
    ("layout", "notation-jws"): (NOTATION, DEPLOYS),
    ("layout", "notation-cose"): (NOTATION, DEPLOYS),
    ("oci-archive", "cosign"): (DEPLOYS,),
    ("docker-archive", "cosign"): (DEPLOYS,),
    ("dir", "cosign"): (SKOPEO,),
}


def judges_of(base: Base) -> tuple[str, ...]:
    """cosign does not find the bundle of an index in a layout (sigstore/cosign#4937)."""
    asked = _JUDGES[base.home, base.form]
    return (DEPLOYS,) if base.name == "layout/bundle/index" else asked


class Bench:
    """All judges with their keys, policies and folders."""

    def __init__(self, made: Material, shelf: Shelf, folder: Path) -> None:
        self._made, self._shelf, self._folder = made, shelf, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._tools = Tools(folder)
        self._public = folder / "release.pub"
        self._public.write_text(made.public_pem)
        self._chain = folder / "chain.pem"
        self._chain.write_text(pem([made.middle.certificate, made.root.certificate]))
        self._roots = folder / "roots.json"
        authority = ["--fulcio", f"url=https://ca.example,certificate-chain={self._chain}", "--out", str(self._roots)]
        self._tools.run("cosign3", "trusted-root", "create", *authority).must_succeed()
        self._notation = NotationHome.create(folder / "notation")
        self._notation.trust([made.root.certificate])
        requirement = {
            "type": "sigstoreSigned",
            "keyPath": str(self._public),
            "signedIdentity": {"type": "exactReference", "dockerReference": IDENTITY},
        }
        transports = {name: {"": [requirement]} for name in ("docker", "dir")}
        self._strict = folder / "strict.json"
        self._strict.write_text(json.dumps({"default": [{"type": "reject"}], "transports": transports}))
        self._anything = folder / "anything.json"
        self._anything.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        registries = folder / "registries.d"
        registries.mkdir()
        (registries / "default.yaml").write_text("default-docker: {use-sigstore-attachments: true}\n")
        vouching = CertificateAuthority("acme", (made.root.certificate, made.middle.certificate), (Holder.of(HOLDER),))
        # A bundle has no name to be compared.
        self._by_key = Policy.any_of(made.public_pem, identity=Identity.any())
        self._by_key_and_name = Policy.any_of(made.public_pem, identity=IDENTITY)
        self._by_authority = Policy.any_of(vouching, identity=Identity.any())
        self._by_skopeos = Policy.from_containers_policy(self._strict)
        self._by_notations = Policy.from_notation(self._notation.config)
        self._by_layouts = Policy.from_notation(self._notation.config, scope=LAYOUT_SCOPE)

    def judge(self, mutation: Mutation, name: str = "") -> list[Judged]:
        """Every judge of that kind of image."""
        base = mutation.base
        with self._placed(mutation, name or str(mutation.number)) as place:
            found = []
            for judge in judges_of(base):
                ours = self._imagesig(judge, mutation, place)
                theirs = {
                    COSIGN: self._ask_cosign,
                    NOTATION: self._ask_notation,
                    SKOPEO: self._ask_skopeo,
                    DEPLOYS: self._ask_skopeo,
                }[judge](judge, mutation, place)
                found.append(Judged(judge, theirs, ours))
            return found

    @contextmanager
    def _placed(self, mutation: Mutation, name: str) -> Iterator[str]:
        """Gives where it is: `HOST/m/NAME`, or a path."""
        if mutation.base.home in ("registry", "fallback"):
            self._shelf.put(name, mutation.store)
            yield self._shelf.reference(name)
            self._shelf.take(name)
            return
        folder = self._folder / "images" / name
        try:
            yield str(write(mutation, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # --- imagesig ----------------------------------------------------------------------------------------------------

    def _imagesig(self, judge: str, mutation: Mutation, place: str) -> Opinion:
        home = mutation.base.home
        name = place if home in ("registry", "fallback") else f"{_SKOPEOS[home]}:{place}"
        if home != "dir" and not (home == "layout" and judge == COSIGN):  # cosign takes a folder without a tag
            name += f":{TAG}" if home != "docker-archive" else ""
        platform = "linux/amd64" if mutation.base.shape == "index" and judge in (SKOPEO, DEPLOYS) else ""
        try:
            image = open_image(name, timeout=_SECONDS)
            if mutation.base.form in ATTESTED:
                attested = verify_attestation(image, self._by_key, predicate_type=TYPE)
                return Opinion(True, _attested(attested.digest, [item.predicate for item in attested.statements]))
            result = verify(image, self._policy(judge, mutation), platform=platform)
        except ImagesigError as error:
            return Opinion(False, reason=_why(error))
        except Exception as error:
            return Opinion(False, reason=f"{type(error).__name__}: {error}"[:300], crashed=True)
        what = _as_docker(mutation.store, result.digest) if home == "docker-archive" else result.digest
        return Opinion(True, what)

    def _policy(self, judge: str, mutation: Mutation) -> Policy:
        form = mutation.base.form
        if judge == SKOPEO:
            return self._by_skopeos
        if form.startswith("notation"):
            return self._by_layouts if mutation.base.home == "layout" else self._by_notations
        if form == "cosign":
            return self._by_key_and_name
        return self._by_authority if form.endswith("x509") else self._by_key

    # --- the tools ---------------------------------------------------------------------------------------------------

    def _ask_cosign(self, _: str, mutation: Mutation, place: str) -> Opinion:
        form, local = mutation.base.form, mutation.base.home == "layout"
        options = ["--insecure-ignore-tlog=true"]
        if form.endswith("x509"):
            options += [
                "--certificate-identity",
                HOLDER,
                "--certificate-oidc-issuer-regexp",
                ".*",
                "--insecure-ignore-sct",
            ]
            bundle = form.startswith("bundle")
            options += ["--trusted-root", str(self._roots)] if bundle else ["--certificate-chain", str(self._chain)]
        else:
            options += ["--key", str(self._public)]
        options += ["--local-image"] if local else ["--allow-http-registry", "--allow-insecure-registry"]
        if form in ATTESTED:
            done = self._tools.run("cosign3", "verify-attestation", "--type", TYPE, *options, f"{place}:{TAG}")
            return _opinion_of_statements(done, mutation.store.tags[TAG])
        done = self._tools.run("cosign3", "verify", *options, place if local else f"{place}:{TAG}")
        return _opinion(done, done.stdout)

    def _ask_notation(self, _: str, mutation: Mutation, place: str) -> Opinion:
        local = mutation.base.home == "layout"
        where = ["--oci-layout", "--scope", LAYOUT_SCOPE] if local else ["--insecure-registry"]
        done = self._notation.tools.run("notation", "verify", *where, f"{place}:{TAG}")
        said = [line for line in done.stdout.splitlines() if "Successfully verified" in line]
        return _opinion(done, said[0] if said else "")

    def _ask_skopeo(self, judge: str, mutation: Mutation, place: str) -> Opinion:
        home = mutation.base.home
        source = f"docker://{place}:{TAG}" if home in ("registry", "fallback") else f"{_SKOPEOS[home]}:{place}"
        source += {"layout": f":{TAG}", "oci-archive": f":{TAG}"}.get(home, "")
        policy = self._strict if judge == SKOPEO else self._anything
        target = self._folder / "pulled" / re.sub(r"\W", "-", place)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)
        try:
            done = self._tools.run(
                "skopeo",
                *("--policy", str(policy), "--registries.d", str(self._folder / "registries.d")),
                *("--override-os", "linux", "--override-arch", "amd64"),
                *("copy", "--src-tls-verify=false", source, f"dir:{target}"),
            )
            if not done.ok:
                return Opinion(False, reason=done.reason)
            manifest = (target / "manifest.json").read_bytes()
            if home == "docker-archive":
                return Opinion(True, _docker_what(manifest))
            return Opinion(True, "sha256:" + hashlib.sha256(manifest).hexdigest())
        finally:
            shutil.rmtree(target, ignore_errors=True)


_SKOPEOS = {"layout": "oci", "oci-archive": "oci-archive", "docker-archive": "docker-archive", "dir": "dir"}


def _why(error: ImagesigError) -> str:
    """The error, with the reasons why signatures did not count."""
    rejections = error.rejections if isinstance(error, NoSignatureAccepted) else ()
    return "; ".join(
        f"{type(item).__name__}: {str(item)[:300]}" for item in (error, *(item.error for item in rejections))
    )


def _opinion(done: Run, said: str) -> Opinion:
    if not done.ok:
        return Opinion(False, reason=done.reason)
    found = _DIGEST.search(said)
    return Opinion(True, found[0] if found else "")


def _opinion_of_statements(done: Run, digest: str) -> Opinion:
    """The digest that the statements name, and their predicates. `digest` is taken if they name it among others."""
    if not done.ok:
        return Opinion(False, reason=done.reason)
    statements = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in done.stdout.splitlines()]
    subjects = [{f"sha256:{item['digest'].get('sha256')}" for item in it["subject"]} for it in statements]
    named = digest if all(digest in item for item in subjects) else str(sorted(map(sorted, subjects)))
    return Opinion(True, _attested(named, [json.dumps(item.get("predicate")).encode() for item in statements]))


def _attested(digest: str, predicates: Sequence[bytes]) -> str:
    """The same attestation in two places is one."""
    return " ".join([digest, *sorted({json.dumps(json.loads(item or b"null"), sort_keys=True) for item in predicates})])


def _docker_what(manifest: bytes) -> str:
    """Config and layers, which skopeo unpacks."""
    document = json.loads(manifest)
    return " ".join([document["config"]["digest"], *(layer["digest"] for layer in document["layers"])])


def _as_docker(store: Store, digest: str) -> str:
    if digest not in store.blobs:
        return digest
    document = json.loads(store.blobs[digest])
    layers = [store.blobs[layer["digest"]] for layer in document["layers"]]
    try:
        plain = [gzip.decompress(layer) for layer in layers]
    except (OSError, EOFError, zlib.error):
        return f"{document['config']['digest']} and layers that nobody can unpack"
    return " ".join([document["config"]["digest"], *("sha256:" + hashlib.sha256(item).hexdigest() for item in plain)])

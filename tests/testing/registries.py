"""What works at each profile of a registry, tried step by step, and docs/registries.md from it.

`python -m tests.testing.registries` writes the page.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import patch

from msgspec.structs import replace

from imagesig import Identity, Policy, copy, inspect, open_key, remove, sign, verify
from imagesig.errors import ImagesigError
from imagesig.keys.file.provider import FileKey
from imagesig.keys.provider import SigningKey
from imagesig.testing import PROFILES, InMemoryRegistry, Profile
from tests.chains import NOW, leaf, root, trusting
from tests.commands import run_here
from tests.makers import signing_key

PAGE = Path(__file__).parents[2] / "docs" / "registries.md"
FORMATS = ("cosign", "bundle", "cosign-x509", "bundle-x509", "notation-jws", "notation-cose")
STEPS = ("sign", "verify", "inspect", "second signer", "copy", "remove")

Cells = Mapping[tuple[str, str], Mapping[str, str]]
"""By profile and format: for each step the error, empty if it works."""


def made_key(folder: Path) -> SigningKey:
    """A key that the command generates."""
    with patch.dict(os.environ, {"IMAGESIG_PASSPHRASE": "for the run"}):
        assert run_here("key", "generate", folder / "release.key").exit_code == 0
        return open_key(str(folder / "release.key"))


def tried(key: SigningKey) -> Cells:
    """The run over every profile and format."""
    cells: dict[tuple[str, str], Mapping[str, str]] = {}
    for name, profile in PROFILES.items():
        with profile.registry() as server:
            for number, form in enumerate(FORMATS):
                cells[name, form] = _steps(server, f"app{number}:1", form, key)
    return cells


def _steps(server: InMemoryRegistry, name: str, form: str, own: SigningKey) -> Mapping[str, str]:
    image, formats = server.add_image(name), [form]
    with_chain = leaf(root())
    is_certified = form not in ("cosign", "bundle")
    key = FileKey(replace(with_chain.private_key, chain=with_chain.chain), "certified") if is_certified else own
    authority = trusting(with_chain.chain[-1]).authorities[0] if is_certified else own.info.public_key
    policy = Policy.any_of(authority, formats=formats if "notation" in form else [form.partition("-")[0]])
    copied = Policy.any_of(authority, identity=Identity.any())
    other = image.replace("/app", "/copy")

    def second() -> None:
        extra = signing_key(5)
        again = "notation-cose" if form == "notation-jws" else "notation-jws" if "notation" in form else ""
        sign(image, key if again else extra, formats=[again or form.partition("-")[0]], now=NOW)
        assert verify(image, policy, now=NOW).verified

    def copies() -> None:
        copy(image, other)
        assert verify(other, copied, now=NOW).verified

    def removes() -> None:
        assert remove(image, all=True).removed
        assert not inspect(image).signatures

    steps: dict[str, Callable[[], object]] = {
        "sign": lambda: sign(image, key, formats=formats, now=NOW),
        "verify": lambda: verify(image, policy, now=NOW),
        "inspect": lambda: inspect(image),
        "second signer": second,
        "copy": copies,
        "remove": removes,
    }
    said: dict[str, str] = {}
    for step in STEPS:
        try:
            steps[step]()
            said[step] = ""
        except ImagesigError as error:
            said[step] = _plain(f"{error}{f' ({error.hint})' if error.hint else ''}")
            if step == "sign":
                break  # there is nothing to verify
    return said


def _plain(text: str) -> str:
    text = re.sub(r"127\.0\.0\.1:\d+", "registry.example", text)
    text = re.sub(r"sha256([:-])[0-9a-f]{64}", r"sha256\1HEX", text)
    return re.sub(r"(?:app|copy)\d+", "app", text)


def page(cells: Cells) -> str:
    """The page, from what was seen."""
    notes: list[str] = []
    lines = [
        "# Registries: what works where",
        "",
        "`make registries` writes this page from a run. For each kind of registry, a profile in `imagesig.testing`",
        "(`PROFILES`) gives the answers that differ from the specification, as public sources report them. The run",
        "generates a key and tries six steps for every format: " + ", ".join(STEPS) + ".",
        "",
        "`ok` means that every step works. Otherwise the cell names the steps that fail; a number points to the reason",
        "below. Versions and settings of a product differ, so ask your registry: `imagesig doctor IMAGE`.",
        "",
        f"| registry | {' | '.join(FORMATS)} | choose |",
        "|" + "---|" * (len(FORMATS) + 2),
    ]
    for name, profile in PROFILES.items():
        shown = [_cell(cells[name, form], notes) for form in FORMATS]
        lines.append(f"| {profile.title} | {' | '.join(shown)} | {_choice(name, cells)} |")
    lines += ["", "## Reasons", "", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    lines += ["", "## What differs", "", *(_differences(name, profile) for name, profile in PROFILES.items()), ""]
    return "\n".join(lines)


def _cell(said: Mapping[str, str], notes: list[str]) -> str:
    failed = []
    for step, reason in said.items():
        if reason:
            if reason not in notes:
                notes.append(reason)
            failed.append(f"{step} [{notes.index(reason) + 1}]")
    return "no: " + ", ".join(failed) if failed else "ok"


def _choice(name: str, cells: Cells) -> str:
    good = [form for form in ("cosign", "bundle") if not any(cells[name, form].values())]
    if len(good) == 2:
        return "the default (both)"
    if good:
        return f"`--format {good[0]}`"
    signs = [form for form in ("cosign", "bundle") if not cells[name, form]["sign"]]
    return f"`--format {signs[-1]}`" if signs else "`--signature-repository`"


def _differences(name: str, profile: Profile) -> str:
    said = [
        f"{item.method} `{item.path}`: {_answer(item.status, item.only, done=item.done)}"
        for item in profile.differences
    ]
    said += ["no referrers API"] * (not profile.referrers_api) + ["no OCI-Subject header"] * (not profile.oci_subject)
    said += ["no deletion"] * (not profile.deletes)
    said += ["no artifact types in the list of referrers"] * (not profile.lists_types)
    said += ["the tag `sha256-HEX` names what the digest names"] * profile.tag_is_digest
    return f"- `{name}` ({profile.title}): {'; '.join(said)}. Sources: {', '.join(profile.sources)}."


def _answer(status: int, only: str, *, done: bool) -> str:
    what = {"oci": " for OCI manifests", "tag exists": " for tags that exist", "empty list": " for an empty list"}
    how = f"status {status}" if status else "other headers"
    return f"{how}{what.get(only, '')}{', and it is done' if done and status else ''}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        PAGE.write_text(page(tried(made_key(Path(made)))), encoding="utf-8")

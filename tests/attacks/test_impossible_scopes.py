"""7b: a scope that no image can be in is refused with its line, so that no broader rule applies in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.errors import InvalidArgument
from imagesig.policy import Policy, parse_scope
from tests.attacks.policy_place import furnish, policy_file
from tests.commands import run_here

DIGEST = "sha256:" + "ab" * 32
KEYS = 'authorities.a = { key_file = "a.pub" }\n'

IMPOSSIBLE = [
    # names that docker writes in another way
    "alpine",
    "library/alpine",
    "docker.io/alpine:3",
    f"docker.io/alpine@{DIGEST}",
    "index.docker.io",
    "index.docker.io/library",
    "index.docker.io/library/alpine",
    # names that are none
    "registry.example/",
    "registry.example//team",
    "registry.example/team/",
    "/team/app",
    "./team/app",
    "registry.example/Team",
    "registry.example/team/App",
    "registry.example/team/app:",
    "registry.example/team/app:" + "t" * 129,
    "registry.example/team/app:-x",
    "registry.example/team/app:a:b",
    "registry.example:5000:5000",
    f"registry.example@{DIGEST}",
    "registry.example/team/app@sha256:" + "ab" * 31,
    "registry.example/team/app@sha256:" + "AB" * 32,
    "registry.example/team/app@SHA256:" + "ab" * 32,
    "registry.example/team/app@sha512:" + "ab" * 64,
    f"registry.example/team/app:1@{DIGEST}",
    "registry.example/" + "a/" * 120 + "a" * 20,
    "a" * 64,
    "registry.example/team/*",
    "registry.example/team app",
    " registry.example",
    "registry.example\n",
    "https://registry.example",
    "docker://registry.example/team",
    "docker:registry.example",
    "docker:/registry.example",
    # hosts that nothing can be at
    "registry.example:0",
    "registry.example:0/team",
    "registry.example:000",
    "registry.example:65536",
    "registry.example:65536/team/app:1",
    "registry.example:",
    "256.1.1.1",
    "10.0.0.1000:5000/team",
    "*.example.com:5000",
    "*.*.example.com",
    "*example.com",
    "*.example.com/team",
    "*.",
    "*",
    "*..com",
    "*.example..com",
    "*.[::1]",
    "*." + "a." * 126 + "com",
    "[::1",
    "[:::1]",
    "[1:2]",
    "[::1]5000",
    "[::1%25eth0]",
    "::1",
    "a" * 64 + ".example",
    "registry.example./team",
    "-a.example",
    # places
    "oci:images",
    "oci:./images",
    "oci:/",
    "oci:/images/",
    "oci:/images//x",
    "oci:/images/./x",
    "oci:/images/../x",
    "dir:srv",
    "docker-archive:x.tar",
    "docker-archive:/images/x.tar:latest",
    "docker-archive:/images/a:b/x.tar",
    "oci:/images/team/app:1.0",
    f"oci:/images/team/app@{DIGEST}",
    "oci-archive:/images/app.tar:1.0",
    "oci:/images/" + "a" * 256,
    "oci:/images/\0x",
    "OCI:/images/team",
    "oci-archiv:/images/team",
    "docker-daemon:/images/team",
    "",
]


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_no_image_can_be_in_is_no_scope(text: str) -> None:
    with pytest.raises(InvalidArgument, match="scope"):
        parse_scope(text)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path, "a", "b")
    return tmp_path


@pytest.mark.parametrize(
    "scope", ["registry.example:0/team", "oci:/images/team/app:1.0", "registry.example/Team", "[1:2]"]
)
def test_the_line_is_named_and_the_default_does_not_apply(place: Path, scope: str) -> None:
    path = policy_file(place, 'any = ["a"]', KEYS, scope=scope, default="insecureAcceptAnything")
    for command in (("verify", "--policy", path, "--allow-unverified", "oci:image:1.0"), ("policy", "check", path)):
        done = run_here(*command)
        assert done.exit_code == 2, done.output
        assert "policy.toml:5: rules[0].scope: scope " in done.stderr


def test_a_place_behind_a_symbolic_link_is_refused_with_its_line(place: Path) -> None:
    (place / "link").symlink_to(place / "image")
    path = policy_file(
        place, 'any = ["b"]', KEYS + 'authorities.b = { key_file = "b.pub" }\n', scope=f"oci:{place}/link"
    )
    path.write_text(path.read_text().replace('default = "reject"', 'default = "insecureAcceptAnything"'))
    done = run_here("verify", "--policy", path, "--allow-unverified", "oci:link:1.0")
    assert done.exit_code == 2, done.output
    assert "policy.toml:6: rules[0].scope" in done.stderr
    assert "symbolic link" in done.stderr
    with pytest.raises(InvalidArgument, match="symbolic link"):
        Policy.load(path)

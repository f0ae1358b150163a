"""Credential files and helpers of docker and podman."""

from __future__ import annotations

import base64
import json
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagesig import Transport, inspect, limits
from imagesig.errors import InvalidArgument, Unauthorized
from imagesig.images.registry.credential import ANONYMOUS, Credential
from imagesig.images.registry.credentials import CredentialFiles, credential_files
from imagesig.keys.secrets import docker_variable
from imagesig.testing import InMemoryRegistry
from imagesig.text import sentence
from tests.commands import run_here


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def files(tmp_path: Path, document: object, name: str = "config.json", path: str = "") -> CredentialFiles:
    (tmp_path / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return CredentialFiles([tmp_path / name], path=path)


def helper(tmp_path: Path, name: str, script: str) -> None:
    program = tmp_path / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread server\n{script}\n")
    program.chmod(0o755)


def test_files_are_read_in_the_order_of_podman_and_docker() -> None:
    environ = {"HOME": "/h", "REGISTRY_AUTH_FILE": "/a.json", "XDG_RUNTIME_DIR": "/run/1", "DOCKER_CONFIG": "/d"}
    found = [str(path) for path in credential_files(environ)]
    assert found == ["/a.json", "/run/1/containers/auth.json", "/h/.config/containers/auth.json", "/d/config.json"]


def test_an_inline_entry_is_found_by_host(tmp_path: Path) -> None:
    source = files(tmp_path, {"auths": {"registry.example:5000": auth("user:pa:ss")}})
    found = source("registry.example:5000")
    assert (found.username, found.password) == ("user", "pa:ss")
    assert source("registry.example") is ANONYMOUS


@pytest.mark.parametrize("key", ["{}", "https://{}", "https://{}/", "https://{}/v1/", "https://{}/v2/", "http://{}"])
def test_an_entry_is_found_under_each_spelling_of_its_host(tmp_path: Path, key: str) -> None:
    host = "registry.example:5000"
    assert files(tmp_path, {"auths": {key.format(host): auth("user:x")}})(host).username == "user"


def test_a_file_without_the_host_leaves_it_to_the_next_file(tmp_path: Path) -> None:
    files(tmp_path, {"auths": {"other.example": auth("other:x")}}, "first.json")
    files(tmp_path, {"auths": {"registry.example": auth("user:x")}}, "second.json")
    source = CredentialFiles([tmp_path / name for name in ("missing.json", "first.json", "second.json")])
    assert source("registry.example").username == "user"


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_is_found_under_its_old_name(tmp_path: Path, host: str) -> None:
    assert files(tmp_path, {"auths": {"https://index.docker.io/v1/": auth("user:pass")}})(host).username == "user"


def test_a_helper_for_the_host_beats_the_inline_entry(tmp_path: Path) -> None:
    helper(tmp_path, "test", 'echo "{\\"Username\\":\\"helped\\",\\"Secret\\":\\"$server\\"}"')
    document = {"auths": {"registry.example": auth("inline:x")}, "credHelpers": {"registry.example": "test"}}
    found = files(tmp_path, document, path=str(tmp_path))("registry.example")
    assert (found.username, found.password) == ("helped", "registry.example")


def test_podmans_entry_with_the_longest_path_wins(tmp_path: Path) -> None:
    host = "registry.example:5000"
    source = files(
        tmp_path,
        {"auths": {host: auth("all:x"), f"{host}/team": auth("team:x"), f"{host}/team/app": auth("app:x")}},
    )
    found = {name: source.for_repository(host, name).username for name in ("team/app", "team/apps", "team", "teams/a")}
    assert found == {"team/app": "app", "team/apps": "team", "team": "team", "teams/a": "all"}


def test_podmans_entry_for_a_path_on_docker_hub_is_found(tmp_path: Path) -> None:
    source = files(tmp_path, {"auths": {"docker.io/acme": auth("acme:x"), "docker.io": auth("all:x")}})
    assert source.for_repository("registry-1.docker.io", "acme/app").username == "acme"
    assert source.for_repository("registry-1.docker.io", "library/alpine").username == "all"


def test_a_repository_is_looked_up_once(tmp_path: Path) -> None:
    source = files(tmp_path, {"auths": {"registry.example": auth("before:x")}})
    assert source.for_repository("registry.example", "app").username == "before"
    files(tmp_path, {"auths": {"registry.example": auth("after:x")}})
    assert source.for_repository("registry.example", "app").username == "before"
    assert source.for_repository("registry.example", "other").username == "after"


def test_an_entry_for_another_path_is_not_used(tmp_path: Path) -> None:
    source = files(tmp_path, {"auths": {"registry.example/other": auth("other:x")}})
    assert source.for_repository("registry.example", "team/app") is ANONYMOUS


def test_a_helper_is_run_once_for_a_host(tmp_path: Path) -> None:
    count = tmp_path / "count"
    helper(tmp_path, "counts", f'echo x >> {count}; echo "{{\\"Username\\":\\"u\\",\\"Secret\\":\\"p\\"}}"')
    source = files(tmp_path, {"credsStore": "counts"}, path=str(tmp_path))
    for repository in ("a", "b", "c"):
        assert source.for_repository("registry.example", repository).username == "u"
    assert count.read_text() == "x\n"


def test_a_helper_without_credentials_is_not_an_error(tmp_path: Path) -> None:
    helper(tmp_path, "none", "echo credentials not found in native keychain; exit 1")
    assert files(tmp_path, {"credsStore": "none"}, path=str(tmp_path))("registry.example") is ANONYMOUS


def test_a_helper_that_fails_is_an_error_that_names_it(tmp_path: Path) -> None:
    helper(tmp_path, "broken", "echo s3cret >&2; exit 3")
    with pytest.raises(Unauthorized, match="status 3") as failed:
        files(tmp_path, {"credsStore": "broken"}, path=str(tmp_path))("registry.example")
    assert "s3cret" not in str(failed.value)


def test_what_a_failed_helper_says_is_shown_on_one_line(tmp_path: Path) -> None:
    helper(tmp_path, "sad", 'printf "gpg: decryption failed: No secret key\\nmore"; exit 1')
    source = files(tmp_path, {"credsStore": "sad"}, path=str(tmp_path))
    with pytest.raises(Unauthorized, match=r"ended with status 1 \('gpg: decryption failed: No secret key'\)$"):
        source("registry.example")


@pytest.mark.parametrize(
    "answer",
    [
        '{"ServerURL":"registry.example","Username":"u","Secret":"s3cret"}',
        'trace\\n{"Secret":"s3cret"}',
        '"Secret": "s3cret"\\n}\\n{',
        "password=s3cret",
        "cannot reach https://u:s3cret@store.example/",
    ],
    ids=["answer", "answer-below", "answer-without-beginning", "git", "login-in-url"],
)
def test_a_helper_that_fails_after_its_answer_has_no_credential_in_the_error(tmp_path: Path, answer: str) -> None:
    helper(tmp_path, "late", f"printf '{answer}\\n'; exit 1")
    with pytest.raises(Unauthorized, match=r"ended with status 1$") as failed:
        files(tmp_path, {"credsStore": "late"}, path=str(tmp_path))("registry.example")
    assert "s3cret" not in str(failed.value)


@pytest.mark.parametrize("name", ["auths", "Auths", "AUTHS"])
@pytest.mark.parametrize("inner", ["auth", "Auth"])
def test_names_of_members_have_no_case_as_in_go(tmp_path: Path, name: str, inner: str) -> None:
    entry = {inner: auth("user:x")["auth"]}
    assert files(tmp_path, {name: {"registry.example": entry}})("registry.example").username == "user"


@pytest.mark.parametrize("name", ["credsstore", "CredsStore", "CREDHELPERS", "credhelpers"])
def test_names_of_helpers_have_no_case_as_in_go(tmp_path: Path, name: str) -> None:
    helper(tmp_path, "good", """echo '{"Username":"user","Secret":"x"}'""")
    value = "good" if "store" in name.lower() else {"registry.example": "good"}
    assert files(tmp_path, {name: value}, path=str(tmp_path))("registry.example").username == "user"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_powershell_is_said_to_be_one(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(json.dumps({"auths": {}}).encode(encoding))
    with pytest.raises(InvalidArgument, match="byte order mark") as caught:
        CredentialFiles([file])("registry.example")
    assert "UTF-8" in caught.value.hint


def test_a_helper_gives_an_identity_token(tmp_path: Path) -> None:
    helper(tmp_path, "token", 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"refresh\\"}"')
    assert files(tmp_path, {"credsStore": "token"}, path=str(tmp_path))("registry.example").identity_token == "refresh"


@pytest.mark.parametrize("name", ["../evil", "a b", "", "x" * 100, "a/b"])
def test_a_helper_whose_name_is_a_path_is_never_run(tmp_path: Path, name: str) -> None:
    source = files(tmp_path, {"credHelpers": {"registry.example": name}}, path=str(tmp_path))
    if name:
        with pytest.raises(InvalidArgument):
            source("registry.example")
    else:
        assert source("registry.example") is ANONYMOUS


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_has_no_credentials(tmp_path: Path, text: str) -> None:
    assert files(tmp_path, text)("registry.example") is ANONYMOUS


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": {}, "auths": {}}'])
def test_a_file_that_is_broken_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"config\.json"):
        files(tmp_path, text)("registry.example")


@pytest.mark.parametrize("entry", [{"auth": "!!!"}, {"auth": base64.b64encode(b"no colon").decode()}])
def test_an_entry_that_is_broken_is_an_error_without_its_content(tmp_path: Path, entry: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="auth"):
        files(tmp_path, {"auths": {"registry.example": entry}})("registry.example")


def test_no_file_means_no_credentials() -> None:
    assert CredentialFiles([Path("/nonexistent/config.json")])("registry.example") is ANONYMOUS


def test_nothing_secret_is_in_a_repr(tmp_path: Path) -> None:
    found = files(tmp_path, {"auths": {"registry.example": auth("user:s3cret")}})("registry.example")
    assert "s3cret" not in repr(found)


def test_a_helper_that_cannot_be_started_or_does_not_end_is_a_failed_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker-credential-broken").write_text("#!/nonexistent/interpreter\n")
    (tmp_path / "docker-credential-broken").chmod(0o755)
    with pytest.raises(Unauthorized, match="did not answer"):
        files(tmp_path, {"credsStore": "broken"}, path=str(tmp_path))("registry.example")
    monkeypatch.setattr("imagesig.limits.HELPER_SECONDS", 0.05)
    helper(tmp_path, "hangs", "exec sleep 60")
    with pytest.raises(Unauthorized, match=r"did not answer \(TimeoutExpired\)"):
        files(tmp_path, {"credsStore": "hangs"}, path=str(tmp_path))("registry.example")


@pytest.mark.parametrize("more", [0, 1])
def test_a_helpers_answer_is_read_to_a_limit(tmp_path: Path, more: int) -> None:
    answer = '{"Username":"u","Secret":"p"}'
    blanks = limits.CREDENTIAL_HELPER_OUTPUT_BYTES + more - len(answer)
    (tmp_path / "answer").write_text(answer + " " * blanks)
    helper(tmp_path, "long", f"cat {tmp_path}/answer")
    source = files(tmp_path, {"credsStore": "long"}, path=str(tmp_path))
    if more:
        with pytest.raises(Unauthorized, match="too long"):
            source("registry.example")
    else:
        assert source("registry.example").username == "u"


@pytest.mark.parametrize("script", ["exec yes", "yes & wait"], ids=["itself", "its child"])
def test_a_helper_that_never_stops_writing_is_killed_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr("imagesig.limits.HELPER_SECONDS", 1)  # longer than a megabyte takes
    helper(tmp_path, "endless", script)
    with pytest.raises(Unauthorized, match="too long"):
        files(tmp_path, {"credsStore": "endless"}, path=str(tmp_path))("registry.example")


def test_a_helper_that_reads_nothing_and_answers_is_one(tmp_path: Path) -> None:
    program = tmp_path / "docker-credential-deaf"
    program.write_text("""#!/bin/sh\nexec <&-\necho '{"Username":"u","Secret":"p"}'\n""")
    program.chmod(0o755)
    assert files(tmp_path, {"credsStore": "deaf"}, path=str(tmp_path))("registry.example").username == "u"


def test_helpers_are_looked_for_on_path_unless_another_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, "onpath", 'echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"p\\"}"')
    source = files(tmp_path, {"credsStore": "onpath"})
    with pytest.raises(Unauthorized, match="not on PATH"):
        source("registry.example")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert source("registry.example").username == "u"


def test_the_folder_for_settings_is_the_users_own_before_that_of_his_home() -> None:
    found = [str(path) for path in credential_files({"HOME": "/h", "XDG_CONFIG_HOME": "/xdg"})]
    assert found[1:] == ["/xdg/containers/auth.json", "/h/.docker/config.json"]


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}], ids=["none", "empty"])
def test_without_a_variable_the_home_folder_is_that_of_the_systems_list_of_users(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """docker and skopeo find their logins there, in a service of systemd for example."""
    user = SimpleNamespace(pw_dir="/images/builder")
    monkeypatch.setattr(pwd, "getpwuid", {os.getuid(): user}.__getitem__)
    assert credential_files(environ)[1:] == tuple(
        Path("/images/builder", name) for name in (".config/containers/auth.json", ".docker/config.json")
    )


def test_a_user_who_is_not_in_the_list_has_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert {str(file).split("/")[1] for file in credential_files({})[1:]} == {"nonexistent"}


def test_without_a_runtime_folder_podmans_login_is_below_run() -> None:
    assert credential_files({"HOME": "/h"})[0] == Path(f"/run/containers/{os.getuid()}/auth.json")


@pytest.mark.parametrize("text", ["dXNl cjpw", "dXNlcjpw-", "dXNlcjp", "dXNlcjr_"])
def test_base64_with_anything_else_in_it_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidArgument, match="is not base64"):
        files(tmp_path, {"auths": {"registry.example": {"auth": text}}})("registry.example")


def test_a_helper_is_told_no_secret_of_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("IMAGESIG_PASSPHRASE", "COSIGN_PASSWORD", "IMAGESIG_PKCS11_PIN", "COSIGN_PKCS11_PIN")
    docker = (docker_variable("root"), docker_variable("targets"))
    for name in (*secrets, "VAULT_TOKEN", "BAO_TOKEN", *docker):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("OTHER", "kept")
    helper(tmp_path, "env", f'env > {tmp_path}/environment; echo "{{\\"Username\\":\\"u\\",\\"Secret\\":\\"p\\"}}"')
    assert files(tmp_path, {"credsStore": "env"}, path=str(tmp_path))("registry.example").username == "u"
    environment = (tmp_path / "environment").read_text()
    assert "OTHER=kept" in environment
    assert "s3cret" not in environment


@pytest.mark.parametrize("field", ["password", "identity_token", "registry_token"])
def test_each_secret_of_a_credential_is_in_no_repr_and_no_sentence(field: str) -> None:
    credential = Credential("user", **{field: "very-s3cret-W0rd"})
    assert "very-s3cret-W0rd" not in repr(credential)
    assert "very-s3cret-W0rd" not in sentence("the server said: very-s3cret-W0rd")


def test_a_password_is_hidden_from_messages_also_as_it_is_sent() -> None:
    sent = base64.b64encode(b"robot:pa55-of-this-test").decode()
    assert sent in sentence(f"authorization: Basic {sent}")
    Credential("robot", "pa55-of-this-test")
    assert sentence(f"authorization: Basic {sent}") == "authorization: Basic (secret)"
    assert sentence("the password pa55-of-this-test") == "the password (secret)"


@pytest.mark.parametrize("variable", ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG"])
@pytest.mark.parametrize("entries", [1, 50], ids=["a-file-name", "longer-than-a-file-name"])
def test_the_content_of_a_credential_file_in_place_of_its_name_is_not_shown(
    variable: str, entries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(
        variable, json.dumps({"auths": {f"127.0.0.1:{port}": auth("me:s3cret") for port in range(entries)}})
    )
    for command in ("doctor", "inspect"):
        done = run_here(command, "127.0.0.1:1/app:1")
        assert done.exit_code != 0
        assert f"{variable}: it has the content of a credential file, a path is needed" in done.output + done.stderr
        assert auth("me:s3cret")["auth"] not in done.output + done.stderr


@pytest.mark.parametrize("kind", ["basic", "bearer"])
@pytest.mark.parametrize("login", [("", "t0ken"), ("me", "")], ids=["no-user-name", "no-password"])
def test_a_login_may_lack_a_user_name_or_a_password(tmp_path: Path, kind: str, login: tuple[str, str]) -> None:
    with InMemoryRegistry(**{kind: login}) as server:
        server.add_image("app:1")
        entry = auth(":".join(login))
        for credentials in (login, files(tmp_path, {"auths": {server.host: entry}})):
            assert inspect(f"{server.host}/app:1", transport=Transport(credentials=credentials)).digest
        with pytest.raises(Unauthorized, match="from the program"):
            inspect(f"{server.host}/app:1", transport=Transport(credentials=("", "wrong")))

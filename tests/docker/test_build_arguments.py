"""What of a build's arguments is buildx's and what is ours, and which builds can be signed."""

from __future__ import annotations

import pytest

from imagesig.docker.build_arguments import build_request, has_signing, wants_help
from imagesig.errors import InvalidArgument

SPLIT = [
    ("--sign-key k -t a --push .", "-t a --push .", "--key=k"),
    ("-t a --push . --sign-key=k", "-t a --push .", "--key=k"),
    ("--push --sign-annotation a=b --sign-annotation c=d .", "--push .", "--annotation=a=b --annotation=c=d"),
    ("--push --sign-no-recursive --sign-plain-http .", "--push .", "--no-recursive --plain-http"),
    ("--push --sign-key .", "--push", "--key=."),
    ("--push --build-arg --sign-key .", "--push --build-arg --sign-key .", ""),
    ("--push --label=--sign-key=k .", "--push --label=--sign-key=k .", ""),
    ("--push -- --sign-key", "--push -- --sign-key", ""),
    ("--push -qt a -fDockerfile -f=x -", "--push -q -t a -f Dockerfile -f x -", ""),
    ("--push --sign-key= .", "--push .", "--key="),
    ("--push --sign-key k --sign-plain-http=false --sign-no-recursive=0 .", "--push .", "--key=k"),
    ("--push --sign-plain-http=true .", "--push .", "--plain-http"),
    ("--push -q=false -t a .", "--push -q=false -t a .", ""),
]


@pytest.mark.parametrize(("given", "buildx", "signing"), SPLIT, ids=[given for given, _, _ in SPLIT])
def test_each_argument_is_buildx_s_or_ours(given: str, buildx: str, signing: str) -> None:
    request = build_request("build", given.split())

    assert (list(request.arguments), list(request.signing)) == (buildx.split(), signing.split())
    assert has_signing(given.split()) is bool(signing)


GOES = [
    ("build", "--push .", True, []),
    ("build", "--push=true .", True, []),
    ("build", "--push=false --push .", True, []),
    ("build", "-o type=registry .", True, []),
    ("build", "-o registry .", True, []),
    ("build", "--output=type=image,push=true,name=a .", True, []),
    ("build", "--output type=image,name=a,push=true .", True, []),
    ("build", "-o type=oci,dest=f.tar .", False, ["oci-archive:f.tar"]),
    ("build", '-o type=oci,"dest=a,b.tar" .', False, ["oci-archive:a,b.tar"]),
    ("build", "-otype=oci,dest=d,tar=false .", False, ["oci:d"]),
    ("build", "--push -o type=oci,dest=f -o type=oci,dest=g .", True, ["oci-archive:f", "oci-archive:g"]),
    ("bake", "--push", True, []),
    ("bake", "--set *.output=type=registry", True, []),
    ("bake", "--set=a.output=type=image,push=true", True, []),
]


@pytest.mark.parametrize(("subcommand", "given", "pushes", "archives"), GOES, ids=[item[1] for item in GOES])
def test_images_go_to_registries_and_archives(subcommand: str, given: str, pushes: bool, archives: list[str]) -> None:
    request = build_request(subcommand, given.split())

    assert (request.pushes, list(request.archives)) == (pushes, archives)


NOWHERE = [
    ("build", "."),
    ("build", "--load ."),
    ("build", "--push=false ."),
    ("build", "--push --push=0 ."),
    ("build", "-o type=docker ."),
    ("build", "-o type=docker,dest=f ."),
    ("build", "-o type=image,name=a ."),
    ("build", "-o type=image,push=false ."),
    ("build", "-o type=local,dest=d ."),
    ("build", "-o folder ."),
    ("build", "-o - ."),
    ("build", "-t --push ."),
    ("build", "--label --push ."),
    ("build", "-- --push"),
    ("bake", "-o type=registry"),
    ("bake", "--set a.output=type=oci,dest=f"),
    ("bake", "--set a.args.output=type=registry"),
    ("bake", "--load"),
]


@pytest.mark.parametrize(("subcommand", "given"), NOWHERE, ids=[" ".join(item) for item in NOWHERE])
def test_an_image_that_stays_in_the_engine_is_refused(subcommand: str, given: str) -> None:
    if given == "--set a.args.output=type=registry":
        given = "--set a.args.x=output=type=registry"
    with pytest.raises(InvalidArgument, match="stays in the engine"):
        build_request(subcommand, given.split())


@pytest.mark.parametrize("output", ["type=oci", "type=oci,dest=-"])
def test_an_archive_on_stdout_is_refused(output: str) -> None:
    with pytest.raises(InvalidArgument, match="a file is needed"):
        build_request("build", ["-o", output, "."])


@pytest.mark.parametrize("flag", ["--sign-no-recursive=yes", "--sign-plain-http=", "--sign-no-recursive=tRue"])
def test_a_flag_of_ours_is_true_or_false_and_nothing_else(flag: str) -> None:
    with pytest.raises(InvalidArgument, match="true or false is needed"):
        build_request("build", ["--push", "--sign-key", "k", flag, "."])


@pytest.mark.parametrize(
    ("subcommand", "given"),
    [
        ("build", "--check"),
        ("build", "--check=1"),
        ("build", "--call=outline"),
        ("build", "--call targets,format=json"),
        ("bake", "--check"),
        ("bake", "--print"),
        ("bake", "--list=targets"),
    ],
)
def test_what_builds_no_image_is_not_signed(subcommand: str, given: str) -> None:
    """buildx pushes the result of a check, which is no image, under the name of the image."""
    with pytest.raises(InvalidArgument, match="builds no image") as refused:
        build_request(subcommand, [*given.split(), "--sign-key=k", "--push", "."])
    assert "leave --sign-key out" in refused.value.hint


@pytest.mark.parametrize("given", ["--check=false", "--call=build", "--call=", "--print=0"])
def test_a_build_that_is_a_build_is_signed(given: str) -> None:
    assert build_request("build", [given, "--sign-key=k", "--push", "."]).pushes


def test_the_user_s_metadata_file_is_used() -> None:
    for given in (["--metadata-file", "m", "--push"], ["--push", "--metadata-file=m"]):
        assert build_request("build", given).metadata_file == "m"
    last = ["--metadata-file", "stale", "--push", "--metadata-file=m"]
    assert build_request("build", last).metadata_file == "m"


@pytest.mark.parametrize(
    "empty", [["--metadata-file="], ["--metadata-file", ""], ["--metadata-file=m", "--metadata-file="]]
)
def test_an_empty_metadata_file_is_none(empty: list[str]) -> None:
    """buildx would write none after an empty name, which comes after the one that imagesig adds."""
    request = build_request("build", [*empty, "--push", "."])
    assert (request.metadata_file, request.arguments) == ("", ("--push", "."))


@pytest.mark.parametrize(("given", "wanted"), [("--help", True), ("-h", True), ("-qh .", True), ("-t --help .", False)])
def test_the_help_is_asked_for(given: str, wanted: bool) -> None:
    assert wants_help(given.split()) is wanted

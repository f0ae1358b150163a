"""Kubernetes and compose files: every image is found, a pin changes nothing else, and no file runs away with us."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imagesig.cli.workloads.file import parse_workloads
from imagesig.errors import InvalidArgument

DIGEST = "sha256:" + "ab" * 32

POD_SPEC = """\
initContainers: [{name: i, image: r.example/init:1}]
containers:
- name: a
  image: r.example/a:1 # keep
- {name: b, image: "r.example/b:2"}
ephemeralContainers:
- image: 'r.example/debug:3'
volumes:
- name: data
  image: {reference: r.example/data:4, pullPolicy: Always}
- name: none
  emptyDir: {}
"""
POD_IMAGES = [f"r.example/{name}" for name in ("init:1", "a:1", "b:2", "debug:3", "data:4")]


def indented(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


def found(text: str) -> list[str]:
    return [mention.image for mention in parse_workloads(text.encode(), "deploy.yaml").mentions]


@pytest.mark.parametrize(
    "document",
    [
        "apiVersion: v1\nkind: Pod\nspec:\n" + indented(POD_SPEC, 2),
        "apiVersion: v1\nkind: PodTemplate\ntemplate:\n  spec:\n" + indented(POD_SPEC, 4),
        *(
            f"apiVersion: apps/v1\nkind: {kind}\nspec:\n  template:\n    spec:\n" + indented(POD_SPEC, 6)
            for kind in (
                "Deployment",
                "StatefulSet",
                "DaemonSet",
                "ReplicaSet",
                "Job",
                "ReplicationController",
                "Rollout",
            )
        ),
        "kind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n" + indented(POD_SPEC, 10),
        "kind: List\nitems:\n- kind: Pod\n  spec:\n" + indented(POD_SPEC, 4),
    ],
    ids=lambda text: text.split("kind: ")[1].split("\n")[0],
)
def test_every_image_of_a_workload_is_found(document: str) -> None:
    assert found(document) == POD_IMAGES


def test_documents_of_one_file_are_all_read() -> None:
    pods = [f"kind: Pod\nspec: {{containers: [{{image: 'r.example/app:{number}'}}]}}\n" for number in range(3)]
    text = "---\n".join([pods[0], "# nothing\n", "kind: ConfigMap\ndata: {image: r.example/no}\n", *pods[1:]])
    assert found(text) == [f"r.example/app:{number}" for number in range(3)]


def test_services_of_a_compose_file_are_found_through_merges_and_image_volumes() -> None:
    text = """\
x-common: &common
  image: r.example/base:1
services:
  web:
    <<: *common
  db:
    <<: [*common]
    image: r.example/db:2
    volumes:
    - type: image
      source: r.example/files:3
    - ./local:/data
"""
    assert found(text) == ["r.example/base:1", "r.example/db:2", "r.example/files:3"]


def test_json_is_read_as_the_yaml_that_it_is() -> None:
    assert found('{"kind": "Pod", "spec": {"containers": [{"image": "r.example/a"}]}}') == ["r.example/a"]


def test_only_pod_specs_name_images() -> None:
    text = """\
kind: CustomResourceDefinition
spec: {schema: {properties: {containers: {type: array}, image: {type: string}}}}
---
kind: Pod
metadata: {annotations: {image: r.example/no:1}}
spec: {containers: [{image: r.example/yes:1}]}
"""
    assert found(text) == ["r.example/yes:1"]


def test_a_pin_changes_nothing_but_the_image() -> None:
    lines = [
        "\ufeffkind: Pod",
        "spec:",
        "  # ünïcode 🐢",
        "  containers:",
        "  - image:   'r.example/a:1'   # why",
        "",
        "",
    ]
    text = "\r\n".join(lines)
    workloads = parse_workloads(text.encode(), "deploy.yaml")
    pinned = workloads.pinned({"r.example/a:1": DIGEST})
    assert pinned.decode() == text.replace("r.example/a:1", f"r.example/a:1@{DIGEST}")


def test_a_value_that_several_places_share_is_pinned_once() -> None:
    text = "kind: Pod\nspec:\n  containers:\n  - image: &app r.example/a:1\n  - image: *app\n"
    workloads = parse_workloads(text.encode(), "deploy.yaml")
    assert len(workloads.mentions) == 1
    assert workloads.pinned({"r.example/a:1": DIGEST}).count(b"@sha256:") == 1


def test_an_image_that_has_a_digest_is_left_as_it_is() -> None:
    text = f"kind: Pod\nspec: {{containers: [{{image: 'r.example/a@{DIGEST}'}}]}}\n"
    workloads = parse_workloads(text.encode(), "deploy.yaml")
    assert workloads.pinned({f"r.example/a@{DIGEST}": DIGEST}) == text.encode()


def test_an_image_without_room_for_a_pin_is_refused_with_its_line() -> None:
    text = 'kind: Pod\nspec:\n  containers:\n  - image: "r.example/\\x61:1"\n'
    workloads = parse_workloads(text.encode(), "deploy.yaml")
    with pytest.raises(InvalidArgument, match=r"deploy\.yaml:4"):
        workloads.pinned({"r.example/a:1": DIGEST})


PLAIN = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp"), blacklist_characters="\ufeff\x85"), max_size=8
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["{}", "'{}'", '"{}"', "&anchor{n} {}", "!!str '{}'"]),
            st.sampled_from(["r.example/a:1", "r.example/b/c", "d", "r.example:5000/e:v1.2-x"]),
            st.text(
                st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp"), blacklist_characters="\ufeff\x85"),
                max_size=8,
            ),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_pinned_file_parses_to_the_same_with_digests(containers: list[tuple[str, str, str]], newline: str) -> None:
    lines = ["kind: Pod", "spec:", "  containers:"]
    for number, (style, image, comment) in enumerate(containers):
        lines += [f"  - image: {style.format(image, n=number)}  # {comment}", "    name: x"]
    text = newline.join([*lines, ""])
    pinned = parse_workloads(text.encode(), "deploy.yaml").pinned({image: DIGEST for _, image, _ in containers})
    before, after = yaml.safe_load(text), yaml.safe_load(pinned)
    for container in before["spec"]["containers"]:
        container["image"] += f"@{DIGEST}"
    assert after == before
    assert pinned.decode().replace(f"@{DIGEST}", "") == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Pod\nspec:\n  containers:\n  - image: {{ .Values.image }}\n", r"deploy\.yaml:4"),
        ("kind: Pod\nspec: [\n", r"deploy\.yaml:\d: not YAML"),
        ("kind: Pod\nspec:\n  containers:\n  - image: 1.25\n", r"deploy\.yaml:4: '1.25' is not an image"),
        ("kind: Pod\nspec:\n  containers:\n  - image: ''\n", r"deploy\.yaml:4: '' is not an image"),
        ("kind: Pod\nspec:\n  containers:\n  - image: [a]\n", r"deploy\.yaml:4: image is not text"),
        (
            "kind: Pod\nspec:\n  containers:\n  - image: a\n    image: b\n",
            r"deploy\.yaml:5: the key 'image' is repeated",
        ),
        ("image: r.example/a\n", r"deploy\.yaml:1: neither"),
        ("- image: r.example/a\n", r"deploy\.yaml:1: neither"),
        ("kind: ConfigMap\n", "names no image"),
        ("", "names no image"),
        ("kind: Pod\nspec: " + "[" * 100 + "]" * 100, "nested deeper"),
        ("kind: Pod\nx: !!python/object/apply:os.system ['true']\n", "the tag"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        parse_workloads(text.encode(), "deploy.yaml")


def test_a_pair_of_escapes_as_json_has_it_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidArgument, match=r"deploy\.yaml:1: not YAML") as refused:
        parse_workloads(b'{"kind": "Pod", "metadata": {"name": "\\ud83d\\ude00"}}', "deploy.yaml")
    assert "write the character itself" in refused.value.hint


def test_aliases_of_aliases_cost_no_more_than_their_letters() -> None:
    lines = ["kind: Pod", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    lines += ["spec: {containers: [{image: r.example/a}]}"]
    assert found("\n".join(lines)) == ["r.example/a"]


def test_merges_of_merges_are_bounded() -> None:
    lines = ["kind: Pod", "a0: &a0 {" + ", ".join(f"k{n}: x" for n in range(2000)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 60)]
    with pytest.raises(InvalidArgument, match="merges"):
        found("\n".join(lines))


def test_a_file_that_contains_itself_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"deploy\.yaml:2: .* contains itself"):
        found("kind: Pod\nself: &self {a: *self}\nspec: {containers: [{image: r.example/a}]}")


def test_a_file_larger_than_we_read_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="more than"):
        parse_workloads(b"#" * (4 * 1024 * 1024 + 1), "deploy.yaml")

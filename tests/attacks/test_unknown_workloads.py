"""What runs images in a way that we do not know is refused by name: a file that passes names all that it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.cli.workloads.file import parse_workloads
from imagesig.errors import InvalidArgument
from tests.commands import run

GOOD = "r.example/good:1"
EVIL = "r.example/evil:1"
POD = f"apiVersion: v1\nkind: Pod\nspec: {{containers: [{{image: '{GOOD}'}}]}}\n"
TEMPLATE = f"spec: {{template: {{spec: {{containers: [{{image: '{GOOD}'}}]}}}}}}\n"

UNKNOWN = {
    "a workflow of Argo": "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"
    f"spec: {{templates: [{{container: {{image: '{EVIL}'}}}}]}}\n",
    "a script of Argo": "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"
    f"spec: {{templates: [{{script: {{image: '{EVIL}'}}}}]}}\n",
    "sidecars of Argo": "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\n"
    f"spec: {{workflowSpec: {{templates: [{{sidecars: [{{image: '{EVIL}'}}]}}]}}}}\n",
    "a task of Tekton": f"apiVersion: tekton.dev/v1\nkind: Task\nspec: {{steps: [{{image: '{EVIL}'}}]}}\n",
    "a task without a version": f"kind: Task\nspec: {{steps: [{{image: '{EVIL}'}}]}}\n",
    "a job of Volcano beside its pods": "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\n"
    f"spec: {{tasks: [{{template: {{spec: {{containers: [{{image: '{GOOD}'}}]}}}}}}], image: '{EVIL}'}}\n",
    "an operator's object": f"apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nspec: {{image: '{EVIL}'}}\n",
    "an operator's object without an image": "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nspec: {}\n",
    "a known kind of another group": f"apiVersion: example.com/v1\nkind: Pod\nspec: {{runs: '{EVIL}'}}\n",
    "an unknown kind of a known group": f"apiVersion: v1\nkind: Machine\nspec: {{image: '{EVIL}'}}\n",
    "a template and an image beside it": f"apiVersion: example.com/v1\nkind: App\nsidecarImage: '{EVIL}'\n" + TEMPLATE,
    "a template and containers beside it": "apiVersion: example.com/v1\nkind: App\n"
    f"helper: {{container: {{name: x, image: '{EVIL}'}}}}\n" + TEMPLATE,
    "an item of a list": "apiVersion: v1\nkind: List\nitems:\n"
    f"- {{apiVersion: tekton.dev/v1, kind: Task, spec: {{steps: [{{image: '{EVIL}'}}]}}}}\n",
    "an item of a list of one kind": "apiVersion: tekton.dev/v1\nkind: TaskList\nitems:\n"
    f"- {{spec: {{steps: [{{image: '{EVIL}'}}]}}}}\n",
    "an item of what is no list": "apiVersion: v1\nkind: ConfigMap\nitems:\n"
    f"- {{apiVersion: tekton.dev/v1, kind: Task, spec: {{steps: [{{image: '{EVIL}'}}]}}}}\n",
    "a list in a list": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n"
    f"  - {{apiVersion: tekton.dev/v1, kind: Task, spec: {{steps: [{{image: '{EVIL}'}}]}}}}\n",
    "a list without items": f"apiVersion: tekton.dev/v1\nkind: TaskList\nitems: null\nspec: {{image: '{EVIL}'}}\n",
    "a group that is no text": f"apiVersion: 1\nkind: Pod\nspec: {{runs: '{EVIL}'}}\n",
}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
@pytest.mark.parametrize("first", ["", POD + "---\n"], ids=["alone", "behind a pod"])
def test_an_object_of_an_unknown_kind_is_refused_with_its_line(text: str, first: str) -> None:
    with pytest.raises(InvalidArgument, match=r"f\.yaml:\d+: ") as raised:
        parse_workloads((first + text).encode(), "f.yaml")
    assert raised.value.hint


@pytest.mark.parametrize(
    "head",
    [
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n",
        "apiVersion: serving.knative.dev/v1\nkind: Service\n",
        "kind: Rollout\n",
    ],
)
def test_an_object_whose_only_images_are_in_its_pod_template_is_read(head: str) -> None:
    assert [item.image for item in parse_workloads((head + TEMPLATE).encode(), "f").mentions] == [GOOD]


@pytest.mark.parametrize(
    "other",
    [
        "apiVersion: v1\nkind: ConfigMap\ndata: {image: r.example/no}\n",
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nspec: {}\n",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nrules: []\n",
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nspec: {}\n",
    ],
)
def test_an_object_of_a_kind_that_runs_nothing_is_passed_over(other: str) -> None:
    assert [item.image for item in parse_workloads((other + "---\n" + POD).encode(), "f").mentions] == [GOOD]


COMPOSE = f"services:\n  web: {{image: '{GOOD}'}}\n"
NOT_IMAGES = {
    "built alone": COMPOSE + "  db: {build: .}\n",
    "built and extended": COMPOSE + "  db: {extends: {service: web}, build: {context: .}}\n",
    "a provider alone": COMPOSE + "  ai: {provider: {type: model, options: {model: ai/evil}}}\n",
    "models": COMPOSE + "models:\n  llm: {model: ai/evil}\n",
    "models in another case": COMPOSE + "Models:\n  llm: {model: ai/evil}\n",
}


@pytest.mark.parametrize("text", NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_what_compose_runs_beside_images_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"f\.yaml:\d+: "):
        parse_workloads(text.encode(), "f.yaml")


def test_the_command_prints_no_pinned_file_for_one(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(POD + "---\n" + UNKNOWN["a task of Tekton"])
    done = run("verify", "--key", "k.pub", "--workload", "f.yaml", "--print-pinned", cwd=tmp_path)
    assert done.returncode == 2
    assert not done.stdout
    assert b"f.yaml:5" in done.stderr
    assert b"Task" in done.stderr

"""The images of Kubernetes objects. Only kinds that name images in pod specs, and nowhere else, are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagesig.cli.workloads.members import Members, is_null, is_text
from imagesig.cli.workloads.yaml_nodes import is_kind, items
from imagesig.text import quote

if TYPE_CHECKING:
    from yaml import Node, ScalarNode

_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_LISTS = _CONTAINERS | {"volumes"}
_GROUPS = frozenset(
    {"", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps", "autoscaling"}
    | {"batch", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "extensions"}
    | {"flowcontrol.apiserver.k8s.io", "gateway.networking.k8s.io", "networking.k8s.io", "node.k8s.io", "policy"}
    | {"rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"}
)
"""API groups of Kubernetes itself."""
_KINDS = frozenset(
    {"APIService", "BackendTLSPolicy", "Binding", "CSIDriver", "CSINode", "CSIStorageCapacity"}
    | {"CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ClusterTrustBundle", "ConfigMap"}
    | {"ControllerRevision", "CronJob", "CustomResourceDefinition", "DaemonSet", "Deployment", "DeviceClass"}
    | {"EndpointSlice", "Endpoints", "Event", "FlowSchema", "GRPCRoute", "Gateway", "GatewayClass", "HTTPRoute"}
    | {"HorizontalPodAutoscaler", "IPAddress", "Ingress", "IngressClass", "Job", "Lease", "LimitRange", "List"}
    | {"MutatingWebhookConfiguration", "Namespace", "NetworkPolicy", "Node", "PersistentVolume"}
    | {"PersistentVolumeClaim", "Pod", "PodDisruptionBudget", "PodTemplate", "PriorityClass"}
    | {"PriorityLevelConfiguration", "ReferenceGrant", "ReplicaSet", "ReplicationController", "ResourceClaim"}
    | {"ResourceClaimTemplate", "ResourceQuota", "ResourceSlice", "Role", "RoleBinding", "RuntimeClass"}
    | {"Secret", "Service", "ServiceAccount", "ServiceCIDR", "StatefulSet", "StorageClass", "TCPRoute"}
    | {"TLSRoute", "UDPRoute", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    | {"ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeAttributesClass"}
)
"""Kinds of these groups. None of them names an image outside of a pod spec."""
_MAY_NAME_IMAGES = ("image", "images", "container", "containers")
"""Endings of keys under which an object of an unknown kind may name an image."""
_BY_NAME = "verify what it runs by name (IMAGE, --images-from), and leave it out of the file of --workload"


class KubernetesImages:
    """Finds the image values of one file's objects.

    Raises:
        InvalidArgument: an unknown kind, or YAML that kubectl reads differently; with the line.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self._seen: set[int] = set()

    def of(self, node: Node, kind: str = "") -> Iterator[ScalarNode]:
        """The images of one object and of its `items`. `kind` is for an item of a list that does not name its own kind.

        kubectl reads every object with `items` as a list.
        """
        members = self._members.known(node, "apiVersion", "kind", "items")
        if not is_null(members.get("kind")):
            if not is_text(members["kind"]):
                raise self._members.refused(members["kind"], "a kind that is not text")
            kind = members["kind"].value
        for item in items(members.get("items")):
            yield from self.of(item, kind.removesuffix("List"))
        is_list = kind.endswith("List") and is_kind(members.get("items"), "sequence")
        if not is_list and not self._is_known(node, kind):
            self._check_template(node, kind)
        yield from self._pod_specs(node)

    def _is_known(self, node: Node, kind: str) -> bool:
        version = self._members.all(node).get("apiVersion")
        if not is_null(version) and not is_text(version):
            return False
        group = "" if is_null(version) else version.value.rpartition("/")[0]  # type: ignore[union-attr]
        return kind in _KINDS and group in _GROUPS

    def _check_template(self, node: Node, kind: str) -> None:
        """Returns if an object has a pod spec at `spec.template.spec`, as an Argo `Rollout` has, and names no image
        outside of it."""
        spec = self._members.known(node, "spec").get("spec")
        template = self._members.known(spec, "template").get("template")
        pod_spec = self._members.known(template, "spec").get("spec")
        if "containers" not in self._members.all(pod_spec):
            raise self._members.refused(
                node,
                f"an object of the kind {quote(kind)}, which is not known: it may run images that are not found",
                _BY_NAME,
            )
        if found := self._named_image(node, pod_spec, set()):
            key, value = found
            raise self._members.refused(
                value,
                f"{quote(key)} of an object of the kind {quote(kind)}, which is not known, may name an image",
                _BY_NAME,
            )

    def _named_image(self, node: Node, pod_spec: Node | None, seen: set[int]) -> tuple[str, Node] | None:
        """The first member outside of the pod spec whose key says that it may name an image."""
        if node is pod_spec or id(node) in seen:
            return None
        seen.add(id(node))
        for item in items(node):
            if found := self._named_image(item, pod_spec, seen):
                return found
        for key, value in self._members.all(node).items():
            if key.lower().endswith(_MAY_NAME_IMAGES) and not is_null(value):
                return key, value
            if found := self._named_image(value, pod_spec, seen):
                return found
        return None

    def _pod_specs(self, node: Node) -> Iterator[ScalarNode]:
        """The images of pod specs at any depth, such as in the job template of a cron job."""
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        for item in items(node):
            yield from self._pod_specs(item)
        members = self._members.all(node)
        lists = [key for key, value in members.items() if any(is_kind(item, "mapping") for item in items(value))]
        self._members.refuse_twins(node, lists, _LISTS)
        for key, value in members.items():
            if key in _CONTAINERS:
                for container in items(value):
                    yield from self._members.scalar(container, "image")
            if key == "volumes":
                for volume in items(value):
                    yield from self._members.scalar(self._members.known(volume, "image").get("image"), "reference")
            yield from self._pod_specs(value)

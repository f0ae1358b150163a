"""The members that readers of OCI and Docker documents know. No other member may differ from one only in case.

Manifests, indexes and Docker's older schema share one list, so that no reader can read a member of one kind as a member
of another kind (CVE-2021-41190).

Spec: OCI image-spec; Docker image manifest version 2, schemas 1 and 2; containers/image for `manifest.json`.
"""

from __future__ import annotations

from imagesig.encoding.shape import Shape

PLATFORM = Shape.of("architecture os os.version os.features variant features")
DESCRIPTOR = Shape.of("mediaType digest size urls annotations data artifactType", platform=PLATFORM)

_NAMES = "schemaVersion mediaType artifactType annotations fsLayers history signatures name tag architecture"

DOCUMENT = Shape.of(_NAMES, config=DESCRIPTOR, layers=DESCRIPTOR, manifests=DESCRIPTOR, subject=DESCRIPTOR)
"""An image manifest, index or `index.json`. A twin in any descriptor makes the document malformed."""
LISTING = Shape.of(f"{_NAMES} layers manifests", config=DESCRIPTOR, subject=DESCRIPTOR)
"""A list of referrers or of signatures: each entry is checked alone."""

LAYOUT = Shape.of("imageLayoutVersion")
"""`oci-layout`."""

CONFIG = Shape.of(
    "created author architecture variant os os.version os.features config history id parent comment container "
    "container_config docker_version Size",
    rootfs=Shape.of("type diff_ids base_layer"),
)
"""An image config of OCI or Docker."""

DOCKER_ARCHIVE = Shape.of("Config RepoTags Layers Parent LayerSources")
"""An entry of `manifest.json`, as `docker save` writes it."""

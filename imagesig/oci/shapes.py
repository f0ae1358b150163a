"""The members that readers of OCI's and Docker's documents know, so that no other member can be mistaken for one.

Manifest and index share one list with what Docker's older schema knows: what one reader takes for the list of layers
must be nothing else to any other (CVE-2021-41190).

Spec: OCI image-spec; Docker image manifest version 2, schemas 1 and 2; containers/image for `manifest.json`.
"""

from __future__ import annotations

from imagesig.encoding.shape import Shape

PLATFORM = Shape.of("architecture os os.version os.features variant features")
DESCRIPTOR = Shape.of("mediaType digest size urls annotations data artifactType", platform=PLATFORM)

_NAMES = "schemaVersion mediaType artifactType annotations fsLayers history signatures name tag architecture"

DOCUMENT = Shape.of(_NAMES, config=DESCRIPTOR, layers=DESCRIPTOR, manifests=DESCRIPTOR, subject=DESCRIPTOR)
"""An image manifest or index, and `index.json`: a twin in any descriptor refuses the document."""
LISTING = Shape.of(f"{_NAMES} layers manifests", config=DESCRIPTOR, subject=DESCRIPTOR)
"""The same, where each entry is judged by itself: a list of referrers or of signatures."""

LAYOUT = Shape.of("imageLayoutVersion")
"""`oci-layout`."""

CONFIG = Shape.of(
    "created author architecture variant os os.version os.features config history id parent comment container "
    "container_config docker_version Size",
    rootfs=Shape.of("type diff_ids base_layer"),
)
"""An image's config, OCI's and Docker's."""

DOCKER_ARCHIVE = Shape.of("Config RepoTags Layers Parent LayerSources")
"""An entry of `manifest.json`, as `docker save` writes it."""

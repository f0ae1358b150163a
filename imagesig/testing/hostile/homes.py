"""Every home on disk that attacks."""

from imagesig.testing.hostile.archives import ARCHIVES
from imagesig.testing.hostile.folders import FOLDERS
from imagesig.testing.hostile.layouts import LAYOUTS

HOMES = [*FOLDERS, *LAYOUTS, *ARCHIVES]

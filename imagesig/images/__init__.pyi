from imagesig.images.image import Image as Image
from imagesig.images.open import Transport as Transport
from imagesig.images.registry.connect import RegistryClient as RegistryClient
from imagesig.images.registry.connect import registry_client as registry_client
from imagesig.images.source import ImageHome as ImageHome
from imagesig.images.source import ImageSource as ImageSource
from imagesig.images.source import ImageTarget as ImageTarget
from imagesig.images.transfer import BlobCount as BlobCount

PUBLIC: dict[str, str]

"""Images: one folder for each kind of place where they are stored. Public names load on first use."""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.images.image": "Image",
    "imagesig.images.open": "Transport",
    "imagesig.images.source": "ImageHome ImageSource ImageTarget",
    "imagesig.images.transfer": "BlobCount",
    "imagesig.images.registry.connect": "RegistryClient registry_client",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)

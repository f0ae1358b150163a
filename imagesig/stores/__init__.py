"""Stores of an image's signatures, one for each `Storage` that a format can name."""

from imagesig.format_names import Storage
from imagesig.stores.referrers import ReferrerStore
from imagesig.stores.store import SignatureStore
from imagesig.stores.tag import TagStore

__all__ = ["STORES", "ReferrerStore", "SignatureStore", "TagStore"]

STORES: dict[Storage, SignatureStore] = {
    Storage.SIGNATURE_TAG: TagStore(),
    Storage.REFERRER: ReferrerStore(),
}

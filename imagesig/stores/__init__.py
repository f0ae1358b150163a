"""Where an image's signatures live, one store for each way of storing that a format can name."""

from imagesig.formats.format import Storage
from imagesig.stores.referrers import ReferrerStore
from imagesig.stores.store import SignatureStore
from imagesig.stores.tag import TagStore

__all__ = ["STORES", "ReferrerStore", "SignatureStore", "TagStore"]

STORES: dict[Storage, SignatureStore] = {
    Storage.SIGNATURE_TAG: TagStore(),
    Storage.REFERRER: ReferrerStore(),
}

"""Stores of an image's signatures, one for each `Storage` that a format can name."""

from imagesig import limits
from imagesig.format_names import Storage
from imagesig.stores.referrers import ReferrerStore
from imagesig.stores.store import ATTESTATIONS, SignatureStore
from imagesig.stores.tag import TagStore

__all__ = ["STORES", "ReferrerStore", "SignatureStore", "TagStore"]

STORES: dict[Storage, SignatureStore] = {
    Storage.SIGNATURE_TAG: TagStore(),
    Storage.REFERRER: ReferrerStore(),
    Storage.ATTESTATION_TAG: TagStore(".att", ATTESTATIONS, limits.ATTESTATIONS),
    Storage.ATTESTATION_REFERRER: ReferrerStore(ATTESTATIONS, limits.ATTESTATIONS),
}

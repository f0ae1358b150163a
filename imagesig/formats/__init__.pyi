from imagesig.format_names import Storage as Storage
from imagesig.formats.attestation import CosignAttestation as CosignAttestation
from imagesig.formats.bundle import Bundle as Bundle
from imagesig.formats.bundle_attestation import BundleAttestation as BundleAttestation
from imagesig.formats.cosign import Cosign as Cosign
from imagesig.formats.format import Format as Format
from imagesig.formats.notation.envelope import Attribute as Attribute
from imagesig.formats.notation.notation import ManifestForm as ManifestForm
from imagesig.formats.notation.notation import Notation as Notation
from imagesig.formats.select import ALL_FORMATS as ALL_FORMATS
from imagesig.formats.select import DEFAULT_FORMATS as DEFAULT_FORMATS
from imagesig.formats.select import reader_of as reader_of
from imagesig.formats.select import select_formats as select_formats

PUBLIC: dict[str, str]

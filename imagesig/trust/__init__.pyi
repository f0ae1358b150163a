from imagesig.crypto.certificate import Certificate as Certificate
from imagesig.crypto.certificate import parse_certificates as parse_certificates
from imagesig.trust.anchors import CertificateAuthority as CertificateAuthority
from imagesig.trust.anchors import ContentTrust as ContentTrust
from imagesig.trust.anchors import PinFile as PinFile
from imagesig.trust.anchors import Role as Role
from imagesig.trust.anchors import RootKeyId as RootKeyId
from imagesig.trust.anchors import Strangers as Strangers
from imagesig.trust.anchors import TimestampAuthorities as TimestampAuthorities
from imagesig.trust.anchors import TrustAnchors as TrustAnchors
from imagesig.trust.anchors import TrustedKey as TrustedKey
from imagesig.trust.anchors import Window as Window
from imagesig.trust.holder import Holder as Holder
from imagesig.trust.holder import HolderKind as HolderKind
from imagesig.trust.revocation import CertificateStatus as CertificateStatus
from imagesig.trust.revocation import RevocationStatus as RevocationStatus
from imagesig.trust.timestamp import Timestamp as Timestamp
from imagesig.trust.timestamp import examine_timestamp as examine_timestamp

PUBLIC: dict[str, str]

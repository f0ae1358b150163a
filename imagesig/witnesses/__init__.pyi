from imagesig.http.client import Response as Response
from imagesig.witnesses.crl_cache import CrlBytes as CrlBytes
from imagesig.witnesses.crl_cache import CrlCache as CrlCache
from imagesig.witnesses.crl_cache import FileCrlCache as FileCrlCache
from imagesig.witnesses.crl_cache import MemoryCrlCache as MemoryCrlCache
from imagesig.witnesses.revocation import RevocationChecker as RevocationChecker
from imagesig.witnesses.timestamping import request_timestamp as request_timestamp
from imagesig.witnesses.web import Fetcher as Fetcher
from imagesig.witnesses.web import Offline as Offline
from imagesig.witnesses.web import Query as Query
from imagesig.witnesses.web import Web as Web
from imagesig.witnesses.witnesses import Witnesses as Witnesses
from imagesig.witnesses.witnesses import offline as offline
from imagesig.witnesses.witnesses import online as online

PUBLIC: dict[str, str]

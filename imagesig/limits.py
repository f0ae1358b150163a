"""Every size, count, depth and time limit, with its unit and its reason. A limit is checked before memory is taken."""

# --- registry documents, bytes -------------------------------------------------------------------------------------
MANIFEST_BYTES = 4 * 1024 * 1024
"""OCI distribution-spec asks registries for at least 4 MiB; containers/image reads no more."""
CONFIG_BYTES = 4 * 1024 * 1024
REFERRERS_PAGE_BYTES = 8 * 1024 * 1024
"""One page of a referrers listing: about 20,000 descriptors."""
ERROR_BODY_BYTES = 64 * 1024
TOKEN_BODY_BYTES = 1024 * 1024
CREDENTIAL_FILE_BYTES = 4 * 1024 * 1024
CREDENTIAL_HELPER_OUTPUT_BYTES = 1024 * 1024

# --- signatures ----------------------------------------------------------------------------------------------------
PAYLOAD_BYTES = 4 * 1024 * 1024
"""One simple-signing payload; containers/image has the same limit (CVE-2024-29902: cosign had none)."""
BUNDLE_BYTES = 8 * 1024 * 1024
"""One Sigstore bundle of an image signature; those in the wild are about 1 KiB."""
SIGNATURE_LAYERS = 1000
"""Layers of one `.sig` manifest, cosign's own limit (CVE-2023-46737, CVE-2024-29903)."""
SIGNATURE_BYTES_PER_IMAGE = 64 * 1024 * 1024
"""All signature material read for one image."""
REFERRERS = 1000
"""Referrers of one image that are looked at."""
IMAGE_REQUESTS = 3000
"""Requests for one image: the manifest and the blob of a thousand signatures, and what leads there."""
IMAGE_NODES = 1_000_000
"""JSON, CBOR and ASN.1 values read for one image, over all its signatures."""
IMAGE_CERTIFICATES = 2000
"""Certificates parsed for one image: a thousand signatures with a short chain each."""
IMAGE_CERTIFICATE_CHECKS = 1000
"""Signatures of certificates checked for one image. One with a costly RSA key takes about half a millisecond."""
IMAGE_SIGNATURE_CHECKS = 10_000
"""Signatures checked with trusted keys for one image: a thousand signatures under a policy of ten keys."""
REFERRERS_PAGES = 100
INDEX_CHILDREN = 1000
"""Manifests of one image index."""
TIMESTAMP_BYTES = 1024 * 1024
"""One RFC 3161 timestamp token with its certificates; those in the wild have 3 to 7 KiB."""
SIGNATURE_VALUE_BYTES = 8 * 1024
"""A raw signature; RSA-4096 has 512 bytes."""
STATEMENT_SUBJECTS = 1024
"""Subjects of one in-toto statement (CVE-2024-45395)."""
STATEMENT_DIGESTS = 32

# --- lists of images -----------------------------------------------------------------------------------------------
IMAGE_LINE_BYTES = 4096
"""One line of a list of images; a reference with a digest has a few hundred."""
WORKLOAD_FILE_BYTES = 4 * 1024 * 1024
"""One Kubernetes or compose file, rendered."""
WORKLOAD_DEPTH = 64
"""Nesting of YAML; a CronJob's container lies 10 levels deep."""
WORKLOAD_NODES = 500_000
# --- encodings -----------------------------------------------------------------------------------------------------
JSON_DEPTH = 32
"""Nesting of JSON from outside; the deepest document we read has 9 levels."""
JSON_NODES = 100_000
"""Values of one JSON document from outside, members' names included: an index of a thousand images has about 20,000."""
CBOR_NODES = 2000
"""Values of one CBOR document from outside; a COSE signature with a long chain has about 50."""

# --- policies ------------------------------------------------------------------------------------------------------
POLICY_BYTES = 4 * 1024 * 1024
"""One policy file; ten thousand rules have about 1 MiB."""
CBOR_DEPTH = 8
"""Nesting of CBOR from outside; a COSE signature has 4 levels."""

# --- keys, bytes ---------------------------------------------------------------------------------------------------
KEY_FILE_BYTES = 1024 * 1024
PUBLIC_KEY_BYTES = 64 * 1024
SECRET_FILE_BYTES = 64 * 1024
CLOUD_TOKEN_BYTES = 1024 * 1024
"""A token, configuration or certificate file that an SDK reads by itself."""
KEY_PROVIDER_BODY_BYTES = 4 * 1024 * 1024
"""One answer of a key management service."""

PLUGIN_MESSAGE_BYTES = 64 * 1024 * 1024
"""What a plugin reads or prints; notation's own limit."""
PLUGIN_STDERR_BYTES = 64 * 1024

# --- certificates --------------------------------------------------------------------------------------------------
CERTIFICATE_BYTES = 64 * 1024
"""One certificate in DER; those with many names have a few KiB."""
CERTIFICATES = 100
"""Certificates of one file or trust store."""
CERTIFICATE_FILE_BYTES = 4 * 1024 * 1024
CHAIN_CERTIFICATES = 10
"""Certificates of one signer's chain."""
PATH_CHECKS = 100
"""Signatures of certificates checked while a path from one signer to an authority is looked for."""
TIMESTAMP_CERTIFICATES = 20
"""Certificates in one timestamp token; those in the wild have 1 to 4."""

# --- revocation ----------------------------------------------------------------------------------------------------
OCSP_RESPONSE_BYTES = 20 * 1024
"""notation's own limit; usual are 0.5 to 4 KiB."""
OCSP_CERTIFICATES = 5
"""Certificates that come with one OCSP response: its signer, and what leads to it."""
CRL_BYTES = 32 * 1024 * 1024
"""notation's own limit; the largest public lists have about 10 MiB."""
CRL_ENTRIES_PER_CERTIFICATE = 100
"""Entries of one certificate in one list; a certificate that is held and released again may have several."""
REVOCATION_URLS = 10
"""Servers of each kind that one certificate may name."""
CRL_MEMORY_BYTES = 64 * 1024 * 1024
"""CRLs kept in memory; the least recently used go first."""
CRL_CACHE_FILES = 256
"""Files in the CRL cache; the oldest go first."""
OCSP_MEMORY_BYTES = 2 * 1024 * 1024
"""OCSP responses kept in memory."""
DISTINGUISHED_NAME_CHARACTERS = 4096
"""One distinguished name of a policy."""

# --- time, seconds -------------------------------------------------------------------------------------------------
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
UPLOAD_BYTES_PER_SECOND = 16 * 1024 * 1024
"""How fast a registry at least looks through what was uploaded: it answers only then."""
OPERATION_SECONDS = 180.0
"""Default deadline of one image's signing or verification; cosign's is three minutes too."""
RETRY_AFTER_SECONDS = 30.0
"""The longest pause that a server's Retry-After may impose."""
HELPER_SECONDS = 30.0
"""One run of a credential helper."""
TIMESTAMP_SECONDS = 15.0
"""One answer of a timestamp service, as in notation."""
OCSP_SECONDS = 2.0
"""One answer of an OCSP responder, as in notation."""
CRL_SECONDS = 5.0
"""One download of a CRL, as in notation."""
OCSP_MEMORY_SECONDS = 300.0
"""How long an OCSP response is used again: it hides a revocation for that long."""
CLOCK_SKEW_SECONDS = 300
"""How far ahead of our clock that of a timestamp service or an OCSP responder may be."""
KEY_OPEN_SECONDS = 60.0
"""Opening one key where the caller set no nearer deadline: a login and two requests."""
KEY_CALL_SECONDS = 60.0
"""One call to a key management service with its logins and repetitions, however slowly the answer drips."""
PLUGIN_SECONDS = 60.0
"""One run of a key plugin; a person may have to touch a token meanwhile."""

# --- attempts ------------------------------------------------------------------------------------------------------
HTTP_ATTEMPTS = 4
UNREAD_BLOBS = 8
"""What a registry may fail to give of one image's signatures before it is not asked for the rest."""
UPLOAD_ATTEMPTS = 6
"""Uploads of one manifest or blob that a registry refuses in a way that passes (see `images/registry_error.py`)."""
REDIRECTS = 5
MERGE_ATTEMPTS = 20
"""Writes of one tag that other writers keep changing, before `Stale` is raised."""

# --- archives ------------------------------------------------------------------------------------------------------
ARCHIVE_MEMBERS = 50_000
"""Files of one image archive; a layout with a thousand signatures has about three thousand."""
ARCHIVE_NAME_BYTES = 4096
"""A member's name, and any other text of an extended header."""
ARCHIVE_HEADER_BYTES = 64 * 1024
"""One extended header: it is read into memory."""
DOCKER_MANIFEST_BYTES = 1024 * 1024
"""`manifest.json` of an archive of `docker save`; containers/image has the same limit."""

# --- copying -------------------------------------------------------------------------------------------------------
COPIED_MANIFESTS = 10_000
"""Manifests that one copy takes along: the image, its platforms, everything that refers to them."""
REFERRER_DEPTH = 4
"""Referrers of referrers: a signature of an SBOM of an image has depth 2."""
COPIED_MANIFEST_BYTES = 256 * 1024 * 1024
"""All of them together: they are held in memory until they are written."""

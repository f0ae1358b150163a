"""Every size, count, depth and time limit, with its unit and its reason. A limit is checked before memory is taken."""

# --- registry documents, bytes -------------------------------------------------------------------------------------
MANIFEST_BYTES = 4 * 1024 * 1024
"""OCI distribution-spec requires at least 4 MiB from registries; containers/image reads no more."""
CONFIG_BYTES = 4 * 1024 * 1024
LAYOUT_MARKER_BYTES = 4096
"""`oci-layout`; it has 30 bytes."""
REFERRERS_PAGE_BYTES = 4 * 1024 * 1024
"""One page of a referrers listing, as large as a manifest may be: about 10,000 descriptors."""
REFERRERS_LISTING_BYTES = 8 * 1024 * 1024
"""All pages of one listing."""
LIST_ITEM_BYTES = 64 * 1024
"""One entry of a listing, or one layer of a signature manifest; one with certificates and a log entry has 10 KiB."""
LIST_REST_BYTES = 1024 * 1024
"""A list of referrers or signatures without its entries; those in the wild have less than 1 KiB."""
LIST_ITEM_NODES = 300
"""JSON values of such an entry; those in the wild have about 30."""
LISTED_NODES_PER_IMAGE = 5_000_000
"""JSON values of all listings read for one image: 4000 of the largest entries, for each artifact type."""
ERROR_BODY_BYTES = 64 * 1024
TOKEN_BODY_BYTES = 1024 * 1024
CREDENTIAL_FILE_BYTES = 4 * 1024 * 1024
CREDENTIAL_HELPER_OUTPUT_BYTES = 1024 * 1024

# --- signatures ----------------------------------------------------------------------------------------------------
PAYLOAD_BYTES = 128 * 1024
"""One simple-signing payload; those in the wild have 250 bytes to 2 KiB (CVE-2024-29902: cosign had no limit)."""
BUNDLE_BYTES = 256 * 1024
"""One bundle or Notary Project envelope of an image signature; those in the wild have 1 to 30 KiB."""
ENVELOPE_NODES = 20_000
"""JSON values of one of them, or of its payload; a statement with 1024 subjects has 10,000."""
SIGNATURE_MANIFEST_BYTES = 128 * 1024
"""The manifest of one signature that is a referrer; those in the wild have 1 to 3 KiB."""
SIGNATURE_MANIFEST_NODES = 500
"""JSON values of such a manifest; those in the wild have about 60."""
SIGNATURE_LAYERS = 1000
"""Layers of one `.sig` manifest, cosign's own limit (CVE-2023-46737, CVE-2024-29903)."""
SIGNATURE_BYTES_PER_IMAGE = 8 * 1024 * 1024
"""All signatures of one image, in memory at the same time: a thousand with certificates and a timestamp."""
MANIFEST_BYTES_PER_IMAGE = 64 * 1024 * 1024
"""All manifests of referrers read for one image, one after the other, whether signatures or not."""
REFERRERS = 1000
"""Referrers of one image whose manifests are fetched."""
REFERRERS_LISTED = 4000
"""Listed referrers of one image, of which `REFERRERS` are chosen."""
IMAGE_REQUESTS = 3000
"""Requests for one image: the manifest and the blob of a thousand signatures, and the requests to find them."""
IMAGE_NODES = 1_000_000
"""JSON, CBOR and ASN.1 values in all signatures of one image."""
IMAGE_CERTIFICATES = 10_000
"""Certificates parsed for one image: a thousand signatures with a chain each. Parsing one takes about 0.07 ms."""
IMAGE_CERTIFICATE_CHECKS = 10_000
"""Signatures of certificates checked for one image: `PATH_CHECKS` wrong ones for each of a thousand signatures, and the
right ones. All are checked with keys below a trusted authority, in 0.03 to 0.4 ms each."""
IMAGE_SIGNATURE_CHECKS = 10_000
"""Signatures checked with trusted keys for one image: a thousand signatures under a policy of ten keys."""
REFERRERS_PAGES = 100
TAG_PAGE_BYTES = 4 * 1024 * 1024
"""One page of the tags of a repository; registries give 50 to 10,000 tags in a page."""
TAGS_LISTED = 200_000
"""Tags of one repository that are listed."""
TAG_PAGES = 5000
INDEX_CHILDREN = 1000
"""Manifests of one image index."""
ENVELOPE_BYTES = 256 * 1024
"""One Notary Project envelope; those in the wild have 2 to 15 KiB, most of it certificates."""
TIMESTAMP_BYTES = 256 * 1024
"""One RFC 3161 timestamp token with its certificates; those in the wild have 3 to 7 KiB."""
BLOB_MESSAGE_BYTES = 256 * 1024 * 1024
"""A blob that is in memory as a whole, because its key signs no digest (Ed25519); all others are read in pieces."""
SIGNATURE_VALUE_BYTES = 8 * 1024
"""A raw signature; RSA-4096 has 512 bytes."""
STATEMENT_SUBJECTS = 1024
"""Subjects of one in-toto statement (CVE-2024-45395)."""
STATEMENT_DIGESTS = 32

# --- attestations --------------------------------------------------------------------------------------------------
ATTESTATION_BYTES = 32 * 1024 * 1024
"""One in-toto statement with its predicate; SBOMs in the wild have up to about 20 MiB."""
ATTESTATION_ENVELOPE_BYTES = ATTESTATION_BYTES // 3 * 4 + 256 * 1024
"""One stored attestation: the statement in base64, and the rest of its envelope or bundle."""
ATTESTATION_BYTES_PER_IMAGE = 64 * 1024 * 1024
"""All statements read for one image, one after the other; in base64 they have a third more."""
STORED_ATTESTATION_BYTES_PER_IMAGE = ATTESTATION_BYTES_PER_IMAGE // 3 * 4 + 100 * BUNDLE_BYTES
"""The same as stored, with the rest of a hundred envelopes of the largest size."""
ATTESTATIONS = 1000
"""Attestations of one image that are read, as many as signatures: anyone who may push can add small ones."""
ATTESTATION_NODES = 5_000_000
"""JSON values of one predicate, which is parsed only if somebody asks for its content."""
ATTESTATION_TEXT_BYTES = 128 * 1024 * 1024
"""Memory for the text of one predicate; see `JSON_TEXT_BYTES`."""
PREDICATE_TYPE_CHARACTERS = 1024
"""The URI of a predicate's type; those in the wild have about 50."""
STATEMENT_REST_BYTES = 1024 * 1024
"""One statement without its predicate; 1024 subjects with two digests each have about 300 KiB."""

# --- lists of images -----------------------------------------------------------------------------------------------
IMAGE_LINE_BYTES = 4096
"""One line of a list of images; a reference with a digest has a few hundred."""
ENGINE_NAMES = 200
"""Digests that an engine names for one image; podman lists each earlier index of an image too."""
BUILDX_METADATA_BYTES = 16 * 1024 * 1024
"""The metadata file of one build; the provenance in it names every material."""
BUILDX_METADATA_NODES = 500_000
DOCKER_CONFIG_BYTES = 4 * 1024 * 1024
WORKLOAD_FILE_BYTES = 4 * 1024 * 1024
"""One Kubernetes or compose file, rendered."""
WORKLOAD_DEPTH = 64
"""Nesting of YAML; a CronJob's container is 10 levels deep."""
WORKLOAD_NODES = 500_000
# --- encodings -----------------------------------------------------------------------------------------------------
JSON_DEPTH = 32
"""Nesting of untrusted JSON; the deepest supported document has 9 levels."""
JSON_TEXT_BYTES = 8 * 1024 * 1024
"""Memory for the text of one untrusted document: in Python one character of four bytes makes all others as wide."""
JSON_NODES = 100_000
"""Values of one untrusted JSON document, including members' names; an index of a thousand images has about 20,000."""
TOML_KEY_PARTS = 64
"""Parts of one dotted key or table name; a policy has at most 4."""
CBOR_NODES = 2000
"""Values of one untrusted CBOR document; a COSE signature with a long chain has about 50."""
ASN1_NODES = 10_000
"""Values of one untrusted ASN.1 structure; a timestamp token with four certificates has about 700."""
ASN1_DEPTH = 32
"""Nesting of untrusted ASN.1; a timestamp token has 14 levels."""

# --- policies ------------------------------------------------------------------------------------------------------
POLICY_BYTES = 4 * 1024 * 1024
"""One policy file; ten thousand rules have about 1 MiB."""
CBOR_DEPTH = 8
"""Nesting of untrusted CBOR; a COSE signature has 4 levels."""

# --- keys, bytes ---------------------------------------------------------------------------------------------------
KEY_FILE_BYTES = 1024 * 1024
PUBLIC_KEY_BYTES = 64 * 1024
SECRET_FILE_BYTES = 64 * 1024
DERIVATION_ROUNDS = 10_000_000
"""Rounds to derive a key from a passphrase; tools write 2,000 to 1,300,000."""
DERIVATION_BYTES = 1024 * 1024 * 1024
"""Memory that scrypt reads and writes to derive a key; OpenSSL writes 16 MiB by default."""
CLOUD_TOKEN_BYTES = 1024 * 1024
"""A token, configuration or certificate file that an SDK reads."""
KEY_PROVIDER_BODY_BYTES = 4 * 1024 * 1024
"""One answer of a key management service."""
KEY_ROTATIONS = 3
"""Attempts to sign with a key that is rotated between the draft and its signature."""
PLUGIN_MESSAGE_BYTES = 64 * 1024 * 1024
"""Input or output of a plugin; notation's own limit."""
PLUGIN_STDERR_BYTES = 64 * 1024

# --- certificates --------------------------------------------------------------------------------------------------
CERTIFICATE_BYTES = 64 * 1024
"""One certificate in DER; those with many names have a few KiB."""
CERTIFICATES = 100
"""Certificates of one file or trust store."""
CERTIFICATE_FILE_BYTES = 4 * 1024 * 1024
CHAIN_CERTIFICATES = 10
"""Certificates of one signer's chain."""
PATH_CHECKS = 2
"""Wrong signatures on the way from one signer to its authorities; a renewed authority with its old name costs one."""
PATH_STEPS = 1000
"""Steps along verified certificates in the search for paths of one signer."""
SIGNER_PATHS = 8
"""Paths from one signer to one authority for which timestamps are examined: one for each renewal of an authority."""
SERIAL_NUMBER_BITS = 160
"""20 octets. Spec: RFC 5280 section 4.1.2.2."""
RSA_ISSUER_BITS = (2048, 8192)
"""The smallest and largest RSA key for certificates, CRLs, OCSP responses and timestamps."""
RSA_EXPONENT = 2**31 - 1
"""Go's limit: no key needs a larger exponent, which makes a check a hundred times slower."""
TIMESTAMP_CERTIFICATES = 20
"""Certificates in one timestamp token; those in the wild have 1 to 4."""

# --- revocation ----------------------------------------------------------------------------------------------------
OCSP_RESPONSE_BYTES = 20 * 1024
"""notation's own limit; usual responses have 0.5 to 4 KiB."""
OCSP_CERTIFICATES = 5
"""Certificates in one OCSP response: its signer and intermediate ones."""
CRL_BYTES = 32 * 1024 * 1024
"""notation's own limit; the largest public lists have about 10 MiB."""
CRL_ENTRIES_PER_CERTIFICATE = 100
"""Entries of one certificate in one list; a certificate with holds and releases has several."""
REVOCATION_URLS = 10
"""Servers of each kind that one certificate may name."""
CRL_MEMORY_BYTES = 64 * 1024 * 1024
"""CRLs cached in memory; the least recently used are dropped first."""
CRL_CACHE_FILES = 256
"""Files in the CRL cache; the oldest are removed first."""
OCSP_MEMORY_BYTES = 2 * 1024 * 1024
"""OCSP responses cached in memory."""
DISTINGUISHED_NAME_CHARACTERS = 4096
"""One distinguished name of a policy."""

# --- time, seconds -------------------------------------------------------------------------------------------------
CONNECT_SECONDS = 10.0
"""One step of connecting (look-up and connection to all addresses of a name, TLS, a proxy's tunnel), and one write."""
READ_SECONDS = 30.0
UPLOAD_BYTES_PER_SECOND = 16 * 1024 * 1024
"""The minimum speed at which a registry checks an upload before it answers."""
IDLE_SECONDS = 50.0
"""How long a connection is kept without a request: below a minute, after which common load balancers drop it."""
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
"""How long an OCSP response is cached: it hides a revocation for that time."""
CLOCK_SKEW_SECONDS = 300
"""How far the clock of a timestamp service or OCSP responder may be ahead of ours."""
KEY_OPEN_SECONDS = 60.0
"""Opening one key, unless the caller has an earlier deadline: a login and two requests."""
KEY_CALL_SECONDS = 60.0
"""One call to a key management service, including logins, retries and a slow answer."""
PLUGIN_SECONDS = 60.0
"""One run of a key plugin; the user may have to touch a token meanwhile."""

# --- attempts ------------------------------------------------------------------------------------------------------
HTTP_ATTEMPTS = 4
UNREAD_BLOBS = 8
"""Failed reads of one image's signatures after which the remaining ones are skipped."""
UPLOAD_ATTEMPTS = 6
"""Uploads of one manifest or blob after temporary refusals of a registry (see `images/registry/refusals.py`)."""
REDIRECTS = 5
ADDRESSES = 16
"""Addresses of one host name that are tried."""
LOOKUPS = 64
"""Concurrent look-ups of host names: each needs a thread that cannot be stopped."""
MERGE_ATTEMPTS = 20
"""Attempts to write a tag that other writers keep changing, before `Stale` is raised."""

# --- archives ------------------------------------------------------------------------------------------------------
ARCHIVE_MEMBERS = 25_000
"""Files of one image archive, of about 500 bytes of memory each; a layout with a thousand signatures has about three
thousand."""
ARCHIVE_NAME_BYTES = 4096
"""A member's name, and any other text of an extended header."""
ARCHIVE_NAME_DEPTH = 32
"""Parts of a member's name; those of image archives have 3."""
ARCHIVE_HEADER_BYTES = 64 * 1024
"""One extended header: it is read into memory."""
ARCHIVE_UNPACKED_BYTES = 64 * 1024 * 1024 * 1024
"""Bytes unpacked in one pass over an archive with gzip compression; the largest images have some tens of GB. A plain
tar has no such limit: only its headers are read, without the content between them."""
ARCHIVE_RATIO = 500
"""Bytes unpacked for each byte of such an archive. gzip reaches 1032 with zeros; images have 2 to 20."""
ARCHIVE_UNPACKED_FREE_BYTES = 1024 * 1024 * 1024
"""Bytes that every such archive may unpack, regardless of its ratio: 4 to 10 seconds of work, within the deadline."""
DOCKER_MANIFEST_BYTES = 1024 * 1024
"""`manifest.json` of an archive of `docker save`; containers/image has the same limit."""

# --- copying -------------------------------------------------------------------------------------------------------
COPIED_MANIFESTS = 10_000
"""Manifests in one copy: the image, its platforms, and their referrers."""
COPIED_LAYERS = 10_000
"""Layers of one copied manifest, about as many as fit into `JSON_NODES`; images have at most 127, artifacts more."""
UNSIZED_BLOB_BYTES = 4 * 1024 * 1024 * 1024
"""One blob whose size no manifest names: it is read twice."""
REFERRER_DEPTH = 4
"""Referrers of referrers: a signature of an SBOM of an image has depth 2."""
COPIED_MANIFEST_BYTES = 256 * 1024 * 1024
"""All of them together: they are in memory until they are written."""

# --- Docker Content Trust ------------------------------------------------------------------------------------------
TRUST_TARGETS_BYTES = 8 * 1024 * 1024
"""A targets or snapshot file; ten thousand tags have 1.2 MiB. notary reads up to 100 MiB."""
TRUST_ROOT_BYTES = 1024 * 1024
"""A root file: keys with their certificates, 1 to 5 KiB each."""
TRUST_TIMESTAMP_BYTES = 64 * 1024
"""A timestamp file; those in the wild have 0.5 KiB."""
TRUST_NODES = 900_000
"""JSON values of one file; a tag has about 9."""
TRUST_SIGNATURES = 64
"""Signatures of one file; those in the wild have 1 to 3."""
TRUST_KEYS = 256
"""Keys of one file, and of one role."""
TRUST_KEY_FILES = 10_000
"""Files in a folder of private keys."""
TRUST_DELEGATIONS = 100
"""Delegated roles of one file, and files of one repository that are fetched."""
TRUST_PATHS = 100
"""Paths of one delegated role; docker writes one, the empty prefix."""
TRUST_ROOT_ROTATIONS = 64
"""Root files between the remembered one and the newest."""
TRUST_UPDATE_BYTES = 32 * 1024 * 1024
"""Bytes of all files that one update fetches."""
TRUST_KEY_BYTES = 16 * 1024
"""The public key of a trust server for one role; those in the wild have 0.2 KiB."""
TRUST_PUBLISH_ATTEMPTS = 8
"""Attempts to publish while other writers publish too."""
TRUST_MEMORY_BYTES = 64 * 1024 * 1024
"""What is remembered of one repository: its metadata in base64."""

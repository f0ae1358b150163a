"""Keys in AWS KMS.

A key is opened once (DescribeKey, GetPublicKey) and then signs by its ARN, so moving an alias has no effect on an open
key. ECDSA and RSA send the digest, Ed25519 sends the message.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import remaining
from imagesig.errors import (
    AccessDenied,
    ImagesigError,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyUnusable,
)
from imagesig.external import external_call
from imagesig.http.proxies import Proxies
from imagesig.keys.awskms.environment import check_endpoint, check_environment
from imagesig.keys.awskms.errors import call_failed, client_failed, credentials_are_stale, credentials_failed
from imagesig.keys.awskms.facts import endpoint_of
from imagesig.keys.awskms.key import SPECS, TYPES, AwsKmsKey, kms_name
from imagesig.keys.awskms.refusals import OTHER_STATE, SIGNING_STATES, STATES
from imagesig.keys.awskms.session import Sessions
from imagesig.keys.awskms.uri import parse_key_id, region_of
from imagesig.keys.endpoint import Endpoint
from imagesig.keys.in_time import in_time
from imagesig.keys.provider import KeyInfo, KeyProvider
from imagesig.signature import SignerInfo
from imagesig.text import quote
from imagesig.url import parse_url, redact

if TYPE_CHECKING:
    import boto3

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 3, 10, 3
_LISTED_KEYS = 10_000


def _problem(metadata: Mapping[str, Any]) -> str:
    """Why a key cannot sign; empty if it can."""
    if metadata.get("KeyUsage") != "SIGN_VERIFY":
        return f"its usage is {metadata.get('KeyUsage')}, SIGN_VERIFY is needed"
    if metadata.get("KeySpec") not in TYPES:
        return f"its type is {metadata.get('KeySpec')}, one of {', '.join(TYPES)} is needed"
    state = metadata.get("KeyState", "Enabled")
    return "" if state in SIGNING_STATES else f"its state is {state}, Enabled is needed"


def _unusable(message: str, metadata: Mapping[str, Any]) -> KeyProviderError:
    state = str(metadata.get("KeyState", "Enabled"))
    if state in SIGNING_STATES:
        return KeyUnusable(message, hint="name another key")
    return STATES.get(state, OTHER_STATE).error(message)


def _metadata(answer: Mapping[str, Any], what: str) -> Mapping[str, str]:
    """The members of the metadata that are text."""
    metadata = _member(answer, "KeyMetadata", what)
    if not isinstance(metadata, Mapping):
        raise KeyProviderError(f"KMS {what}: its answer has no KeyMetadata")
    return {name: value for name, value in metadata.items() if isinstance(value, str)}


def _member(answer: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in answer:
        raise KeyProviderError(f"KMS {what}: its answer has no {name}")
    return answer[name]


class AwsKmsProvider(KeyProvider):
    """The KMS of one account and region.

    Pass a boto3 KMS `client` or a `session`. Otherwise a new session finds credentials in the AWS SDK's usual places:
    environment, files and metadata service. `endpoint` is a URL. A key with an ARN is used in the ARN's region, unless
    `client` is given. `plain_http` allows an endpoint on another machine without TLS.
    """

    @checks_arguments
    def __init__(
        self,
        *,
        client: Any = None,
        session: boto3.Session | None = None,
        region: str = "",
        endpoint: str = "",
        plain_http: bool = False,
    ) -> None:
        self._given = client
        self._session = session
        self._owns_session = client is None and session is None
        self._region, self._endpoint = region, endpoint
        self._plain_http = plain_http
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        self._sessions = Sessions()

    def open(self, name: str) -> AwsKmsKey:
        """The key of that id, alias or ARN. Raises as `KeyProvider.open` does."""
        return AwsKmsKey(self, self._describe(parse_key_id(name).key_id, to_sign=True))

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public key. Needs only kms:GetPublicKey, and works for a disabled key if KMS allows it."""
        return (self._describe(parse_key_id(name).key_id, to_sign=False).public_key,)

    def generate(self, name: str, key_type: KeyType) -> AwsKmsKey:
        """Creates a key and its alias `alias/NAME`. Raises as `ManagesKeys.generate` does."""
        alias = parse_key_id(name).alias
        if not alias or name != alias:
            raise InvalidArgument(f"KMS key {quote(name)}: a new key needs an alias", hint="write alias/NAME")
        try:
            self.call("describe_key", alias)
        except KeyNotFound:
            pass
        else:
            raise KeyExists(f"KMS {alias}: exists already and is never moved", hint="choose another alias")
        arguments = {"KeySpec": SPECS[key_type], "KeyUsage": "SIGN_VERIFY"}
        arn = str(_member(_metadata(self.call("create_key", "", **arguments), alias), "Arn", alias))
        try:
            self.call("create_alias", "", AliasName=alias, TargetKeyId=arn)
        except KeyProviderError:
            # Do not leave a key without a name. KMS deletes keys only after a waiting period.
            self.call("schedule_key_deletion", arn, PendingWindowInDays=7)
            raise
        return self.open(arn)

    def list(self) -> Iterator[KeyInfo]:
        """Every key of the account and region that AWS does not manage, by its alias if it has one.

        If the keys must not be listed, the keys with an alias come, then the error.
        """
        aliases, no_aliases = self._listed("list_aliases", "Aliases", "TargetKeyId", "AliasName")
        keys, no_keys = self._listed("list_keys", "Keys", "KeyId", "KeyArn")
        if no_keys is not None and no_aliases is not None:
            raise AccessDenied(str(no_keys), hint=f"{no_keys.hint}; so does kms:ListAliases")
        for number, arn in (keys or aliases).items():
            if (info := self._listed_key(aliases.get(number, arn), arn)) is not None:
                yield replace(info, detail=f"{info.detail}; {no_aliases.hint}") if no_aliases else info
        if no_keys is not None:
            raise no_keys

    def _listed(self, operation: str, member: str, key: str, value: str) -> tuple[dict[str, str], AccessDenied | None]:
        try:
            pages = self._pages(operation, member)
            found = [(item, _member(item, value, operation)) for item in pages if value == "KeyArn" or key in item]
            return {str(item.get(key, name)): str(name) for item, name in found}, None
        except AccessDenied as error:
            if credentials_are_stale(error):
                raise
            return {}, error

    def _listed_key(self, name: str, arn: str) -> KeyInfo | None:
        uri = f"awskms:///{name}"
        try:
            metadata = _metadata(self.call("describe_key", arn), arn)
        except (AccessDenied, KeyNotFound) as error:  # not allowed, or deleted since the listing
            return KeyInfo(uri, None, f"{error}; {error.hint}" if error.hint else str(error))
        if metadata.get("KeyManager") == "AWS":
            return None
        problem = _problem(metadata)
        return KeyInfo(uri, None if problem else TYPES[metadata["KeySpec"]], problem or str(metadata.get("Arn", arn)))

    def facts(self) -> Iterator[tuple[str, str]]:
        """See `TellsFacts.facts`. It contacts nothing, except a metadata service that gives the credentials."""
        with external_call("KMS", client_failed):
            meta = in_time("KMS", lambda: self._client(self._region)).meta
            where = f"{redact(str(meta.endpoint_url))}, region {meta.region_name}"
        yield "KMS", where
        if self._given is None and (session := self._session) is not None:
            with external_call("AWS credentials", credentials_failed):
                credentials = in_time("AWS credentials", session.get_credentials)
                method = f"from {credentials.method}" if credentials else "none found"
            yield "AWS credentials", method

    def endpoint(self) -> Endpoint:
        """See `HasEndpoint.endpoint`."""
        with external_call("KMS", client_failed):
            url = str(in_time("KMS", lambda: self._client(self._region)).meta.endpoint_url)
        return endpoint_of(url, os.environ)

    def _pages(self, operation: str, member: str) -> Iterator[Mapping[str, Any]]:
        marker: dict[str, object] = {}
        for _ in range(_LISTED_KEYS // 100):
            answer = self.call(operation, "", Limit=100, **marker)
            yield from answer.get(member, [])
            if not answer.get("Truncated"):
                return
            marker = {"Marker": _member(answer, "NextMarker", operation)}

    def _describe(self, key_id: str, *, to_sign: bool) -> SignerInfo:
        try:
            metadata = _metadata(self.call("describe_key", key_id), key_id)
        except AccessDenied:
            metadata = {}  # the state shows at the first signature; cosign needs this permission too
        if to_sign and metadata and (problem := _problem(metadata)):
            raise _unusable(f"KMS {key_id}: {problem}", metadata)
        answer = self.call("get_public_key", key_id)
        arn = str(metadata.get("Arn") or answer.get("KeyId") or key_id)
        try:
            public_key = PublicKey.from_der(bytes(_member(answer, "PublicKey", key_id)))
        except (ImagesigError, TypeError) as error:
            raise KeyUnusable(f"KMS {arn}: not a key that imagesig supports ({error})") from error
        offered = set(map(str, answer.get("SigningAlgorithms") or ()))
        possible = SignerInfo(public_key, arn).algorithms
        algorithms = tuple(item for item in possible if kms_name(item) in offered)
        if not algorithms:
            raise KeyUnusable(f"KMS {arn}: signs {sorted(offered)} only, none of which imagesig uses")
        return SignerInfo(public_key, arn, algorithms)

    def call(self, operation: str, key_id: str, **arguments: object) -> Mapping[str, Any]:
        """The answer of one KMS operation. The SDK retries throttled calls `_ATTEMPTS` times.

        If AWS refuses the credentials that this provider found, it looks for them once more: files, programs and
        variables may have new ones.

        Raises:
            KeyProviderError: KMS refused or was not reached; see the tree in `imagesig.errors`.
        """
        try:
            return self._call_once(operation, key_id, arguments)
        except AccessDenied as error:
            if not self._owns_session or not credentials_are_stale(error):
                raise
            with self._lock:
                self._release()
                self._session, self._made = None, {}
            return self._call_once(operation, key_id, arguments)

    def _call_once(self, operation: str, key_id: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
        what = f"KMS {operation}" + (f" {key_id}" if key_id else "")
        remaining(what)
        region = region_of(key_id) or self._region
        given = {**arguments, "KeyId": key_id} if key_id else arguments
        with external_call(what, lambda error: call_failed(what, operation, error)):
            answer = in_time(what, lambda: getattr(self._client(region), operation)(**given))
        return answer if isinstance(answer, Mapping) else {}

    def _client(self, region: str) -> Any:
        self._refuse_closed()
        if self._given is not None:
            return self._given
        with self._lock:  # a session is not thread-safe, a client is
            if region not in self._made:
                self._made[region] = self._make_client(region)
            return self._made[region]

    def _make_client(self, region: str) -> Any:
        if self._session is None:
            check_environment(os.environ)
        with external_call("KMS", client_failed):
            from botocore.config import Config

            session = self._session = self._session or self._sessions.new(region)
        with external_call("AWS credentials", credentials_failed):
            # Looked up here, and kept by the session: a failure here is not an error of KMS.
            if (credentials := session.get_credentials()) is not None:
                credentials.get_frozen_credentials()
        with external_call("KMS", client_failed):
            config = Config(
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
            )

            def client_with(proxies: Mapping[str, str]) -> Any:
                return session.client(
                    "kms",
                    region_name=region or None,
                    endpoint_url=self._endpoint or None,
                    config=config.merge(Config(proxies=proxies)),
                )

            # The SDK's own rules for NO_PROXY are not those of Go; its endpoint is known only after it made a client.
            client = client_with({})
            endpoint = str(client.meta.endpoint_url)
            if proxy := Proxies.from_environment(os.environ).for_url(endpoint):
                client.close()
                client = client_with({parse_url(endpoint).scheme: proxy})
        check_endpoint(endpoint, os.environ, plain_http=self._plain_http)
        return client

    def _release(self) -> None:
        with external_call("KMS"):
            for client in self._made.values():
                client.close()

    def __repr__(self) -> str:
        return f"AwsKmsProvider(region={self._region!r}, endpoint={self._endpoint!r})"

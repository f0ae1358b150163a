"""`ScriptedKms`: an AWS KMS on loopback whose keys have every state, and that refuses when a test asks for it.

It is strict: unknown operations, unsigned requests and unknown access keys are refused as AWS does.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Mapping
from typing import Any

from imagesig.arguments import checks_arguments
from imagesig.keys.file.private_key import PrivateKey
from imagesig.patterns import regex
from imagesig.testing.loopback_server import Answer, Request
from imagesig.testing.scripted import ScriptedService, signed_digest

_ACCESS_KEY = regex(r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([a-z0-9-]+)/kms/aws4_request")
_SIGNS = ("Enabled", "Updating")
"""Spec: AWS KMS Developer Guide, "Key states of AWS KMS keys"."""


class ScriptedKms(ScriptedService):
    """The JSON API of KMS for ECDSA P-256 keys with the alias `alias/NAME`. See `ScriptedService`.

    `states` are the states of the keys by name. `access_keys` are accepted.
    """

    @checks_arguments
    def __init__(
        self,
        keys: Mapping[str, PrivateKey],
        *,
        access_key: str = "AKIASCRIPTED",
        region: str = "eu-central-1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.keys = dict(keys)
        self.states = dict.fromkeys(keys, "Enabled")
        self.access_keys = {access_key}
        self.region = region

    def arn(self, name: str) -> str:
        """The ARN of the key with this name."""
        number = list(self.keys).index(name)
        return f"arn:aws:kms:{self.region}:111122223333:key/1234abcd-12ab-34cd-56ef-{number:012x}"

    def own_answer(self, request: Request) -> Answer:
        """See `ScriptedService.own_answer`."""
        match = _ACCESS_KEY.match(request.headers.get("authorization", ""))
        if match is None:
            return refused("MissingAuthenticationTokenException", "Missing Authentication Token")
        if match[1] not in self.access_keys:
            return refused("UnrecognizedClientException", "The security token included in the request is invalid.")
        operation = request.headers.get("x-amz-target", "").removeprefix("TrentService.")
        body = json.loads(request.body)
        if operation == "ListAliases":
            listed = [{"AliasName": f"alias/{name}", "TargetKeyId": self._id(name)} for name in self.keys]
            return answered({"Aliases": listed, "Truncated": False})
        if operation == "ListKeys":
            listed = [{"KeyId": self._id(name), "KeyArn": self.arn(name)} for name in self.keys]
            return answered({"Keys": listed, "Truncated": False})
        found = [name for name in self.keys if body.get("KeyId") in (f"alias/{name}", self._id(name), self.arn(name))]
        if not found:
            return refused("NotFoundException", f"Key '{body.get('KeyId')}' does not exist")
        return self._of_key(operation, found[0], body)

    def _id(self, name: str) -> str:
        return self.arn(name).rpartition("/")[2]

    def _of_key(self, operation: str, name: str, body: Mapping[str, Any]) -> Answer:
        arn, state = self.arn(name), self.states[name]
        if operation == "DescribeKey":
            kind = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "KeyManager": "CUSTOMER"}
            return answered({"KeyMetadata": {"Arn": arn, "KeyId": self._id(name), "KeyState": state, **kind}})
        if operation == "GetPublicKey":
            public_key = base64.b64encode(self.keys[name].public_key.spki).decode()
            return answered({"KeyId": arn, "PublicKey": public_key, "SigningAlgorithms": ["ECDSA_SHA_256"]})
        if operation != "Sign":
            return refused("UnknownOperationException", "")
        if state not in _SIGNS:
            code = "DisabledException" if state == "Disabled" else "KMSInvalidStateException"
            return refused(code, f"{arn} is {_words(state)}.")
        digest = base64.b64decode(body["Message"])
        if (body.get("MessageType"), body.get("SigningAlgorithm"), len(digest)) != ("DIGEST", "ECDSA_SHA_256", 32):
            return refused("ValidationException", "Digest is invalid length for algorithm ECDSA_SHA_256.")
        if body.get("DryRun"):
            return refused("DryRunOperationException", "The request would have succeeded, but DryRun is set.", 412)
        made = base64.b64encode(signed_digest(self.keys[name], digest)).decode()
        return answered({"KeyId": arn, "Signature": made, "SigningAlgorithm": "ECDSA_SHA_256"})


def _words(state: str) -> str:
    """`pending deletion` for `PendingDeletion`, as in the messages of KMS."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", state).lower()


def answered(document: object) -> Answer:
    """An answer of KMS with this document."""
    return Answer(200, json.dumps(document).encode(), {"content-type": "application/x-amz-json-1.1"})


def refused(code: str, message: str, status: int = 400) -> Answer:
    """A refusal of KMS with this code and message."""
    document = {"__type": code, "message": message}
    return Answer(status, json.dumps(document).encode(), {"content-type": "application/x-amz-json-1.1"})

"""`ScriptedSts`: an AWS STS on loopback that gives the credentials of a role, and can revoke them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from imagesig.arguments import checks_arguments
from imagesig.testing.loopback_server import Answer, Request
from imagesig.testing.scripted import ScriptedService

_ACCESS_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/")


class ScriptedSts(ScriptedService):
    """AssumeRole and AssumeRoleWithWebIdentity. See `ScriptedService`.

    `access_keys` and `tokens` are accepted, `gives` is the access key of the next credentials, which end after
    `seconds`.
    """

    @checks_arguments
    def __init__(self, *, access_key: str = "AKIASOURCE", token: str = "token-1", gives: str = "ASIASCRIPTED") -> None:  # noqa: S107
        super().__init__()
        self.access_keys = {access_key}
        self.tokens = {token}
        self.gives = gives
        self.seconds = 3600

    def own_answer(self, request: Request) -> Answer:
        """See `ScriptedService.own_answer`."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        action = form.get("Action", "")
        if action == "AssumeRole":
            match = _ACCESS_KEY.match(request.headers.get("authorization", ""))
            if match is None or match[1] not in self.access_keys:
                return _refused("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
        elif action == "AssumeRoleWithWebIdentity":
            if form.get("WebIdentityToken") not in self.tokens:
                return _refused("ExpiredTokenException", "Token expired: current date/time must be before it.", 400)
        else:
            return _refused("InvalidAction", "Could not find operation", 400)
        until = (datetime.now(UTC) + timedelta(seconds=self.seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        secrets = f"<AccessKeyId>{self.gives}</AccessKeyId><SecretAccessKey>{'s' * 40}</SecretAccessKey>"
        ends = f"<SessionToken>session-token</SessionToken><Expiration>{until}</Expiration>"
        user = "<Arn>arn:aws:sts::111122223333:assumed-role/app/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId>"
        inner = f"<Credentials>{secrets}{ends}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"
        return _document(200, f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>")


def _refused(code: str, message: str, status: int) -> Answer:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return _document(status, f"<ErrorResponse>{error}</ErrorResponse>")


def _document(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), {"content-type": "text/xml"})

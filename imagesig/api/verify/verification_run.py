"""One run of verification in one process: it shares connections, opened keys and verdicts among its images."""

from __future__ import annotations

from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.outcome import Outcome, attempt
from imagesig.api.stored_signatures import ImageLike, pin
from imagesig.api.verify.verifying import OpenPublicKeys, VerificationResult, verify_by_rule
from imagesig.concurrency import Once
from imagesig.deadlines import deadline
from imagesig.errors import ImagesigError
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.policy import Policy, Rule

if TYPE_CHECKING:
    from imagesig.content_trust.servers import TrustServers
    from imagesig.witnesses import Witnesses

ORDERED_WINDOW = 256
"""How many images may be ahead of the slowest one if outcomes are wanted in order."""
_VERDICTS = 512
_RULES = 4096


class VerificationJob(Struct, frozen=True):
    """What is the same for all images of a run. It pickles if its members do."""

    policy: Policy
    platform: str
    allow_unverified: bool
    now: datetime | None
    transport: TransportLike | None
    open_keys: OpenPublicKeys
    timeout: float | None = None
    trust_servers: TrustServers | None = None


class VerificationRun:
    """One run in one process: connections, opened rules, and verdicts already reached. Thread-safe."""

    def __init__(self, job: VerificationJob, witnesses: Witnesses | None = None) -> None:
        self._job = job
        self._witnesses = witnesses
        self._trust_servers = job.trust_servers
        self._lock = Lock()
        self._opener = ImageOpener(job.transport, job.timeout)
        # A key that could not be opened is not tried again for every image: three wrong PINs lock a token.
        self._rules: Once[Rule] = Once(_RULES)
        self._verdicts: Once[VerificationResult] = Once(_VERDICTS, _is_worth_another_attempt)

    def outcome(self, index: int, given: ImageLike, seconds: float | None) -> Outcome[VerificationResult]:
        """The outcome for one image, within so many seconds if they are limited."""
        return attempt(index, given, seconds, lambda: self._verify(given), "verified")

    def _verify(self, given: ImageLike) -> VerificationResult:
        job = self._job
        image = self._opener.open(given)
        rule = job.policy.select(image.location)
        with deadline(image.timeout):
            opened = self._rules.get(id(rule), lambda: rule.opened(job.open_keys))
            if any(item.anchors.content_trust for item in opened.signed):
                return self._judge(image, opened)  # trust servers name the digest
            digest = pin(image)
            key = (image.home.identity, image.signatures.identity, str(image), digest, id(rule))
            pinned = image if image.target == digest else replace(image, target=digest)
            result = self._verdicts.get(key, lambda: self._judge(pinned, opened))
        return result if result.image == str(image) else replace(result, image=str(image))

    def _judge(self, image: Image, rule: Rule) -> VerificationResult:
        job = self._job
        return verify_by_rule(
            image,
            rule,
            platform=job.platform,
            allow_unverified=job.allow_unverified,
            now=job.now,
            witnesses=self._witnesses_for(rule),
            trust_servers=self._servers_for(rule),
        )

    def _servers_for(self, rule: Rule) -> TrustServers | None:
        """The same for all images, so that tags of one repository cost one update; None without trust servers."""
        with self._lock:
            if self._trust_servers is None and any(item.anchors.content_trust for item in rule.signed):
                from imagesig.content_trust.servers import TrustServers

                self._trust_servers = TrustServers()
            return self._trust_servers

    def _witnesses_for(self, rule: Rule) -> Witnesses | None:
        """The same for all images, because it remembers the answers of servers; None if the rule trusts only keys."""
        with self._lock:
            if self._witnesses is None and any(requirement.anchors.authorities for requirement in rule.proven):
                from imagesig.witnesses import online

                self._witnesses = online()
            return self._witnesses

    def close(self) -> None:
        self._opener.close()

    def __enter__(self) -> VerificationRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_worth_another_attempt(error: Exception) -> bool:
    return isinstance(error, MemoryError | RecursionError) or (isinstance(error, ImagesigError) and error.retryable)

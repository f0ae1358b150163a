"""Signs the images of a release, tries again what can succeed, and prints an audit trail in JSON lines.

Usage: release.py KEY_URI GIT_SHA IMAGE...
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence

from imagesig import Outcome, SignedImage, open_key, sign_many


def release(
    images: Sequence[str], key_uri: str, sha: str, attempts: int = 3, pause: float = 2.0
) -> Iterator[Outcome[SignedImage]]:
    """The last outcome of each image."""
    left = list(images)
    with open_key(key_uri) as key:
        for attempt in range(attempts):
            again = []
            for outcome in sign_many(left, key, annotations={"git.sha": sha}, on_key_error="outcome"):
                if outcome.error and outcome.error.retryable and attempt < attempts - 1:
                    again.append(outcome)
                else:
                    yield outcome
            if not again:
                return
            time.sleep(max([pause, *(outcome.error.retry_after for outcome in again if outcome.error)]))
            left = [str(outcome.image) for outcome in again]


def main(key_uri: str, sha: str, *images: str) -> int:
    failed = 0
    for outcome in release(images, key_uri, sha):
        print(json.dumps(outcome.document()), flush=True)
        failed += not outcome.ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

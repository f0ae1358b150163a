"""Verifies a fleet every night, one JSON line for each image. A run that was interrupted goes on where it stopped.

Usage: audit.py POLICY IMAGES RESULTS
"""

import json
import sys
from collections import Counter
from pathlib import Path

from imagesig import Policy, Transport, verify_many


def audit(policy: Policy, images: list[str], results: Path, seconds: float = 3600) -> Counter[str]:
    """The number of images by what is known of them: `verified`, or the name of an error."""
    known = {}
    for line in results.read_text().splitlines() if results.exists() else ():
        found = json.loads(line)
        if not found.get("retryable"):  # what was unreachable is asked again
            known[found["asked"]] = found.get("error", "verified")
    left = [image for image in images if image not in known]
    with results.open("a") as trail:
        for outcome in verify_many(left, policy, transport=Transport(timeout=30), deadline=seconds):
            trail.write(json.dumps({"asked": outcome.image, **outcome.document()}) + "\n")
            trail.flush()
            known[str(outcome.image)] = type(outcome.error).__name__ if outcome.error else "verified"
    return Counter(known[image] for image in images)


if __name__ == "__main__":
    summary = audit(Policy.load(sys.argv[1]), Path(sys.argv[2]).read_text().split(), Path(sys.argv[3]))
    print(json.dumps(summary))
    sys.exit(0 if set(summary) <= {"verified"} else 1)

"""Replaces the signatures of an old key by those of a new one, and proves that the old key is not needed any more.

Usage: rotate.py NEW_KEY_URI OLD_PUBLIC_KEY IMAGES
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from imagesig import ImagesigError, RemovalIncomplete, open_key, sign_many, verify_many


def rotate(images: Sequence[str], new_key: str, old_key: str) -> dict[str, ImagesigError]:
    """The images that still need work, each with its reason. To complete them, run it again."""
    failed = {}
    with open_key(new_key) as key:
        for outcome in sign_many(images, key, replace=old_key, on_key_error="outcome"):
            if outcome.error is not None:
                failed[str(outcome.image)] = outcome.error
        done = [image for image in images if image not in failed]
        for verified in verify_many(done, key.info.public_key):
            if verified.error is not None:
                failed[str(verified.image)] = verified.error
    return failed


def main(new_key: str, old_key: str, images: str) -> int:
    failed = rotate(Path(images).read_text().split(), new_key, old_key)
    for image, error in failed.items():
        print(f"{error}: {error.hint}", file=sys.stderr)
        if isinstance(error, RemovalIncomplete):  # signed anew; these signatures of the old key are still there
            print(*(f"  {image}: {name}" for name in error.left), sep="\n", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

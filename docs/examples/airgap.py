"""Carries images with their signatures across an air gap, in one archive. Both sides verify.

Usage: airgap.py pack POLICY ARCHIVE IMAGE... | airgap.py unpack POLICY ARCHIVE REGISTRY IMAGE...
"""

import sys

from imagesig import CopiedImage, Policy, copy, verify


def tag_of(image: str) -> str:
    """One tag in the archive for each image: `registry.example-acme-app-1.0`."""
    return image.replace("/", "-").replace(":", "-")


def pack(policy: Policy, archive: str, *images: str) -> list[CopiedImage]:
    """Nothing is written for an image that the policy does not accept."""
    return [
        copy(
            image,
            f"oci-archive:{archive}:{tag_of(image)}",
            all_platforms=True,
            admit=lambda opened: verify(opened, policy),
        )
        for image in images
    ]


def unpack(policy: Policy, archive: str, registry: str, *images: str) -> list[str]:
    """The names to deploy inside. The policy accepts the name that was signed outside: `Policy.any_of(identity=…)`."""
    names = []
    for image in images:
        inside = f"{registry}/{image.partition('/')[2]}"
        copied = copy(
            f"oci-archive:{archive}:{tag_of(image)}",
            inside,
            all_platforms=True,
            admit=lambda opened: verify(opened, policy),
        )
        names.append(verify(copied.pinned, policy).pinned)
    return names


if __name__ == "__main__":
    step, policy_file, *arguments = sys.argv[1:]
    trusted = Policy.load(policy_file)
    if step == "pack":
        print(*(copied.digest for copied in pack(trusted, *arguments)), sep="\n")
    else:
        print(*unpack(trusted, *arguments), sep="\n")

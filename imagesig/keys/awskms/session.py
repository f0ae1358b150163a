"""Sessions of the AWS SDK that a process makes one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3


class Sessions:
    """Makes sessions that read files and variables anew, and share the SDK's description of AWS.

    Without sharing it, every session parses 8 MiB of JSON, and a process grows with the rotations of its credentials.
    """

    def __init__(self) -> None:
        self._descriptions: Any = None

    def new(self, region: str) -> boto3.Session:
        """A new session, in this region if variables and files name none. It raises what the SDK raises."""
        import boto3
        from botocore.session import Session

        core = Session()
        if self._descriptions is not None:
            core.register_component("data_loader", self._descriptions)
        # Without one, a role cannot be assumed: the SDK does not read AWS_REGION.
        named = core.get_config_variable("region")
        session = boto3.Session(botocore_session=core, region_name=None if named else region or None)
        self._descriptions = core.get_component("data_loader")
        return session

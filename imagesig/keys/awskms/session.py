"""Sessions of the AWS SDK that a process makes one after the other."""

from __future__ import annotations

import os
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
        _ignore_empty_variables(core)
        # Without one, a role cannot be assumed: the SDK does not read AWS_REGION.
        named = core.get_config_variable("region")
        session = boto3.Session(botocore_session=core, region_name=None if named else region or None)
        self._descriptions = core.get_component("data_loader")
        return session


def _ignore_empty_variables(core: Any) -> None:
    """Makes an empty variable as good as a missing one, as AWS's SDK for Go does: CI systems set such variables.

    Older versions of the SDK check no certificate if `AWS_CA_BUNDLE` or `REQUESTS_CA_BUNDLE` is empty.
    """
    from botocore.configprovider import ConfigChainFactory

    chains = ConfigChainFactory(session=core, environ={name: value for name, value in os.environ.items() if value})
    store = core.get_component("config_store")
    for name in core.session_var_map:
        key, variables, default, convert = core.session_var_map[name]
        read = [variables] if isinstance(variables, str) else list(variables or ())
        if name == "ca_bundle" and os.environ.get("REQUESTS_CA_BUNDLE") == "":  # read by the SDK if there is no setting
            default, read = True, [*read, "REQUESTS_CA_BUNDLE"]
        if any(os.environ.get(each) == "" for each in read):
            store.set_config_provider(name, chains.create_config_chain(name, variables, key, default, convert))

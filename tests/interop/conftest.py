"""The real tools and key homes, once per test process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.interop.homes import Homes, open_homes
from tests.interop.tools import Tools
from tests.peers.kms import KmsServer
from tests.peers.servers import SoftHsmToken, VaultServer


@pytest.fixture(scope="session")
def homes(
    tmp_path_factory: pytest.TempPathFactory, softhsm: SoftHsmToken, vault: VaultServer, kms: KmsServer
) -> Iterator[Homes]:
    """Every home of keys. boto3 reads its credentials from this process's environment, so they are put there."""
    opened = open_homes(tmp_path_factory.mktemp("keys"), softhsm, vault, kms)
    names = [name for name in opened.environ if name.startswith("AWS_")]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: opened.environ[name] for name in names})
    yield opened
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory, homes: Homes) -> Tools:
    return Tools(tmp_path_factory.mktemp("tools"), homes.environ)

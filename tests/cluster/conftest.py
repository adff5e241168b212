"""One real API server for all tests of this folder: the user's, envtest's, or the one built from Go modules.

Skipped, loudly, where there is none; `make test-cluster` builds it (BACKSTAY_REAL_API=1).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox.controlplane import binaries
from backstay_sandbox.controlplane.plane import ControlPlane
from harness.real_server import RealServer, install

GIVEN = "BACKSTAY_TEST_KUBECONFIG"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the server; nobody has to write it down."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server without anything of Backstay's."""
    directory = tmp_path_factory.mktemp("cluster")
    if given := os.environ.get(GIVEN):
        shutil.copy(given, directory / "kubeconfig")
        yield RealServer(directory, plane=None)
        return
    if os.environ.get("BACKSTAY_REAL_API") == "1":
        found: binaries.Binaries | None = binaries.prepare(lambda step: print(f"- {step}", flush=True))
    else:
        found = binaries.found()
    if found is None:
        pytest.skip(binaries.why_none())
    plane = ControlPlane(directory / "plane", found, audit=True)
    try:
        plane.start()
        (directory / "kubeconfig").touch(mode=0o600)
        (directory / "kubeconfig").write_text(plane.admin().render())
        yield RealServer(directory, plane=plane)
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def real_server(bare_server: RealServer) -> RealServer:
    """The same with definitions, namespace, accounts, rights and policies, as the chart makes them."""
    install(bare_server)
    return bare_server


@pytest.fixture(scope="module")
def server(real_server: RealServer) -> RealServer:
    """By the name under which the tests of the embedded API know theirs."""
    return real_server

"""One sandbox without daemons for all tests of hosts; each test finds every host on and connected."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import NO_API, SandboxOptions
from harness.hosts import SandboxUnderTest, remove_sandboxes_of_dead_runs, sandbox_name, why_no_hosts


@pytest.fixture(scope="session", autouse=True)
def _fit_for_hosts() -> None:
    """Skip with the reason where hosts cannot run, and begin with a clean machine."""
    reason = why_no_hosts()
    if reason is not None:
        pytest.skip(reason)
    remove_sandboxes_of_dead_runs()


@pytest.fixture(scope="session")
def bare_sandbox() -> Iterator[SandboxUnderTest]:
    """Hosts alone: no API, no daemons."""
    options = SandboxOptions(name=sandbox_name("hosts"), nodes=3, api=NO_API, daemons=(), cluster=False)
    background.start(options, progress=lambda _step: None)
    try:
        yield SandboxUnderTest(options.layout)
    finally:
        background.stop(options.layout)


@pytest.fixture
def sandbox(bare_sandbox: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The same, restored: whatever a test broke is mended before the next one, and every host starts afresh."""
    yield bare_sandbox
    for node in bare_sandbox.layout.nodes:
        bare_sandbox.ask("crash", node=node)
        bare_sandbox.ask("heal", node=node)
        bare_sandbox.ask("boot", node=node)

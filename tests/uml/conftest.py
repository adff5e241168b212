"""Sandboxes of own-kernel hosts.  Skipped, loudly, where the bed is not cached, unless BACKSTAY_UML=1 has it built."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from backstay_sandbox import background, requirements
from backstay_sandbox.options import NO_API, HostKind, SandboxOptions, VolumeOwnership
from backstay_sandbox.uml import bed, checkout
from harness.hosts import SandboxUnderTest, remove_sandboxes_of_dead_runs, sandbox_name


@pytest.fixture(scope="session", autouse=True)
def _fit_for_own_kernels() -> None:
    """Skip with the reason where such hosts cannot run, and begin with a clean machine."""
    complaints = requirements.complaints(requirements.OWN_KERNELS_DEMO)
    if complaints:
        pytest.skip(complaints)
    unseen = checkout.why_unseen()
    if unseen:
        pytest.skip(unseen)
    if os.environ.get("BACKSTAY_UML") == "1":
        bed.prepare(lambda step: print(f"- {step}", flush=True))
    elif bed.cached_bed() is None:
        pytest.skip("own-kernel hosts: no kernel and guest tree in the cache; run `make test-hosts-uml`")
    remove_sandboxes_of_dead_runs()


def bare_hosts(purpose: str, ownership: VolumeOwnership) -> Iterator[SandboxUnderTest]:
    """Two hosts alone: no API, no daemons."""
    options = SandboxOptions(
        name=sandbox_name(purpose),
        nodes=2,
        api=NO_API,
        daemons=(),
        cluster=False,
        hosts=HostKind.UML,
        ownership=ownership,
    )
    background.start(options, progress=lambda _step: None)
    try:
        yield SandboxUnderTest(options.layout)
    finally:
        background.stop(options.layout)


@pytest.fixture(scope="session")
def _tagged_hosts() -> Iterator[SandboxUnderTest]:
    yield from bare_hosts("uml-tags", VolumeOwnership.TAGS)


@pytest.fixture(scope="session")
def _named_hosts() -> Iterator[SandboxUnderTest]:
    yield from bare_hosts("uml-id", VolumeOwnership.SYSTEM_ID)


@pytest.fixture
def hosts(_tagged_hosts: SandboxUnderTest) -> SandboxUnderTest:
    """Two hosts whose LVM goes by tags, freshly booted, with nothing active on them."""
    return freshly_booted(_tagged_hosts)


@pytest.fixture
def hosts_by_id(_named_hosts: SandboxUnderTest) -> SandboxUnderTest:
    """Two hosts whose LVM goes by system id, freshly booted."""
    return freshly_booted(_named_hosts)


def freshly_booted(sandbox: SandboxUnderTest) -> SandboxUnderTest:
    for node in sandbox.layout.nodes:
        if sandbox.host_status(node)["power"] == "on" and not used(sandbox, node):
            continue
        sandbox.ask("crash", node=node)
        sandbox.ask("heal", node=node)
        sandbox.ask("boot", node=node)
        used(sandbox, node)
    return sandbox


def used(sandbox: SandboxUnderTest, node: str) -> bool:
    """Whether a test before had this host; it is marked for the next one to know."""
    return (
        "used" in sandbox.on_host(node, "sh", "-c", "cat /run/used 2>&1; echo used >/run/used").stdout.split()
    )

"""Real nodes for all tests of this folder: three, with the chart installed and the tutorial running.

Skipped, loudly, where their builds are not cached; `make test-nodes` makes them (BACKSTAY_NODES=1). The images are those of this very
checkout: after any change to the programs the cached ones are no longer it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox import requirements
from backstay_sandbox.outages import OutageWatch
from harness.helm import HELMS
from harness.hosts import remove_sandboxes_of_dead_runs, sandbox_name
from harness.nodes import images, programs
from harness.nodes.cluster import RealNodes
from harness.nodes.tutorial import ADDRESS_PINGED, URL, RealCluster, declare, install

COVERED = ("tmp", "run", "dev", "proc", "sys", "mnt")
"""Directories of the machine that a guest covers: what lies there is not there for it."""
WAY_OUT = "run `make test-nodes` (needs root, Debian and Go 1.26; twenty minutes, once)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs them; nobody has to write it down."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.nodes)


def what_nodes_are_made_of() -> tuple[programs.NodePrograms, Path]:
    """Programs and disk: out of the cache, or with BACKSTAY_NODES=1 made now; skips with the reason otherwise."""
    complaints = requirements.complaints((*requirements.OWN_KERNELS_DEMO, *requirements.NODES))
    wanted = os.environ.get("BACKSTAY_NODES") == "1"
    if complaints:
        pytest.fail(complaints) if wanted else pytest.skip(complaints)
    covered = [
        one for one in (Path(sys.prefix).resolve(), Path.home()) if one.parts[1:2] and one.parts[1] in COVERED
    ]
    if covered:
        pytest.skip(
            f"real nodes: hosts have a /{covered[0].parts[1]} of their own and cannot see {covered[0]}"
        )
    if wanted:
        made = programs.prepare(say)
        return made, images.prepare_disk(made, say)
    found = programs.cached()
    if found is None:
        pytest.skip(f"real nodes: kubelet, containerd or what they run on is not in the cache; {WAY_OUT}")
    disk = images.cached_disk(found)
    if disk is None:
        pytest.skip(f"real nodes: the images of this state of the checkout are not in the cache; {WAY_OUT}")
    return found, disk


def say(step: str) -> None:
    print(f"- {step}", flush=True)


@pytest.fixture(scope="session")
def nodes() -> Iterator[RealNodes]:
    """Three nodes, Ready, with nothing of Backstay's on them."""
    made_of, disk = what_nodes_are_made_of()
    (helm,) = [one for one in HELMS if one.name == "helm4"]
    if not helm.present:
        pytest.skip("real nodes: helm is not obtained; run `make helm`")
    remove_sandboxes_of_dead_runs()
    made = RealNodes(sandbox_name("nodes"), made_of, disk, count=3, helm=helm)
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def running(nodes: RealNodes) -> Iterator[RealCluster]:
    """The chart installed, the cluster declared, the tutorial applied."""
    install(nodes)
    declare(nodes)
    with OutageWatch(nodes.layout, url=URL, address=ADDRESS_PINGED) as watch:
        yield RealCluster(nodes, watch)


@pytest.fixture
def cluster_again(running: RealCluster) -> RealCluster:
    """Installed once more, with the objects that the uninstallation has kept."""
    install(running.nodes)
    running.nodes.await_pods()
    return running


@pytest.fixture
def cluster(running: RealCluster) -> RealCluster:
    """Whole and quiet before each test, whatever the one before did."""
    running.settle()
    return running

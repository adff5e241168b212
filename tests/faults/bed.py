"""The tutorial's cluster on namespace hosts, with every witness: what random faults are tried on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from backstay_sandbox import background
from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from faults.checkers import GROUP_ADDRESS, SINGLE_ADDRESS
from faults.run import Run
from harness.arp_watch import ArpWatch
from harness.cluster_view import ClusterView
from harness.hosts import SandboxUnderTest
from harness.hosts_cluster import ClusterUnderTest

NODES = 3
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"


@contextlib.contextmanager
def bed(name: str, *, tell: Callable[[str], None], progress: Callable[[str], None]) -> Iterator[Run]:
    """A run on a sandbox of that name, its lookout not yet on. Raises StartError when the tutorial is not taken."""
    options = SandboxOptions(name=name, nodes=NODES)
    background.start(options, progress=progress)
    try:
        layout = options.layout
        with (
            OutageWatch(layout, url=f"http://{GROUP_ADDRESS}/", address=SINGLE_ADDRESS) as watch,
            ClusterView(layout.kubeconfig) as view,
            ArpWatch(namespace_command(layout.netns_client, []), [GROUP_ADDRESS, SINGLE_ADDRESS]) as arp,
        ):
            cluster = ClusterUnderTest(SandboxUnderTest(layout), watch)
            applied = cluster.run("kubectl", "apply", "-f", str(TUTORIAL))
            if applied.returncode != 0:
                raise background.StartError(applied.stderr)
            run = Run(cluster, view, tell, watch, arp)
            run.objects.teach_novelty()
            yield run
    finally:
        background.stop(options.layout)

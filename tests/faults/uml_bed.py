"""The tutorial's cluster on hosts with kernels of their own, with all witnesses: for tests of faults, and to measure takeovers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backstay_sandbox import background
from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.options import HostKind, SandboxOptions
from backstay_sandbox.outages import OutageWatch
from faults.checkers import GROUP_ADDRESS, OF_A_KERNEL, SINGLE_ADDRESS, WITH_VOLUMES, Checkers
from faults.guest_sights import GuestSights
from faults.lookout import Lookout
from faults.wholeness import Wholeness
from harness.arp_watch import ArpWatch
from harness.cluster_view import ClusterView
from harness.hosts import SandboxUnderTest, wait_for
from harness.hosts_cluster import GROUP, ClusterUnderTest
from harness.writer import JOURNAL, Writer, lost

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NODES = 3
WHOLE_S_MAX = 90.0


@dataclass
class Bed:
    """The cluster and its witnesses."""

    cluster: ClusterUnderTest
    lookout: Lookout
    wholeness: Wholeness
    arp: ArpWatch
    frozen: set[str]
    written: int = 0
    """The last record in the journal."""
    promised: int = 0
    """The last record acknowledged."""
    told: list[tuple[str, str]] = field(default_factory=list)
    """What was done, and what came of it, for people."""

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.cluster.sandbox.layout.nodes

    def home(self) -> str:
        """Where the file system is mounted, by every kernel that is not frozen."""
        mounted = [node for node, sight in self.lookout.sights().items() if sight.mounted]
        return "+".join(node for node in mounted if node not in self.frozen)

    def writer(self) -> Writer:
        return Writer(self.cluster.sandbox.layout, self.home(), first=self.written)

    def await_moved(self, home: str) -> float:
        return wait_for(
            lambda: self.home() not in ("", home) and self.cluster.watch.is_up("page"),
            timeout_s=WHOLE_S_MAX,
            what=f"the group runs away from {home}",
        )

    def check_journal(self, writer: Writer) -> None:
        """Everything that was acknowledged, by this writer and those before, is on the disk of the host that has it now."""
        self.promised = max(self.promised, writer.last)
        journal = self.cluster.sandbox.on_host(self.home(), "cat", JOURNAL).stdout
        assert lost(journal, self.promised) == []
        self.written = max(int(line) for line in journal.splitlines())

    def tell(self, fault: str, outcome: str) -> None:
        self.told.append((fault, outcome))
        print(f"{fault}: {outcome}", flush=True)

    def table(self) -> str:
        """Markdown of everything told."""
        checkers = self.lookout.checkers
        rows = [
            *self.told,
            (
                "looks at the kernels",
                f"{checkers.looks}, the longest time between two {checkers.longest_gap_s:.2f} s",
            ),
            (
                "questions by ARP",
                f"{self.arp.asked}, {self.arp.answered} answered, {len(self.arp.twice)} of them twice",
            ),
            ("moments with something active on two hosts", str(len(checkers.violations))),
            ("records acknowledged, and lost", f"{self.promised}, 0"),
        ]
        return (
            "\n".join(["| fault | outcome |", "|---|---|", *(f"| {one} | {two} |" for one, two in rows)])
            + "\n"
        )

    def check_witnesses(self) -> None:
        assert [str(one) for one in self.lookout.violations()] == []
        assert self.arp.twice == []

    def rely_on_watchdogs(self, watchdog: Mapping[str, object]) -> None:
        """Take the power switch away: from here on a node's death is proven by its watchdog."""
        for node in self.nodes:
            loaded = self.cluster.sandbox.on_host(
                node, "modprobe", "softdog", f"soft_margin={watchdog['timeoutSeconds']}"
            )
            assert loaded.returncode == 0, loaded.stderr
        for words in (
            ("delete", "fencedevice", "power-switch"),
            (
                "patch",
                "hacluster",
                "sandbox",
                "--type=merge",
                "-p",
                json.dumps({"spec": {"watchdog": watchdog}}),
            ),
        ):
            done = self.cluster.run("kubectl", *words)
            assert done.returncode == 0, done.stderr
        wait_for(
            lambda: all(
                str(self.cluster.status_of(f"hanode/{node}").get("watchdog")).startswith("armed")
                for node in self.nodes
            ),
            timeout_s=30.0,
            what="every host has armed its watchdog",
        )
        assert self.cluster.status_of(GROUP)["role"] == "Started"


@contextmanager
def uml_bed(name: str) -> Iterator[Bed]:
    """Up, with the tutorial applied; not yet waited for."""
    options = SandboxOptions(name=name, nodes=NODES, hosts=HostKind.UML)
    background.start(options, progress=lambda _step: None)
    layout, frozen = options.layout, set[str]()
    checkers = Checkers(stands_on=WITH_VOLUMES, idle_when_frozen=OF_A_KERNEL)
    try:
        with ExitStack() as stack:
            url = f"http://{GROUP_ADDRESS}/"
            watch = stack.enter_context(OutageWatch(layout, url=url, address=SINGLE_ADDRESS))
            view = stack.enter_context(ClusterView(layout.kubeconfig))
            asked = (namespace_command(layout.netns_client, []), [GROUP_ADDRESS, SINGLE_ADDRESS])
            arp = stack.enter_context(ArpWatch(*asked))
            sights = stack.enter_context(GuestSights(layout))
            wait_for(sights.hears, timeout_s=30.0, what="every kernel tells what it holds")
            lookout = stack.enter_context(Lookout(sights.look, frozen=frozen, checkers=checkers))
            cluster = ClusterUnderTest(SandboxUnderTest(layout), watch)
            for manifest in ("tutorial/1-cluster-ip.yaml", "tutorial-lvm"):
                applied = cluster.run("kubectl", "apply", "-f", str(EXAMPLES / manifest))
                assert applied.returncode == 0, applied.stderr
            yield Bed(cluster, lookout, Wholeness(view, lookout, watch), arp, frozen)
    finally:
        background.stop(layout)

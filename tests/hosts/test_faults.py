"""A few random faults in a row with every checker on: the short form of `make faults`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox import requirements
from backstay_sandbox.inspection import namespace_command
from faults.bed import bed
from faults.checkers import SINGLE_ADDRESS
from faults.lookout import Lookout
from faults.run import WHOLE_S_MAX, Run
from faults.schedule import Kind, schedule
from faults.sight import OFF, holders, look
from harness import partition
from harness.arp_watch import ArpWatch
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.quiet import tell_what_happened, telling_what_happened

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(
        bool(requirements.missing(requirements.PARTITIONS)),
        reason=requirements.explain(requirements.PARTITIONS),
    ),
]
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
FAULTS, SEED = 8, 4


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """The tutorial's cluster, with every witness."""
    with (
        bed(sandbox_name("faults"), tell=print, progress=lambda _step: None) as made,
        made.lookout,
    ):
        yield made


def test_random_faults_break_no_rule_and_the_cluster_is_whole_after_each(run: Run) -> None:
    run.go(schedule(SEED, FAULTS))
    if run.problems:
        tell_what_happened(run.cluster)
    assert run.problems == []
    assert len(run.outcomes) == FAULTS
    assert run.lookout.checkers.looks > 10 * FAULTS
    assert set(run.growth.samples[-1].daemons) == {"agent", "keeper", "operator"}


def test_cluster_goes_on_after_an_api_that_came_back_without_its_last_seconds(run: Run) -> None:
    """Killed, it forgets up to five: orders, results and moves that everybody else remembers."""
    with telling_what_happened(run.cluster):
        run.wholeness.wait(timeout_s=WHOLE_S_MAX)
        for _ in range(2):
            moved = run.cluster.run("kubectl-ha", "resource", "move", "appgroup")
            assert moved.returncode == 0, moved.stdout + moved.stderr
            home = run.wholeness.homes()["group"]
            run.injector.begin(Kind.API_KILLED, home)
            run.wholeness.wait(timeout_s=WHOLE_S_MAX)
            assert run.lookout.violations() == []


def test_the_lookout_sees_what_hosts_hold_and_that_two_hold_it(sandbox: SandboxUnderTest) -> None:
    layout = sandbox.layout
    assert (
        sandbox.agent(
            "n1", "Filesystem", "start", device="/dev/backstay/app_disk", directory="/var/www", fstype="xfs"
        ).returncode
        == 0
    )
    for node in ("n1", "n2"):
        assert (
            sandbox.on_host(node, "ip", "addr", "add", f"{SINGLE_ADDRESS}/24", "dev", "eth0").returncode == 0
        )
    with (
        Lookout(lambda: look(layout)) as lookout,
        ArpWatch(namespace_command(layout.netns_client, []), [SINGLE_ADDRESS]) as arp,
    ):
        wait_for(lambda: bool(lookout.violations()), timeout_s=5.0, what="a violation is found")
        sights = lookout.sights()
        assert [str(one) for one in lookout.violations()] == [
            "never active on two hosts: single address on n1 and n2"
        ]
        assert holders(sights, SINGLE_ADDRESS) == ["n1", "n2"]
        assert [node for node, sight in sights.items() if sight.mounted] == ["n1"]
        wait_for(lambda: bool(arp.twice), timeout_s=5.0, what="the bridge sees it too")
        sandbox.ask("crash", node="n1")
        wait_for(lambda: lookout.sights()["n1"] == OFF, timeout_s=5.0, what="n1 holds nothing any more")
    assert lookout.checkers.longest_gap_s < 2.0


def test_a_cut_path_is_silent_both_ways_and_others_stay_whole(sandbox: SandboxUnderTest) -> None:
    def reaches(node: str, address: str) -> bool:
        return sandbox.on_host(node, "ping", "-n", "-c", "1", "-W", "1", address).returncode == 0

    api, second = "10.0.0.2", sandbox.layout.addresses("n2").cluster
    try:
        partition.cut_from_api(sandbox.layout, "n1")
        assert [reaches("n1", api), reaches("n1", second), reaches("n2", api)] == [False, True, True]
        partition.cut_from_peers(sandbox.layout, "n1")
        assert not reaches("n1", second)
        assert not reaches("n2", sandbox.layout.addresses("n1").cluster)
        assert sandbox.reaches(sandbox.layout.addresses("n1").cluster), "the client is no peer"
        sandbox.ask("crash", node="n1")
        sandbox.ask("boot", node="n1")
        assert not reaches("n1", api), "a power cycle mends no switch"
    finally:
        partition.mend(sandbox.layout)
    # A kernel that has just given up on a neighbour asks for it again in a second.
    wait_for(lambda: reaches("n1", api), timeout_s=10.0, what="n1 reaches the API again")
    wait_for(lambda: reaches("n1", second), timeout_s=10.0, what="n1 reaches n2 again")

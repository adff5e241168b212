"""Real faults on hosts with kernels of their own, under a program that acknowledges what it has written only after its fsync.

One cluster, one fault after the other. All the time every kernel is asked what it holds, by a card whose cable nobody pulls, and the
bridge who answers for the addresses: never two active volume groups, mounts, web servers or addresses.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox import requirements
from backstay_sandbox.inspection import host_pid
from bench.failover.report import write_generated
from faults.uml_bed import WHOLE_S_MAX, Bed, uml_bed
from harness import partition
from harness.host_processes import AGENT, freeze_all, thaw
from harness.hosts import sandbox_name, wait_for
from harness.writer import JOURNAL, Writer, lost

pytestmark = [
    pytest.mark.uml,
    pytest.mark.skipif(
        bool(requirements.missing(requirements.PARTITIONS)),
        reason=requirements.explain(requirements.PARTITIONS),
    ),
]
RECORDS = 20
"""So many must be acknowledged before the fault, so that there is something to lose."""
WATCHDOG = {
    "device": "/dev/watchdog1",
    "deadlineMilliseconds": 3000,
    "timeoutSeconds": 3,
    "resetMilliseconds": 1000,
    "takeoverDelayMilliseconds": 14_000,
}


@pytest.fixture(scope="module")
def running() -> Iterator[Bed]:
    with uml_bed(sandbox_name("uml-faults")) as bed:
        yield bed
        if page := os.environ.get("BACKSTAY_FAULTS_PAGE"):
            write_generated(Path(page), bed.table(), name="uml")


@pytest.fixture
def bed(running: Bed) -> Iterator[Bed]:
    """Whole before each test; after it the witnesses are heard."""
    sandbox = running.cluster.sandbox
    partition.mend(sandbox.layout)
    for node in running.nodes:
        sandbox.ask("heal", node=node)
        sandbox.ask("boot", node=node)
    running.wholeness.wait(timeout_s=WHOLE_S_MAX)
    yield running
    running.check_witnesses()


def await_records(writer: Writer) -> None:
    wait_for(
        lambda: len(writer.acknowledged) >= RECORDS,
        timeout_s=20.0,
        what=f"{RECORDS} records are acknowledged",
    )


def test_power_loss_of_the_host_of_group_and_dc_loses_nothing_that_was_acknowledged(bed: Bed) -> None:
    snapshot = bed.wholeness.view.snapshot()
    assert snapshot is not None
    if bed.home() != snapshot.dc:
        moved = bed.cluster.run("kubectl-ha", "resource", "move", "appgroup", snapshot.dc)
        assert moved.returncode == 0, moved.stderr
        bed.wholeness.wait(timeout_s=WHOLE_S_MAX)
    home, boots = bed.home(), bed.cluster.boots()
    with bed.writer() as writer:
        await_records(writer)
        bed.cluster.sandbox.ask("crash", node=home)
        moved_s = bed.await_moved(home)
    bed.check_journal(writer)
    wait_for(lambda: bed.cluster.boots()[home] == boots[home] + 1, timeout_s=30.0, what=f"{home} was fenced")
    bed.tell(
        "power cut of the host of group and DC",
        f"fenced, served elsewhere after {moved_s:.1f} s; {len(writer.acknowledged)} acknowledged, none lost",
    )


@pytest.mark.parametrize("cuts", [("peers",), ("api",), ("api", "peers")], ids="+".join)
def test_cut_from_networks_keeps_what_was_acknowledged_and_moves_only_what_lost_the_api(
    bed: Bed, cuts: tuple[str, ...]
) -> None:
    """The client still reaches the host: nothing but the cluster keeps it from serving two."""
    home, boots, layout = bed.home(), bed.cluster.boots(), bed.cluster.sandbox.layout
    with bed.writer() as writer:
        await_records(writer)
        for cut in cuts:
            {"api": partition.cut_from_api, "peers": partition.cut_from_peers}[cut](layout, home)
        if "api" in cuts:
            outcome = f"fenced, served elsewhere after {bed.await_moved(home):.1f} s"
        else:
            time.sleep(6.0)  # twice a lease: who is to be lost is lost by then
            outcome = "nothing moved"
    assert (bed.home() != home) == ("api" in cuts)
    assert (bed.cluster.boots()[home] > boots[home]) == ("api" in cuts)
    bed.check_journal(writer)
    bed.tell(
        f"cut off from {' and '.join(cuts)}", f"{outcome}; {len(writer.acknowledged)} acknowledged, none lost"
    )


def test_killed_agent_interrupts_no_write(bed: Bed) -> None:
    home, boots = bed.home(), bed.cluster.boots()
    with bed.writer() as writer:
        await_records(writer)
        assert bed.cluster.sandbox.on_host(home, "pkill", "-KILL", "-f", AGENT).returncode == 0
        killed_at = time.monotonic()
        time.sleep(5.0)  # longer than a lease
        later = [at for at in writer.acknowledged.values() if at > killed_at]
    assert later
    assert max(later) - killed_at > 4.0
    assert (bed.home(), bed.cluster.boots()) == (home, boots)
    bed.check_journal(writer)
    bed.tell(
        "agent killed", f"nothing moved; {len(later)} records acknowledged in the 5 s after it, none lost"
    )


def test_two_hosts_of_three_lost_stop_the_third_and_all_comes_back_with_them(bed: Bed) -> None:
    """Without quorum nothing is fenced and nothing started; `noQuorumPolicy: stop` stops what runs. Nothing acknowledged is lost."""
    home, boots = bed.home(), bed.cluster.boots()
    with bed.writer() as writer:
        await_records(writer)
        for node in bed.nodes:
            if node != home:
                bed.cluster.sandbox.ask("crash", node=node)
        stopped_s = wait_for(
            lambda: not bed.lookout.sights()[home].active,
            timeout_s=60.0,
            what=f"{home} has stopped the group",
        )
    assert bed.home() == ""
    assert bed.cluster.boots() == boots, "nobody was fenced"
    for node in bed.nodes:
        bed.cluster.sandbox.ask("boot", node=node)
    back_s = bed.wholeness.wait(timeout_s=WHOLE_S_MAX)
    bed.check_journal(writer)
    bed.tell(
        "power cut of two hosts of three",
        f"the third stopped the group after {stopped_s:.1f} s, nothing fenced; whole {back_s:.1f} s after they were back; none lost",
    )


def test_file_system_is_clean_after_all_that(bed: Bed) -> None:
    """By xfs_repair, on the volume that the cluster has given up."""
    home = bed.home()
    assert bed.cluster.run("kubectl-ha", "resource", "disable", "appgroup").returncode == 0
    try:
        wait_for(lambda: not bed.lookout.sights()[home].active, timeout_s=60.0, what="the group is stopped")
        by_hand = {"volgrpname": "app_vg", "exclusive": "true"}
        assert bed.cluster.sandbox.agent(home, "LVM", "start", **by_hand).returncode == 0
        checked = bed.cluster.sandbox.on_host(home, "xfs_repair", "-n", "/dev/app_vg/app_lv")
        assert bed.cluster.sandbox.agent(home, "LVM", "stop", **by_hand).returncode == 0
    finally:
        assert bed.cluster.run("kubectl-ha", "resource", "enable", "appgroup").returncode == 0
    assert checked.returncode == 0, checked.stdout + checked.stderr
    bed.tell("xfs_repair -n after all that", "clean")


def test_host_frozen_past_its_deadline_is_reset_as_it_thaws_and_kept_what_it_had_acknowledged(
    bed: Bed,
) -> None:
    """By its watchdog alone: the power switch is taken away. What it writes between thaw and reset is counted, not guaranteed."""
    bed.rely_on_watchdogs(WATCHDOG)
    home, layout = bed.home(), bed.cluster.sandbox.layout
    with bed.writer() as writer:
        await_records(writer)
        pid = host_pid(layout, home)
        died = os.pidfd_open(pid)
        bed.frozen.add(home)
        asleep = freeze_all(pid)
        time.sleep(0.2)  # what it had said is heard
        promised = writer.last
        bed.await_moved(home)
        journal = bed.cluster.sandbox.on_host(bed.home(), "cat", JOURNAL).stdout
        thawed_at = time.monotonic()
        thaw(asleep)
        assert select.select([died], [], [], 5.0)[0], "it is reset"
        reset_s = time.monotonic() - thawed_at
        os.close(died)
    wait_for(
        lambda: bed.cluster.sandbox.host_status(home)["power"] == "off",
        timeout_s=5.0,
        what="it is known dead",
    )
    bed.frozen.discard(home)
    both = [one for one in bed.arp.twice if thawed_at <= one["at"] <= thawed_at + reset_s + 0.5]
    bed.arp.twice = [one for one in bed.arp.twice if one not in both]
    assert lost(journal, promised) == []
    late = [record for record, at in writer.acknowledged.items() if at >= thawed_at]
    bed.tell(
        "frozen past its deadline, no fence device, thawed",
        f"reset {reset_s:.3f} s after the thaw; all {promised} records from before were on the other host; not guaranteed, in between: "
        f"{len(late)} writes acknowledged {late or ''}, {len(both)} questions by ARP answered by both",
    )
    assert reset_s < float(str(WATCHDOG["timeoutSeconds"])), (
        "a busy machine takes its time, but not that much"
    )

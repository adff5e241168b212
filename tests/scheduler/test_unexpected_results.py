"""What the scheduler makes of results that nobody expected, and of failures nobody minds: one claim
each."""

import pytest

from backstay.scheduler import Transition, Verb
from backstay.simulate import simulate
from backstay.state import (
    Clone,
    ClusterProperties,
    FailCount,
    Node,
    Operation,
    OpRecord,
    OpStatus,
    Primitive,
    Resource,
    ResourceHistory,
    ResourceMeta,
    Role,
)

from .scenes import DUMMY, NOW, cluster, done, primitive, running, schedule

STARTED = OpRecord(operation="start", call_id=2)
MINUTE = 60_000
FENCE = Primitive(id="fence", agent=type(DUMMY).parse("stonith:fence_xvm"))


def monitored(rc: int, *, target: int = 0, call_id: int = 3) -> OpRecord:
    return OpRecord(
        operation="monitor",
        interval_ms=MINUTE,
        call_id=call_id,
        rc=rc,
        target_rc=target,
        last_rc_change=NOW - 60,
    )


def at(node: str, *records: OpRecord, resource: str = "a") -> ResourceHistory:
    return ResourceHistory(resource=resource, node=node, agent=DUMMY, operations=records)


def scheduled(resource: Resource, *histories: ResourceHistory, **more: object) -> Transition:
    return schedule(cluster([resource], histories=histories, **more))  # type: ignore[arg-type]


def status_line(resource: Resource, *records: OpRecord) -> str:
    report = simulate(cluster([resource], histories=[at("n1", *records)]))
    [line] = [line for line in report.current if "(ocf:" in line]
    return line.partition("\t ")[2].strip()


@pytest.mark.parametrize("operation", ["start", "stop", "promote"])
@pytest.mark.parametrize("rc", [8, 9])
def test_what_is_found_promoted_is_demoted_whatever_was_asked(operation: str, rc: int) -> None:
    clone = Clone(id="c", child=primitive("a"), meta=ResourceMeta(promotable=True))
    found = OpRecord(operation=operation, call_id=3, rc=rc, target_rc=0)
    lines = [
        line for line in simulate(cluster([clone], histories=[at("n1", found)])).current if "FAILED" in line
    ]
    assert [line.partition("\t ")[2].split()[:2] for line in lines] == [["FAILED", "Promoted"]]


def test_instance_that_a_monitor_finds_promoted_unexpectedly_has_failed() -> None:
    clone = Clone(id="c", child=primitive("a", monitor_ms=MINUTE), meta=ResourceMeta(promotable=True))
    transition = scheduled(clone, at("n1", STARTED, monitored(8)), nodes=["n1"])
    assert [change.verb for change in transition.changes] == [Verb.RECOVER]


def test_stop_that_finds_nothing_running_has_failed() -> None:
    stop = OpRecord(operation="stop", call_id=3, rc=7, target_rc=0)
    assert status_line(primitive("a"), STARTED, stop) == "FAILED n1 (blocked)"


def test_degraded_is_no_failure_of_a_monitor_but_of_a_start() -> None:
    resource = primitive("a", monitor_ms=MINUTE)
    assert done(scheduled(resource, at("n1", STARTED, monitored(190)))) == []
    start = OpRecord(operation="start", call_id=2, rc=190, target_rc=0)
    assert status_line(resource, start) == "FAILED n1"


@pytest.mark.parametrize("rc", [2, 5])
def test_what_a_probe_can_not_ask_for_does_not_run_there(rc: int) -> None:
    probe = OpRecord(operation="monitor", call_id=1, rc=rc, target_rc=7)
    transition = scheduled(primitive("a"), at("n1", probe))
    assert done(transition) == ["start a n2"]


def test_what_goes_wrong_for_good_bans_a_node_although_another_history_comes_later() -> None:
    clone = Clone(id="c", child=primitive("a"), meta=ResourceMeta(clone_max=2))
    broken = OpRecord(operation="monitor", call_id=1, rc=5, target_rc=7)
    fine = OpRecord(operation="monitor", call_id=2, rc=7, target_rc=7)
    histories = at("n1", broken, resource="a:0"), at("n1", fine, resource="a:1")
    assert done(scheduled(clone, *histories)) == ["start a:0 n2"]


def test_not_installed_is_told_of_what_was_asked_for_not_of_what_failed() -> None:
    stop = OpRecord(operation="stop", call_id=4)
    failed = OpRecord(operation="start", call_id=3, rc=5, target_rc=0)
    probe = OpRecord(operation="monitor", call_id=1, rc=5, target_rc=7)
    assert status_line(primitive("a"), failed, stop) == "Stopped"
    assert status_line(primitive("a"), probe, stop) == "Stopped (Not installed)"


@pytest.mark.parametrize("meta", [ResourceMeta(is_managed=False), ResourceMeta(maintenance=True)])
def test_what_nobody_manages_and_is_gone_was_stopped_and_has_not_failed(meta: ResourceMeta) -> None:
    line = status_line(primitive("a", meta, monitor_ms=MINUTE), STARTED, monitored(7))
    assert line.split()[0] == "Stopped"


def test_failed_monitor_of_what_nobody_manages_is_not_run_again() -> None:
    resource = primitive("a", ResourceMeta(is_managed=False), monitor_ms=MINUTE)
    assert done(scheduled(resource, at("n1", STARTED, monitored(1)))) == []
    assert done(scheduled(resource, at("n1", STARTED))) == ["monitor a n1"]


def test_probe_whose_failure_expired_is_repeated() -> None:
    probe = OpRecord(operation="monitor", call_id=1, rc=1, target_rc=7, last_rc_change=NOW - 60)
    resource = primitive("a", ResourceMeta(failure_timeout_ms=1000))
    assert "monitor a n1" in done(scheduled(resource, at("n1", probe)))


def test_count_of_which_nobody_knows_since_when_does_not_expire() -> None:
    count = FailCount(
        resource="a", node="n1", operation="monitor", interval_ms=MINUTE, count=1, last_failure=None
    )
    resource = primitive("a", ResourceMeta(failure_timeout_ms=1000))
    assert done(scheduled(resource, running("a", "n1"), fail_counts=[count])) == []


def test_negative_stickiness_drives_nothing_away() -> None:
    resource = primitive("a", ResourceMeta(resource_stickiness=-100))
    assert done(scheduled(resource, running("a", "n1"))) == []


def test_monitor_that_failed_is_not_cancelled_for_its_role() -> None:
    monitors = tuple(
        Operation(name="monitor", interval_ms=interval_ms, role=role)
        for interval_ms, role in ((MINUTE, Role.UNPROMOTED), (2 * MINUTE, Role.PROMOTED))
    )
    clone = Clone(
        id="c", child=Primitive(id="a", agent=DUMMY, operations=monitors), meta=ResourceMeta(promotable=True)
    )
    promoted = OpRecord(operation="promote", call_id=3)
    acts = done(scheduled(clone, at("n1", STARTED, promoted, monitored(1, call_id=4)), nodes=["n1"]))
    assert not [act for act in acts if act.startswith("cancel")]


WITH_FENCING = ClusterProperties(fencing_enabled=True, manage_without_devices=False)
LOST = Node(name="n1", online=False, unclean=True)


def test_where_nothing_can_be_fenced_nothing_is_managed() -> None:
    state = cluster(
        [primitive("a")], nodes=[LOST, "n2"], histories=[running("a", "n1")], properties=WITH_FENCING
    )
    assert done(schedule(state)) == []
    fenced = cluster(
        [primitive("a"), FENCE], nodes=[LOST, "n2"], histories=[running("a", "n1")], properties=WITH_FENCING
    )
    assert "start a n2" in done(schedule(fenced))


def test_unreachable_node_in_maintenance_keeps_what_it_runs_where_that_is_trusted() -> None:
    gone = Node(name="n1", online=False, maintenance=True)
    states = [
        cluster(
            [primitive("a")], nodes=[gone, "n2"], histories=[running("a", "n1")],
            properties=ClusterProperties(fencing_enabled=False, trust_maintenance=trusted),
        )
        for trusted in (True, False)
    ]  # fmt: skip
    assert [done(schedule(state)) for state in states] == [[], ["start a n2"]]


def test_records_that_were_cancelled_say_nothing() -> None:
    cancelled = OpRecord(operation="monitor", interval_ms=MINUTE, call_id=3, rc=1, status=OpStatus.CANCELLED)
    assert status_line(primitive("a"), STARTED, cancelled) == "Started n1"

"""What the scheduler makes of live migrations that it finds half done: one claim each."""

from dataclasses import replace

import pytest

from backstay.scheduler import Transition, Verb
from backstay.state import (
    INFINITY,
    Location,
    Node,
    OpRecord,
    OpStatus,
    Primitive,
    ResourceHistory,
    ResourceMeta,
)

from .scenes import DUMMY, NOW, cluster, done, order_of, places, primitive, probed, schedule

VM = primitive("vm", ResourceMeta(allow_migrate=True))
START = OpRecord(operation="start", call_id=2, last_rc_change=NOW - 90)
LEFT = OpRecord(
    operation="migrate_to", call_id=3, migrate_source="n1", migrate_target="n2", last_rc_change=NOW - 60
)
ARRIVED = replace(LEFT, operation="migrate_from", call_id=9, last_rc_change=NOW - 59)
STOPPED = OpRecord(operation="stop", call_id=4, last_rc_change=NOW - 50)
PROBED_BEFORE = OpRecord(operation="monitor", call_id=1, rc=7, target_rc=7, last_rc_change=NOW - 100)


def at(node: str, *records: OpRecord) -> ResourceHistory:
    return ResourceHistory(resource="vm", node=node, agent=DUMMY, operations=records)


def scheduled(*histories: ResourceHistory, vm: Primitive = VM, prefer: str | None = None) -> Transition:
    wish = [] if prefer is None else [Location(id="l", resource="vm", node=prefer, score=INFINITY)]
    return schedule(cluster([vm], histories=histories, constraints=wish))


def test_handover_that_left_goes_on_where_it_was_going() -> None:
    transition = scheduled(at("n1", START, LEFT), at("n2", PROBED_BEFORE), prefer="n2")
    assert sorted(done(transition)) == ["migrate_from vm n2", "stop vm n1"]
    assert order_of(transition, "migrate_from vm n2", "stop vm n1")
    assert [change.verb for change in transition.changes] == [Verb.MIGRATE]


def test_handover_that_left_is_stopped_on_both_sides_when_it_shall_be_elsewhere() -> None:
    transition = scheduled(at("n1", START, LEFT), at("n2", PROBED_BEFORE), prefer="n1")
    assert sorted(done(transition)) == ["start vm n1", "stop vm n1", "stop vm n2"]
    assert order_of(transition, "stop vm n2", "start vm n1")


def test_source_is_cleaned_up_after_an_arrival() -> None:
    assert done(scheduled(at("n1", START, LEFT), at("n2", PROBED_BEFORE, ARRIVED))) == ["stop vm n1"]


def test_nothing_is_left_to_do_after_arrival_and_clean_up() -> None:
    assert done(scheduled(at("n1", START, LEFT, STOPPED), at("n2", PROBED_BEFORE, ARRIVED))) == []


@pytest.mark.parametrize("arrival", [replace(ARRIVED, rc=1), None])
def test_failed_handover_is_stopped_on_both_sides_before_it_is_started(arrival: OpRecord | None) -> None:
    left = LEFT if arrival is not None else replace(LEFT, rc=1)
    there = (PROBED_BEFORE,) if arrival is None else (PROBED_BEFORE, arrival)
    transition = scheduled(at("n1", START, left), at("n2", *there))
    assert sorted(done(transition)) == ["start vm n2", "stop vm n1", "stop vm n2"]
    assert order_of(transition, "stop vm n1", "start vm n2")
    assert [change.verb for change in transition.changes] == [Verb.RECOVER]


def test_copy_that_nobody_confirmed_is_restarted_when_its_source_was_stopped() -> None:
    transition = scheduled(at("n1", START, LEFT, STOPPED), at("n2", PROBED_BEFORE), prefer="n2")
    assert sorted(done(transition)) == ["start vm n2", "stop vm n2"]
    assert order_of(transition, "stop vm n2", "start vm n2")


def test_what_left_for_a_node_that_is_gone_is_recovered_from_its_source() -> None:
    state = cluster(
        [VM],
        nodes=[Node(name="n1"), Node(name="n2", online=False), Node(name="n3")],
        histories=[at("n1", START, LEFT), probed("vm", "n3")],
        constraints=[Location(id="l", resource="vm", node="n3", score=1)],
    )
    transition = schedule(state)
    assert sorted(done(transition)) == ["start vm n3", "stop vm n1"]
    assert order_of(transition, "stop vm n1", "start vm n3")
    assert [change.verb for change in transition.changes] == [Verb.RECOVER]


def test_target_that_was_stopped_later_has_nothing() -> None:
    stopped = replace(STOPPED, call_id=2, last_rc_change=NOW - 40)
    transition = scheduled(at("n1", START, LEFT), at("n2", PROBED_BEFORE, stopped))
    assert places(transition) == {"vm": "n1"}
    assert done(transition) == []


def test_target_without_history_is_asked_before_it_is_believed() -> None:
    state = cluster([VM], histories=[at("n1", START, LEFT), at("n2")])
    assert done(schedule(state)) == ["monitor vm n2"]


def test_migration_under_way_is_waited_for() -> None:
    pending = replace(LEFT, call_id=-1, status=OpStatus.PENDING, rc=193)
    assert done(scheduled(at("n1", START, pending), at("n2", PROBED_BEFORE))) == []

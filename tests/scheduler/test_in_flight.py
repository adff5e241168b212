"""What the scheduler makes of operations that are under way while it decides: one claim each."""

import pytest

from backstay.scheduler import Transition, Verb
from backstay.simulate import simulate
from backstay.state import (
    INFINITY,
    Clone,
    ClusterState,
    Location,
    LossPolicy,
    Operation,
    OpRecord,
    OpStatus,
    Primitive,
    Resource,
    ResourceHistory,
    ResourceMeta,
    Role,
    TicketConstraint,
)

from .scenes import DUMMY, cluster, done, group, order_of, primitive, running, schedule

PROBED = OpRecord(operation="monitor", call_id=1, rc=7, target_rc=7)
STARTED = OpRecord(operation="start", call_id=2)
MINUTE = 60_000


def under_way(operation: str, *, interval_ms: int = 0, call_id: int = 5) -> OpRecord:
    return OpRecord(
        operation=operation, interval_ms=interval_ms, call_id=call_id, rc=193, status=OpStatus.PENDING
    )


def at(node: str, *records: OpRecord, resource: str = "a") -> ResourceHistory:
    return ResourceHistory(resource=resource, node=node, agent=DUMMY, operations=records)


def watched(*operations: Operation) -> Primitive:
    return Primitive(id="a", agent=DUMMY, operations=operations)


def scheduled(
    *histories: ResourceHistory, resource: Resource, nodes: tuple[str, ...] = ("n1", "n2")
) -> Transition:
    return schedule(cluster([resource], histories=histories, nodes=nodes))


def marks(transition: Transition) -> set[str]:
    return {action.key for action in transition.graph.actions if action.agent is None}


def resource_lines(state: ClusterState) -> list[str]:
    report = simulate(state)
    return [line.strip() for line in report.current if "(ocf:" in line]


def test_start_under_way_is_repeated_where_it_is_and_said_of_nobody() -> None:
    transition = scheduled(at("n1", PROBED, under_way("start")), resource=primitive("a"))
    assert done(transition) == ["start a n1"]
    assert transition.changes == ()


def test_start_under_way_pulls_neither_the_marks_of_its_clone_nor_notifications() -> None:
    clone = Clone(id="c", child=primitive("a"), meta=ResourceMeta(notify=True))
    transition = scheduled(at("n1", under_way("start")), at("n2", STARTED), resource=clone)
    assert done(transition) == ["start a:0 n1"]
    assert marks(transition) == set()


def test_monitor_that_ran_since_a_start_under_way_goes_on() -> None:
    monitor = OpRecord(operation="monitor", interval_ms=MINUTE, call_id=6)
    resource = primitive("a", monitor_ms=MINUTE)
    assert done(scheduled(at("n1", under_way("start"), monitor), resource=resource)) == ["start a n1"]


def test_start_under_way_on_one_node_is_repeated_on_the_node_where_it_runs() -> None:
    later = OpRecord(operation="stop", call_id=7)
    transition = scheduled(at("n1", under_way("start"), later), at("n2", STARTED), resource=primitive("a"))
    assert done(transition) == ["start a n2"]


def test_group_whose_start_is_called_off_passes_its_start_mark() -> None:
    off = primitive("a", ResourceMeta(target_role=Role.STOPPED))
    members = group("g", "b", "x")
    members = type(members)(id="g", members=(members.members[0], off))
    transition = scheduled(
        at("n1", under_way("start")), at("n1", STARTED, resource="b"), resource=members, nodes=("n1",)
    )
    assert done(transition) == ["stop a n1"]
    assert "g_start_0" in marks(transition)


def test_stop_under_way_tells_nothing_so_the_node_is_asked() -> None:
    transition = scheduled(at("n1", under_way("stop")), resource=primitive("a"))
    assert set(done(transition)) == {"monitor a n1", "start a n1"}
    assert order_of(transition, "monitor a n1", "start a n1")


def test_stop_under_way_leaves_what_ran_before_as_it_was() -> None:
    transition = scheduled(at("n1", STARTED, under_way("stop")), resource=primitive("a"))
    assert done(transition) == []


def test_failure_still_counts_while_the_stop_is_under_way() -> None:
    failure = OpRecord(operation="monitor", interval_ms=MINUTE, call_id=3, rc=7)
    transition = scheduled(at("n1", STARTED, failure, under_way("stop")), resource=primitive("a"))
    assert set(done(transition)) == {"stop a n1", "start a n1"}
    assert [change.verb for change in transition.changes] == [Verb.RECOVER]


def test_promotion_under_way_counts_as_promoted() -> None:
    clone = Clone(id="c", child=primitive("a"), meta=ResourceMeta(promotable=True))
    transition = scheduled(at("n1", STARTED, under_way("promote")), at("n2", STARTED), resource=clone)
    assert done(transition) == ["demote a:0 n1"]


def test_monitor_under_way_is_run_again_but_never_cancelled_for_another_role() -> None:
    resource = watched(
        Operation(name="monitor", interval_ms=MINUTE, role=Role.PROMOTED),
        Operation(name="monitor", interval_ms=2 * MINUTE, role=Role.UNPROMOTED),
    )
    clone = Clone(id="c", child=resource, meta=ResourceMeta(promotable=True))
    promoted = OpRecord(operation="promote", call_id=3)
    history = at("n1", STARTED, promoted, under_way("monitor", interval_ms=2 * MINUTE))
    assert "cancel a:0 n1" not in done(scheduled(history, resource=clone, nodes=("n1",)))
    again = at("n1", STARTED, under_way("monitor", interval_ms=MINUTE))
    assert done(scheduled(again, resource=primitive("a", monitor_ms=MINUTE))) == ["monitor a n1"]


def test_what_lost_its_ticket_and_is_frozen_is_not_watched_anew() -> None:
    ticket = TicketConstraint(id="t", resource="a", ticket="T", loss_policy=LossPolicy.FREEZE)
    state = cluster(
        [primitive("a", monitor_ms=MINUTE)],
        histories=[at("n1", STARTED, under_way("monitor", interval_ms=MINUTE))],
        constraints=[ticket],
    )
    assert done(schedule(state)) == []


def test_monitor_for_the_role_stopped_is_not_for_anonymous_clones() -> None:
    clone = Clone(
        id="c",
        child=watched(Operation(name="monitor", interval_ms=MINUTE, role=Role.STOPPED)),
        meta=ResourceMeta(clone_max=1),
    )
    assert done(scheduled(at("n1", STARTED), resource=clone)) == []


def test_migration_is_not_tried_while_a_start_is_under_way() -> None:
    resource = primitive("a", ResourceMeta(allow_migrate=True))
    wish = Location(id="l", resource="a", node="n2", score=INFINITY)
    ready = cluster([resource], histories=[running("a", "n1")], constraints=[wish])
    starting = cluster([resource], histories=[at("n1", under_way("start"))], constraints=[wish])
    assert "migrate_to a n1" in done(schedule(ready))
    assert set(done(schedule(starting))) == {"stop a n1", "start a n2"}


def test_migration_begins_anew_where_the_stop_of_one_that_failed_is_under_way() -> None:
    left = OpRecord(operation="migrate_to", call_id=3, migrate_source="n1", migrate_target="n2")
    arrived = OpRecord(operation="migrate_from", call_id=3, rc=1, migrate_source="n1", migrate_target="n2")
    state = cluster(
        [primitive("a", ResourceMeta(allow_migrate=True))],
        histories=[
            at("n1", STARTED, left, under_way("stop")),
            at("n2", PROBED, arrived, OpRecord(operation="stop", call_id=4)),
        ],
        constraints=[Location(id="l", resource="a", node="n2", score=INFINITY)],
    )
    assert [change.verb for change in schedule(state).changes] == [Verb.MIGRATE]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((under_way("start"),), "Starting n1"),
        ((under_way("start"), OpRecord(operation="stop", call_id=9)), "Starting n1"),
        ((under_way("stop"),), "Stopping n1"),
        ((STARTED, under_way("monitor", interval_ms=MINUTE)), "Started n1 (Monitoring)"),
        ((STARTED, under_way("monitor", interval_ms=MINUTE), under_way("stop", call_id=7)), "Started n1 (Monitoring)"),
        ((under_way("monitor", interval_ms=MINUTE),), "Stopped n1 (Monitoring)"),
        ((under_way("monitor"),), "Stopped"),
    ],
)  # fmt: skip
def test_status_names_the_first_operation_under_way_and_its_node(
    records: tuple[OpRecord, ...], said: str
) -> None:
    [line] = resource_lines(cluster([primitive("a")], histories=[at("n1", *records)]))
    assert line.partition("\t ")[2] == said

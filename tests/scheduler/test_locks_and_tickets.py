"""Shutdown locks, tickets for a role, and sets of resources that avoid each other: one claim each."""

from dataclasses import replace

from backstay.scheduler.colocations import expand_set
from backstay.state import (
    INFINITY,
    Clone,
    ClusterProperties,
    ColocationSet,
    Location,
    LossPolicy,
    Node,
    Operation,
    OpRecord,
    OrderKind,
    OrderSet,
    ResourceHistory,
    ResourceMeta,
    ResourceSet,
    Role,
    Ticket,
    TicketConstraint,
)

from .scenes import DUMMY, NOW, cluster, done, order_of, places, primitive, probed, running, schedule

LOCKING = ClusterProperties(fencing_enabled=False, shutdown_lock=True)
STOPPED_THERE = ResourceHistory(
    resource="db",
    node="n1",
    agent=DUMMY,
    operations=(OpRecord(operation="stop", call_id=3),),
    shutdown_lock_at=NOW - 100,
)
AWAY = Node(name="n1", online=False)


def test_resource_waits_for_the_node_that_was_shut_down() -> None:
    state = cluster([primitive("db")], nodes=[AWAY, "n2"], histories=[STOPPED_THERE], properties=LOCKING)
    assert places(schedule(state)) == {"db": None}


def test_resource_starts_again_where_it_was_locked() -> None:
    state = cluster([primitive("db")], histories=[STOPPED_THERE], properties=LOCKING)
    assert places(schedule(state)) == {"db": "n1"}


def test_lock_runs_out_and_is_forgotten() -> None:
    limited = replace(LOCKING, shutdown_lock_limit_ms=60_000)
    state = cluster([primitive("db")], nodes=[AWAY, "n2"], histories=[STOPPED_THERE], properties=limited)
    transition = schedule(state)
    assert places(transition) == {"db": "n2"}
    assert "lrm_delete db n1" in done(transition)


def test_time_at_which_a_lock_runs_out_is_said() -> None:
    limited = replace(LOCKING, shutdown_lock_limit_ms=300_000)
    state = cluster([primitive("db")], nodes=[AWAY, "n2"], histories=[STOPPED_THERE], properties=limited)
    assert schedule(state).next_check == NOW + 200


def test_resource_on_a_node_that_is_leaving_is_stopped_and_stays_there() -> None:
    state = cluster(
        [primitive("db")],
        nodes=[Node(name="n1", shutdown=True), "n2"],
        histories=[running("db", "n1")],
        properties=LOCKING,
    )
    assert sorted(done(schedule(state))) == ["do_shutdown n1", "stop db n1"]


def test_without_the_option_a_lock_means_nothing() -> None:
    state = cluster([primitive("db")], nodes=[AWAY, "n2"], histories=[STOPPED_THERE])
    assert places(schedule(state)) == {"db": "n2"}


def test_lost_ticket_for_the_promoted_role_cuts_off_only_the_node_that_has_it() -> None:
    clone = Clone(id="ms", child=primitive("db"), meta=ResourceMeta(promotable=True))
    promoted = replace(running("db", "n1"), operations=(OpRecord(operation="promote", call_id=2),))
    state = cluster(
        [clone],
        histories=[promoted, running("db", "n2")],
        constraints=[
            TicketConstraint(
                id="t", ticket="T", resource="ms", role=Role.PROMOTED, loss_policy=LossPolicy.FENCE
            )
        ],
        properties=ClusterProperties(fencing_enabled=True),
    )
    state = replace(state, tickets=(Ticket(id="T"),))
    assert [one for one in done(schedule(state)) if one.startswith("reboot")] == ["reboot n1"]


def test_two_monitors_that_can_not_be_told_apart_are_left_alone() -> None:
    twins = tuple(Operation(name="monitor", interval_ms=5000, role=one) for one in (None, Role.STARTED))
    history = replace(
        running("db", "n1"),
        operations=(
            OpRecord(operation="start", call_id=1),
            OpRecord(operation="monitor", interval_ms=5000, call_id=2),
        ),
    )
    state = cluster([replace(primitive("db"), operations=twins)], histories=[history])
    assert done(schedule(state)) == []


def test_in_a_sequential_set_that_avoids_itself_no_two_meet() -> None:
    one = ColocationSet(id="c", sets=(ResourceSet(id="s", members=("a", "b", "c")),), score=-INFINITY)
    pairs = [(pair.dependent, pair.primary) for pair in expand_set(one)]
    assert pairs == [("b", "a"), ("c", "a"), ("c", "b")]
    state = cluster([primitive(name) for name in "abc"], nodes=("n1", "n2", "n3"), constraints=[one])
    assert len(set(places(schedule(state)).values())) == 3


def test_what_avoids_another_starts_where_that_has_left() -> None:
    one = ColocationSet(id="c", sets=(ResourceSet(id="s", members=("a", "b")),), score=-INFINITY)
    off = ResourceMeta(target_role=Role.STOPPED)
    state = cluster(
        [primitive("a"), primitive("b", off)],
        nodes=["n1", Node(name="n2", standby=True)],
        histories=[running("b", "n1"), running("a", "n2"), probed("a", "n1")],
        constraints=[one],
    )
    actions = {action.describe(): action for action in schedule(state).graph.actions}
    assert actions["stop b on n1"].id in actions["start a on n1"].inputs


def test_what_is_not_promoted_is_not_frozen_for_want_of_the_ticket_for_that_role() -> None:
    lost = TicketConstraint(
        id="t", resource="k", ticket="gold", role=Role.PROMOTED, loss_policy=LossPolicy.FREEZE
    )
    away = Location(id="l", resource="k", node="n1", score=-INFINITY)
    meta = ResourceMeta(promotable=True, clone_max=1)
    state = cluster(
        [Clone(id="k", child=primitive("c"), meta=meta)],
        histories=[running("c", "n1")],
        constraints=[lost, away],
    )
    assert places(schedule(state)) == {"c:0": "n2"}


def test_what_is_serialized_never_acts_together_in_a_set_without_order_either() -> None:
    one = OrderSet(
        id="o",
        kind=OrderKind.SERIALIZE,
        sets=(ResourceSet(id="s", members=("a", "b", "c"), sequential=False),),
    )
    transition = schedule(cluster([primitive(name) for name in "abc"], nodes=["n1"], constraints=[one]))
    for first, then in (("a", "b"), ("a", "c"), ("b", "c")):
        assert order_of(transition, f"start {first} n1", f"start {then} n1")

"""What the scheduler makes of company that can not be relied on, and of the small print of scores and
orders: one claim each."""

from dataclasses import replace

from backstay.scheduler import Verb
from backstay.state import (
    INFINITY,
    Clone,
    ClusterProperties,
    Colocation,
    FailCount,
    Location,
    Node,
    NoQuorumPolicy,
    OnFail,
    Operation,
    OpRecord,
    Order,
    OrderKind,
    Primitive,
    ResourceHistory,
    ResourceMeta,
    Role,
)

from .scenes import DUMMY, NOW, cluster, done, places, primitive, running, schedule

MINUTE = 60_000
STARTED = OpRecord(operation="start", call_id=2)
FAILED = OpRecord(
    operation="monitor", interval_ms=MINUTE, call_id=3, rc=1, target_rc=0, last_rc_change=NOW - 9
)
BLOCKING = Primitive(
    id="a",
    agent=DUMMY,
    operations=(Operation(name="monitor", interval_ms=MINUTE, on_fail=OnFail.BLOCK),),
)
WITH_A = Colocation(id="w", dependent="b", primary="a", score=INFINITY)
WITH_C = Colocation(id="w", dependent="b", primary="c", score=INFINITY)


def at(node: str, *records: OpRecord, resource: str = "a") -> ResourceHistory:
    return ResourceHistory(resource=resource, node=node, agent=DUMMY, operations=records)


def test_blocked_instance_of_a_clone_is_no_company_for_what_must_have_some() -> None:
    state = cluster(
        [Clone(id="c", child=BLOCKING), primitive("b")],
        histories=[at("n1", STARTED, FAILED), at("n2", STARTED)],
        constraints=[WITH_C],
    )
    assert places(schedule(state))["b"] == "n2"


def test_blocked_primitive_is_company_as_long_as_it_is_there() -> None:
    state = cluster([BLOCKING, primitive("b")], histories=[at("n1", STARTED, FAILED)], constraints=[WITH_A])
    assert "start b n1" in done(schedule(state))


def test_what_is_demoted_for_a_failure_and_promoted_again_is_repromoted() -> None:
    monitor = Operation(name="monitor", interval_ms=MINUTE, role=Role.PROMOTED, on_fail=OnFail.DEMOTE)
    clone = Clone(
        id="c",
        child=Primitive(id="a", agent=DUMMY, operations=(monitor,)),
        meta=ResourceMeta(promotable=True),
    )
    promoted = OpRecord(operation="promote", call_id=3)
    failure = OpRecord(operation="monitor", interval_ms=MINUTE, call_id=4, rc=7, target_rc=8)
    state = cluster(
        [clone],
        nodes=[Node(name="n1", attributes={"master-a": "10"})],
        histories=[at("n1", STARTED, promoted, failure)],
    )
    transition = schedule(state)
    assert [change.verb for change in transition.changes] == [Verb.REPROMOTE]
    assert set(done(transition)) == {"demote a:0 n1", "promote a:0 n1"}


def test_changed_definition_is_not_started_again_while_quorum_is_lost_and_all_is_frozen() -> None:
    changed = Primitive(id="a", agent=DUMMY, params={"x": "1"})
    started = OpRecord(operation="start", call_id=2, digest="of other parameters")
    properties = ClusterProperties(fencing_enabled=False, no_quorum_policy=NoQuorumPolicy.FREEZE)
    state = cluster([changed], histories=[at("n1", started)], properties=properties)
    assert done(schedule(replace(state, have_quorum=False))) == ["stop a n1"]


def test_what_failed_is_not_forgotten_as_of_another_agent() -> None:
    other = ResourceHistory(
        resource="a", node="n1", agent=type(DUMMY).parse("ocf:backstay:Other"),
        operations=(OpRecord(operation="start", call_id=2, rc=1, target_rc=0),),
    )  # fmt: skip
    count = FailCount(
        resource="a", node="n1", operation="start", interval_ms=0, count=INFINITY, last_failure=NOW - 9
    )
    assert "delete a n1" not in done(
        schedule(cluster([primitive("a")], histories=[other], fail_counts=[count]))
    )


def test_what_a_clone_does_not_like_no_stickiness_of_its_instances_makes_up_for() -> None:
    clone = Clone(id="c", child=primitive("a"), meta=ResourceMeta(resource_stickiness=100))
    state = cluster(
        [clone],
        histories=[running("a", "n1"), running("a", "n2")],
        constraints=[Location(id="l", resource="c", node="n1", score=-1)],
    )
    assert done(schedule(state)) == ["stop a:0 n1"]


def test_optional_order_with_enough_instances_required_is_no_wish() -> None:
    order = Order(id="o", first="c", then="b", kind=OrderKind.OPTIONAL, require_all=False)
    off = Clone(id="c", child=primitive("a"), meta=ResourceMeta(target_role=Role.STOPPED))
    state = cluster([off, primitive("b")], histories=[running("b", "n1")], constraints=[order])
    assert done(schedule(state)) == ["stop b n1"]


def test_fence_device_that_runs_in_two_places_stops_in_both_when_it_stops() -> None:
    device = Primitive(
        id="f", agent=type(DUMMY).parse("stonith:fence_xvm"), meta=ResourceMeta(target_role=Role.STOPPED)
    )
    properties = ClusterProperties(fencing_enabled=True)
    lost = Node(name="n1", online=False, unclean=True)
    histories = [
        ResourceHistory(resource="f", node=node, agent=device.agent, operations=(STARTED,))
        for node in ("n1", "n2")
    ]
    state = cluster([device], nodes=[lost, "n2"], histories=histories, properties=properties)
    stops = [one for one in schedule(state).graph.actions if one.operation == "stop"]
    assert sorted(one.node or "" for one in stops) == ["n1", "n2"]

"""What the scheduler makes of small clusters: one claim each."""

from dataclasses import replace

from backstay.scheduler import Reason, Verb
from backstay.simulate import execute
from backstay.state import (
    INFINITY,
    ClusterProperties,
    Colocation,
    FailCount,
    Location,
    MultipleActive,
    Node,
    NoQuorumPolicy,
    OnFail,
    Operation,
    OpRecord,
    Order,
    OrderKind,
    PlacementStrategy,
    Primitive,
    Requires,
    ResourceHistory,
    ResourceMeta,
    Role,
)
from backstay.state.digest import params_digest

from .scenes import (
    DUMMY,
    NO_FENCING,
    NOW,
    cluster,
    done,
    failed,
    group,
    order_of,
    places,
    primitive,
    probed,
    running,
    said,
    schedule,
)

APP = group("app", "lvm", "fs", "vip", "web")
ON_N1 = [running(one, "n1") for one in ("lvm", "fs", "vip", "web")]
FENCING = ClusterProperties(fencing_enabled=True)


def test_same_state_gives_same_answer() -> None:
    state = cluster([APP, primitive("x")], histories=ON_N1)
    assert schedule(state) == schedule(state)


def test_group_starts_in_order_on_one_node() -> None:
    transition = schedule(cluster([APP]))
    assert set(places(transition).values()) == {"n1"}
    assert order_of(transition, "start lvm n1", "start fs n1")
    assert order_of(transition, "start vip n1", "start web n1")


def test_group_moves_whole_when_last_member_fails_there_for_good() -> None:
    counts = [FailCount(resource="web", node="n1", operation="start", count=INFINITY)]
    transition = schedule(cluster([APP], histories=ON_N1, fail_counts=counts))
    assert set(places(transition).values()) == {"n2"}
    assert order_of(transition, "stop web n1", "stop lvm n1")
    assert order_of(transition, "stop lvm n1", "start lvm n2")


def test_nothing_is_done_when_everything_is_where_it_belongs() -> None:
    transition = schedule(cluster([APP], histories=ON_N1))
    assert done(transition) == []
    assert transition.changes == ()


def test_failed_monitor_is_recovered_in_place_below_the_threshold() -> None:
    web = primitive("web", ResourceMeta(migration_threshold=3), monitor_ms=10_000)
    history = failed("web", "n1", "monitor", interval_ms=10_000)
    counts = [FailCount(resource="web", node="n1", operation="monitor", interval_ms=10_000)]
    transition = schedule(cluster([web], histories=[history], fail_counts=counts))
    assert [(one.verb, one.to_node) for one in transition.changes] == [(Verb.RECOVER, "n1")]


def test_resource_moves_when_failures_reach_the_threshold() -> None:
    web = primitive("web", ResourceMeta(migration_threshold=3), monitor_ms=10_000)
    counts = [FailCount(resource="web", node="n1", operation="monitor", interval_ms=10_000, count=3)]
    history = failed("web", "n1", "monitor", interval_ms=10_000)
    transition = schedule(cluster([web], histories=[history], fail_counts=counts))
    assert places(transition) == {"web": "n2"}
    reasons = {one.reason for one in transition.contributions_for("web", "n1")}
    assert Reason.FAILURES in reasons


def test_failures_are_forgotten_after_their_timeout() -> None:
    meta = ResourceMeta(migration_threshold=1, failure_timeout_ms=60_000)
    old = FailCount(resource="web", node="n1", operation="start", count=5, last_failure=NOW - 61)
    transition = schedule(cluster([primitive("web", meta)], fail_counts=[old]))
    assert places(transition) == {"web": "n1"}
    assert "clear_failcount web n1" in done(transition)


def test_next_check_is_when_the_next_failure_expires() -> None:
    meta = ResourceMeta(failure_timeout_ms=60_000)
    young = FailCount(resource="web", node="n1", operation="start", last_failure=NOW - 10)
    assert schedule(cluster([primitive("web", meta)], fail_counts=[young])).next_check == NOW + 50


def test_failed_stop_without_fencing_blocks_the_resource() -> None:
    transition = schedule(cluster([primitive("fs")], histories=[failed("fs", "n1", "stop")]))
    assert done(transition) == []
    assert [one.resource for one in transition.blocked] == ["fs"]


def test_failed_stop_with_fencing_cuts_the_node_off_before_a_start_elsewhere() -> None:
    state = cluster([primitive("fs")], histories=[failed("fs", "n1", "stop")], properties=FENCING)
    transition = schedule(state)
    assert places(transition) == {"fs": "n2"}
    assert order_of(transition, "reboot n1", "start fs n2")


def test_nothing_is_started_elsewhere_while_the_unclean_node_can_not_be_fenced() -> None:
    nodes = [Node(name="n1", online=False, unclean=True), Node(name="n2")]
    properties = ClusterProperties(fencing_enabled=True, no_quorum_policy=NoQuorumPolicy.FREEZE)
    state = cluster([primitive("fs")], nodes=nodes, histories=[running("fs", "n1")], properties=properties)
    without_quorum = schedule(replace(state, have_quorum=False))
    assert not any(one.startswith("start") for one in done(without_quorum))


def test_quorum_resources_move_without_fencing_when_fencing_is_off() -> None:
    nodes = [Node(name="n1", online=False), Node(name="n2")]
    transition = schedule(cluster([primitive("vip")], nodes=nodes, histories=[running("vip", "n1")]))
    assert done(transition) == ["start vip n2"]


def test_lost_quorum_stops_everything_that_needs_it() -> None:
    free = primitive("free", ResourceMeta(requires=Requires.NOTHING))
    histories = [running("fs", "n1"), running("free", "n1")]
    state = cluster([primitive("fs"), free], nodes=["n1"], histories=histories)
    transition = schedule(replace(state, have_quorum=False))
    assert done(transition) == ["stop fs n1"]


def test_standby_node_gives_everything_away() -> None:
    nodes = [Node(name="n1", standby=True), Node(name="n2")]
    transition = schedule(cluster([APP], nodes=nodes, histories=ON_N1))
    assert set(places(transition).values()) == {"n2"}


def test_node_that_leaves_is_let_go_after_its_resources_are_stopped() -> None:
    nodes = [Node(name="n1", shutdown=True), Node(name="n2")]
    transition = schedule(cluster([primitive("fs")], nodes=nodes, histories=[running("fs", "n1")]))
    assert order_of(transition, "stop fs n1", "do_shutdown n1")


def test_nothing_is_touched_in_maintenance() -> None:
    properties = ClusterProperties(fencing_enabled=False, maintenance_mode=True)
    history = failed("fs", "n1", "monitor", interval_ms=0)
    transition = schedule(cluster([primitive("fs")], histories=[history], properties=properties))
    assert not any(one.startswith(("start", "stop")) for one in done(transition))


def test_resource_on_a_node_in_maintenance_is_left_alone() -> None:
    nodes = [Node(name="n1", maintenance=True), Node(name="n2")]
    transition = schedule(cluster([primitive("fs")], nodes=nodes, histories=[running("fs", "n1")]))
    assert places(transition) == {"fs": "n1"}
    assert done(transition) == []


def test_stickiness_beats_a_weaker_preference_and_yields_to_a_stronger() -> None:
    fs = primitive("fs", ResourceMeta(resource_stickiness=100))
    for score, expected in ((50, "n1"), (150, "n2")):
        constraint = Location(id="l", resource="fs", node="n2", score=score)
        state = cluster([fs], histories=[running("fs", "n1")], constraints=[constraint])
        assert places(schedule(state)) == {"fs": expected}


def test_a_dependent_pulls_its_primary_along() -> None:
    constraints = [
        Colocation(id="c", dependent="web", primary="db"),
        Location(id="l", resource="web", node="n2", score=10),
    ]
    transition = schedule(cluster([primitive("db"), primitive("web")], constraints=constraints))
    assert places(transition) == {"db": "n2", "web": "n2"}


def test_resources_that_avoid_each_other_go_to_different_nodes() -> None:
    constraint = Colocation(id="c", dependent="b", primary="a", score=-INFINITY)
    assert places(schedule(cluster([primitive("a"), primitive("b")], constraints=[constraint]))) == {
        "a": "n1",
        "b": "n2",
    }


def test_a_wish_to_avoid_gives_way_when_there_is_one_node() -> None:
    constraint = Colocation(id="c", dependent="b", primary="a", score=-100)
    state = cluster([primitive("a"), primitive("b")], nodes=["n1"], constraints=[constraint])
    assert places(schedule(state)) == {"a": "n1", "b": "n1"}


def test_equal_resources_spread_over_equal_nodes() -> None:
    state = cluster([primitive(one) for one in "abcd"], nodes=["n1", "n2"])
    assert sorted(places(schedule(state)).values(), key=str) == ["n1", "n1", "n2", "n2"]


def test_what_depends_on_a_restarted_resource_restarts() -> None:
    state = cluster(
        [primitive("db"), primitive("web")],
        nodes=["n1"],
        histories=[failed("db", "n1", "monitor"), running("web", "n1")],
        constraints=[Order(id="o", first="db", then="web")],
    )
    transition = schedule(state)
    assert [one.verb for one in transition.changes] == [Verb.RECOVER, Verb.RESTART]
    assert order_of(transition, "stop web n1", "stop db n1")
    assert order_of(transition, "start db n1", "start web n1")


def test_an_optional_order_restarts_nothing() -> None:
    state = cluster(
        [primitive("db"), primitive("web")],
        nodes=["n1"],
        histories=[failed("db", "n1", "monitor"), running("web", "n1")],
        constraints=[Order(id="o", first="db", then="web", kind=OrderKind.OPTIONAL)],
    )
    assert [one.resource for one in schedule(state).changes] == ["db"]


def test_what_depends_on_a_stopped_resource_does_not_run() -> None:
    db = primitive("db", ResourceMeta(target_role=Role.STOPPED))
    state = cluster(
        [db, primitive("web")],
        histories=[running("web", "n1")],
        constraints=[Order(id="o", first="db", then="web")],
    )
    transition = schedule(state)
    assert done(transition) == ["stop web n1"]
    assert transition.changes[0].reason == "unrunnable db start"


def test_a_copy_too_many_is_stopped_everywhere_and_started_once() -> None:
    state = cluster([primitive("fs")], histories=[running("fs", "n1"), running("fs", "n2")])
    transition = schedule(state)
    assert sorted(done(transition)) == ["start fs n1", "stop fs n1", "stop fs n2"]
    assert order_of(transition, "stop fs n2", "start fs n1")


def test_a_copy_too_many_can_be_configured_to_block() -> None:
    fs = primitive("fs", ResourceMeta(multiple_active=MultipleActive.BLOCK))
    state = cluster([fs], histories=[running("fs", "n1"), running("fs", "n2")])
    assert done(schedule(state)) == []


def test_only_the_unexpected_copy_is_stopped_when_so_configured() -> None:
    fs = primitive("fs", ResourceMeta(multiple_active=MultipleActive.STOP_UNEXPECTED, resource_stickiness=1))
    state = cluster([fs], histories=[running("fs", "n1"), running("fs", "n2")])
    assert done(schedule(state)) == ["stop fs n2"]


def test_removed_resource_is_stopped_and_forgotten() -> None:
    transition = schedule(cluster([], histories=[running("old", "n1")]))
    assert done(transition) == ["stop old n1", "delete old n1"]
    assert order_of(transition, "stop old n1", "delete old n1")


def test_a_resource_that_was_never_looked_for_is_probed_before_its_start() -> None:
    state = cluster([primitive("fs")])
    unknown = replace(state, histories=())
    transition = schedule(unknown)
    assert sorted(done(transition)) == ["monitor fs n1", "monitor fs n2", "start fs n1"]
    assert order_of(transition, "monitor fs n2", "start fs n1")


def test_a_joining_node_holds_up_new_starts_but_stops_nothing() -> None:
    nodes = [Node(name="n1"), Node(name="n2", pending=True)]
    resources = [primitive("old"), primitive("new")]
    state = cluster(resources, nodes=nodes, histories=[running("old", "n1")])
    asked = tuple(one for one in state.histories if one.node != "n2")
    transition = schedule(replace(state, histories=asked))
    assert done(transition) == []
    assert [one.resource for one in transition.blocked] == ["new"]


def test_a_resource_that_allows_it_is_handed_over_live() -> None:
    vm = primitive("vm", ResourceMeta(allow_migrate=True))
    nodes = [Node(name="n1", standby=True), Node(name="n2")]
    transition = schedule(cluster([vm], nodes=nodes, histories=[running("vm", "n1")]))
    assert sorted(done(transition)) == ["migrate_from vm n2", "migrate_to vm n1", "stop vm n1"]
    assert order_of(transition, "migrate_to vm n1", "migrate_from vm n2")
    assert order_of(transition, "migrate_from vm n2", "stop vm n1")


def test_a_monitor_whose_failure_is_ignored_moves_nothing() -> None:
    operation = Operation(name="monitor", interval_ms=10_000, on_fail=OnFail.IGNORE)
    web = Primitive(id="web", agent=DUMMY, operations=(operation,))
    history = failed("web", "n1", "monitor", interval_ms=10_000)
    assert schedule(cluster([web], histories=[history])).changes == ()


def test_orders_in_a_circle_still_give_a_graph() -> None:
    orders = [Order(id="o1", first="a", then="b"), Order(id="o2", first="b", then="a")]
    transition = schedule(cluster([primitive("a"), primitive("b")], constraints=orders))
    assert sorted(done(transition)) == ["start a n1", "start b n2"]


def test_a_blanked_secret_counts_as_changed_where_no_digest_leaves_secrets_out() -> None:
    record = OpRecord(operation="start", call_id=1, digest=params_digest({"passwd": "real"}))
    history = ResourceHistory(resource="a", node="n1", agent=DUMMY, operations=(record,))
    blanked = replace(primitive("a"), params={"passwd": "****"})
    acts = done(schedule(cluster([blanked], histories=[history])))
    assert sorted(acts) == ["start a n1", "stop a n1"]
    whole = replace(record, secure_digest=params_digest({}), secure_params=("passwd",))
    told = replace(history, operations=(whole,))
    assert done(schedule(cluster([blanked], histories=[told]))) == []


def test_what_one_of_a_nodes_histories_says_to_run_is_running() -> None:
    """A CIB may hold several of one resource; a result is added as one more, and contradicts none of them."""
    state = cluster(
        [primitive("a")], constraints=[Location(id="l", resource="a", node="n1", score=-INFINITY)]
    )
    state = replace(state, histories=(running("a", "n1"), probed("a", "n1"), probed("a", "n2")))
    transition = schedule(state)
    assert sorted(done(transition)) == ["start a n2", "stop a n1"]
    assert len(execute(transition.graph, state).state.histories) == 4


def test_a_group_member_that_can_not_stop_holds_up_only_the_one_before_it() -> None:
    stuck = [running("one", "n2"), failed("three", "n2", "stop")]
    away = [Location(id="l", resource="g", node="n2", score=-INFINITY)]
    whole = group("g", "one", "two", "three")
    transition = schedule(cluster([whole], histories=stuck, constraints=away))
    assert "start one n1" in done(transition)
    transition = schedule(cluster([whole], histories=[*stuck, running("two", "n2")], constraints=away))
    assert done(transition) == []


def test_what_might_have_to_stop_first_is_looked_for_before() -> None:
    row = cluster(
        [primitive("a"), primitive("b")],
        histories=[running("a", "n2")],
        constraints=[
            Order(id="o", first="a", then="b"),
            Location(id="l", resource="a", node="n2", score=-INFINITY),
        ],
    )
    row = replace(row, histories=(running("a", "n2"),))
    assert order_of(schedule(row), "monitor b n1", "stop a n2")
    whole = replace(row, resources=(group("g", "a", "b"),), constraints=row.constraints[1:])
    assert order_of(schedule(whole), "monitor b n1", "stop a n2")


def test_what_waits_for_no_fencing_goes_on_where_it_is_left() -> None:
    """It may run on the lost node too, but that one is going to be cut off."""
    nodes = [Node(name="n1", online=False, unclean=True), Node(name="n2")]
    histories = [running("a", "n1"), running("a", "n2")]
    for requires, expected in ((Requires.QUORUM, []), (None, ["start a n2", "stop a n1", "stop a n2"])):
        state = cluster(
            [primitive("a", ResourceMeta(requires=requires))],
            nodes=nodes,
            histories=histories,
            properties=ClusterProperties(),
        )
        graph = schedule(state).graph
        found = {said(one) for one in graph.actions if one.resource == "a"}
        assert sorted(found) == expected


def watched(resource: str, node: str) -> ResourceHistory:
    """It was started there, and a monitor runs."""
    records = (
        OpRecord(operation="start", call_id=1),
        OpRecord(operation="monitor", interval_ms=10_000, call_id=2),
    )
    return ResourceHistory(resource=resource, node=node, agent=DUMMY, operations=records)


def test_load_moves_only_what_does_not_want_to_be_where_it_is() -> None:
    """Of equal nodes the one with fewer resources is taken, but not if the score that all of them have is positive."""
    pinned = [Location(id=f"l{one}", resource=one, node="n1", score=INFINITY) for one in ("a", "b")]
    histories = [running(one, "n1") for one in ("a", "b", "c")]
    resources = [primitive("a"), primitive("b"), primitive("c")]
    for strategy in PlacementStrategy:
        properties = replace(NO_FENCING, placement_strategy=strategy)
        for score in (0, 100):
            wishes = [Location(id=one, resource="c", node=one, score=score) for one in ("n1", "n2")]
            state = cluster(
                resources, histories=histories, constraints=[*pinned, *wishes], properties=properties
            )
            moved = [] if score or strategy is PlacementStrategy.MINIMAL else ["start c n2", "stop c n1"]
            assert sorted(done(schedule(state))) == moved


def test_on_a_node_in_maintenance_monitors_end_and_elsewhere_they_go_on() -> None:
    nodes = [Node(name="n1"), Node(name="n2", maintenance=True)]
    one = primitive("a", monitor_ms=10_000)
    transition = schedule(cluster([one], nodes=nodes, histories=[watched("a", "n1"), watched("a", "n2")]))
    assert done(transition) == ["cancel a n2"]


def test_a_node_is_marked_for_its_load_although_nothing_is_done() -> None:
    need = replace(primitive("a", ResourceMeta(target_role=Role.STOPPED)), utilization={"cpu": 1})
    properties = replace(NO_FENCING, placement_strategy=PlacementStrategy.BALANCED)
    transition = schedule(cluster([need], properties=properties))
    assert {one.operation for one in transition.graph.actions} == {"load_stopped_n1", "load_stopped_n2"}
    opt_in = replace(properties, symmetric_cluster=False)
    wished = [Location(id="l", resource="a", node="n1", score=1)]
    transition = schedule(cluster([need], constraints=wished, properties=opt_in))
    assert {one.operation for one in transition.graph.actions} == {"load_stopped_n1"}


def test_a_node_that_says_it_left_is_fenced_if_something_is_on_record_as_running_there() -> None:
    gone = Node(name="n2", online=False, left=True)
    state = cluster(
        [primitive("a")], nodes=["n1", gone], histories=[running("a", "n2")], properties=ClusterProperties()
    )
    transition = schedule(state)
    assert done(transition) == ["start a n1", "reboot n2"]
    assert transition.changes[0].reason == "a is thought to be active there"
    assert order_of(transition, "reboot n2", "start a n1")
    unmanaged = replace(state, resources=(primitive("a", ResourceMeta(is_managed=False)),))
    assert done(schedule(unmanaged)) == []
    stopped = replace(state, histories=(probed("a", "n1"), probed("a", "n2")))
    assert done(schedule(stopped)) == ["start a n1"]
    believed = replace(state, nodes=(Node(name="n1"), replace(gone, left=False)))
    assert done(schedule(believed)) == ["start a n1"]

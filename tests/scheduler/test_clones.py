"""What the scheduler makes of clones and of what goes with them: one claim each."""

from dataclasses import replace

from backstay.simulate.report import change_lines
from backstay.state import (
    INFINITY,
    Clone,
    Colocation,
    FailCount,
    Location,
    Node,
    NoQuorumPolicy,
    OpRecord,
    Order,
    PlacementStrategy,
    ResourceHistory,
    ResourceMeta,
    Role,
)

from .scenes import (
    DUMMY,
    NO_FENCING,
    cluster,
    done,
    failed,
    group,
    order_of,
    places,
    primitive,
    probed,
    running,
    schedule,
)


def clone(name: str, inner: str, **meta: object) -> Clone:
    return Clone(id=name, child=primitive(inner), meta=replace(ResourceMeta(), **meta))  # type: ignore[arg-type]


def test_what_must_not_be_together_makes_way_in_either_direction() -> None:
    apart = Colocation(id="apart", dependent="a", primary="b", score=-INFINITY)
    swap = [
        Location(id="la", resource="a", node="n2", score=INFINITY),
        Location(id="lb", resource="b", node="n1", score=INFINITY),
    ]
    transition = schedule(
        cluster(
            [primitive("a"), primitive("b")],
            histories=[running("a", "n1"), running("b", "n2")],
            constraints=[apart, *swap],
        )
    )
    assert order_of(transition, "stop a n1", "start b n1")
    assert order_of(transition, "stop b n2", "start a n2")


def test_equal_nodes_are_taken_by_name_letter_by_letter() -> None:
    transition = schedule(cluster([primitive("a")], nodes=["n2", "n10"]))
    assert places(transition) == {"a": "n10"}


def test_a_clone_on_every_node_minds_no_finite_wish() -> None:
    near = Colocation(id="near", dependent="k", primary="a", score=100)
    on_n2 = Location(id="l", resource="a", node="n2", score=50)
    transition = schedule(cluster([primitive("a"), clone("k", "c")], constraints=[near, on_n2]))
    assert places(transition) == {"a": "n2", "c:0": "n1", "c:1": "n2"}


def test_an_instance_that_may_not_stay_leaves_the_free_node_to_another() -> None:
    counts = [FailCount(resource="c", node="n2", operation="monitor", interval_ms=10_000, count=INFINITY)]
    transition = schedule(cluster([clone("k", "c")], histories=[running("c", "n2")], fail_counts=counts))
    assert places(transition) == {"c:0": None, "c:1": "n1"}


def test_a_group_is_not_running_while_one_member_may_not_start() -> None:
    whole = group("g", "one", "two")
    halted = replace(
        whole, members=(whole.members[0], primitive("two", ResourceMeta(target_role=Role.STOPPED)))
    )
    after = Order(id="o", first="g", then="x")
    transition = schedule(cluster([halted, primitive("x")], constraints=[after]))
    assert done(transition) == ["start one n1"]


def test_promotion_follows_what_it_must_be_with_whatever_the_agent_wishes() -> None:
    nodes = [Node(name="n1", attributes={"master-c": "5"}), Node(name="n2")]
    tied = Colocation(id="t", dependent="k", primary="a", score=INFINITY, dependent_role=Role.PROMOTED)
    on_n2 = Location(id="l", resource="a", node="n2", score=50)
    state = cluster(
        [primitive("a"), clone("k", "c", promotable=True)], nodes=nodes, constraints=[tied, on_n2]
    )
    assert "promote c:1 n2" in done(schedule(state)) or "promote c:0 n2" in done(schedule(state))


def test_where_the_clone_as_a_whole_prefers_to_be_it_is_promoted() -> None:
    nodes = [Node(name="n1", attributes={"master-c": "10"}), Node(name="n2", attributes={"master-c": "50"})]
    there = Location(id="l", resource="k", node="n1", score=1000)
    state = cluster([clone("k", "c", promotable=True)], nodes=nodes, constraints=[there])
    assert [one for one in done(schedule(state)) if one.startswith("promote")] == ["promote c:0 n1"]


def test_what_follows_the_promoted_one_does_not_keep_others_from_being_promoted() -> None:
    nodes = [Node(name="n1", attributes={"master-c": "10"}), Node(name="n2", attributes={"master-c": "5"})]
    near = Colocation(id="n", dependent="a", primary="k", score=INFINITY, primary_role=Role.PROMOTED)
    never = Location(id="l", resource="a", node="n1", score=-INFINITY)
    state = cluster(
        [clone("k", "c", promotable=True, promoted_max=2), primitive("a")],
        nodes=nodes,
        constraints=[near, never],
    )
    promoted = sorted(one.split()[-1] for one in done(schedule(state)) if one.startswith("promote"))
    assert promoted == ["n1", "n2"]


def test_what_comes_before_a_group_makes_it_begin_even_if_no_member_may_run() -> None:
    halted = replace(group("g", "one"), meta=ResourceMeta(target_role=Role.STOPPED))
    before = Order(id="o", first="x", then="g")
    transition = schedule(cluster([halted, primitive("x")], constraints=[before]))
    assert [one.key for one in transition.graph.actions] == ["g_start_0", "x_start_0"]


def test_an_instance_of_a_clone_that_stops_is_nothing_to_what_runs_after_the_clone() -> None:
    after = Order(id="o", first="k", then="x")
    gone = Location(id="l", resource="k", node="n1", score=-INFINITY)
    stays = Location(id="s", resource="x", node="n1", score=100)
    histories = [running("c", "n1"), running("c", "n2"), running("x", "n1")]
    state = cluster([clone("k", "c"), primitive("x")], histories=histories, constraints=[after, gone, stays])
    assert done(schedule(state)) == ["stop c:0 n1"]


def test_an_instance_that_starts_on_its_node_restarts_what_runs_after_the_clone() -> None:
    after = Order(id="o", first="k", then="x")
    stays = Location(id="s", resource="x", node="n1", score=100)
    histories = [running("c", "n2"), running("x", "n1")]
    state = cluster([clone("k", "c"), primitive("x")], histories=histories, constraints=[after, stays])
    assert {"stop x n1", "start x n1"} <= set(done(schedule(state)))


def test_without_quorum_the_promoted_one_is_demoted_and_stays_if_that_is_the_policy() -> None:
    lost = replace(NO_FENCING, no_quorum_policy=NoQuorumPolicy.DEMOTE)
    record = OpRecord(operation="promote", call_id=1)
    leader = ResourceHistory(resource="c", node="n1", agent=DUMMY, operations=(record,))
    nodes = [Node(name="n1", attributes={"master-c": "5"}), Node(name="n2")]
    state = cluster(
        [clone("k", "c", promotable=True), primitive("x")],
        nodes=nodes,
        histories=[leader, running("c", "n2"), running("x", "n2")],
        properties=lost,
    )
    assert sorted(done(schedule(replace(state, have_quorum=False)))) == ["demote c:0 n1", "stop x n2"]


def test_a_monitor_that_is_no_longer_configured_is_cancelled_where_the_resource_leaves() -> None:
    watched = running("a", "n1")
    monitor = OpRecord(operation="monitor", interval_ms=10_000, call_id=2)
    there = Location(id="l", resource="a", node="n2", score=INFINITY)
    history = replace(watched, operations=(*watched.operations, monitor))
    state = cluster([primitive("a")], histories=[history], constraints=[there])
    assert sorted(done(schedule(state))) == ["cancel a n1", "start a n2", "stop a n1"]


def test_what_comes_after_instances_that_are_left_out_is_stopped() -> None:
    """Three in a row, the first kept from running: its partners do not start, so nothing may count on them."""
    halted = replace(ResourceMeta(), target_role=Role.STOPPED)
    first = Clone(id="first", child=primitive("a"), meta=halted)
    row = [Order(id="o1", first="first", then="second"), Order(id="o2", first="second", then="x")]
    histories = [running(name, node) for name in ("a", "b") for node in ("n1", "n2")] + [running("x", "n1")]
    transition = schedule(
        cluster(
            [first, clone("second", "b", interleave=True), primitive("x")],
            histories=histories,
            constraints=row,
        )
    )
    assert "stop x n1" in done(transition)
    assert not [one for one in done(transition) if one.startswith("start")]


def test_a_clone_minds_not_that_the_one_before_it_gets_smaller() -> None:
    away = Location(id="l", resource="first", node="n1", score=-INFINITY)
    histories = [running(name, node) for name in ("a", "b") for node in ("n1", "n2")]
    transition = schedule(
        cluster(
            [clone("first", "a"), clone("second", "b")],
            histories=histories,
            constraints=[away, Order(id="o", first="first", then="second")],
        )
    )
    assert done(transition) == ["stop a:0 n1"]


def test_members_running_twice_on_a_node_belong_to_two_instances_of_their_group() -> None:
    twice = [
        ResourceHistory(
            resource=f"{name}:{number}", node="n1", agent=DUMMY,
            operations=(OpRecord(operation="start", call_id=1),),
        )
        for name in ("two", "one")
        for number in (1, 0)
    ]  # fmt: skip
    state = cluster(
        [Clone(id="k", child=group("g", "one", "two"), meta=ResourceMeta(clone_max=2))], nodes=["n1"]
    )
    transition = schedule(replace(state, histories=tuple(twice)))
    assert sorted(one for one in done(transition) if one.startswith("stop")) == [
        "stop one:2 n1",
        "stop two:2 n1",
    ]


def test_instances_that_are_wanted_somewhere_are_placed_before_one_that_is_not() -> None:
    """The one that was looked for on n3 has no wish on n1, where the agent's score stands; the others have."""
    nodes = [Node(name="n1", attributes={"master-c": "10"}), Node(name="n2"), Node(name="n3")]
    state = cluster([clone("k", "c", promotable=True)], nodes=nodes)
    state = replace(state, histories=(probed("c", "n3"),))
    assert places(schedule(state)) == {"c:0": "n3", "c:1": "n1", "c:2": "n2"}


def test_a_probe_on_a_node_that_is_gone_is_none() -> None:
    nodes = [Node(name="n1", attributes={"master-c": "10"}), Node(name="n2"), Node(name="n3", online=False)]
    state = cluster([clone("k", "c", promotable=True)], nodes=nodes)
    state = replace(state, histories=(probed("c", "n3"),))
    assert places(schedule(state)) == {"c:0": "n1", "c:1": "n2", "c:2": None}


def test_an_instance_speaks_for_the_node_where_it_was_looked_for_while_it_runs_elsewhere() -> None:
    nodes = [Node(name="n1", attributes={"master-c": "10"}), Node(name="n2")]
    one = clone("k", "c", promotable=True, clone_max=1)
    transition = schedule(cluster([one], nodes=nodes, histories=[running("c", "n2")]))
    assert places(transition) == {"c:0": "n1"}
    assert "promote c:0 n1" in done(transition)


def test_an_instance_on_a_standby_node_moves_before_one_on_a_lost_node() -> None:
    nodes = [Node(name="n1", online=False, unclean=True), Node(name="n2", standby=True), Node(name="n3")]
    state = cluster(
        [clone("k", "c")],
        nodes=nodes,
        histories=[running("c", "n1"), running("c", "n2")],
        properties=replace(NO_FENCING, fencing_enabled=True),
    )
    assert places(schedule(state)) == {"c:0": None, "c:1": "n3", "c:2": None}


def test_what_clones_want_as_a_whole_decides_when_they_are_placed() -> None:
    """Where its first instance may not leave is nothing to the clone: of equals the first configured is placed first."""
    unmanaged = Clone(id="k", child=primitive("c", ResourceMeta(is_managed=False)))
    properties = replace(NO_FENCING, placement_strategy=PlacementStrategy.UTILIZATION)
    state = cluster(
        [primitive("a"), unmanaged],
        histories=[running("a", "n1"), running("c", "n1")],
        properties=properties,
    )
    assert places(schedule(state))["a"] == "n1"


def test_a_promotable_clone_that_can_not_start_begins_no_promotion() -> None:
    nodes = [Node(name="n1"), Node(name="n2", attributes={"master-c": "5"})]
    halted = primitive("a", ResourceMeta(target_role=Role.STOPPED))
    transition = schedule(
        cluster(
            [halted, clone("k", "c", promotable=True)],
            nodes=nodes,
            histories=[running("c", "n2")],
            constraints=[Order(id="o", first="a", then="k")],
        )
    )
    assert done(transition) == ["stop c:0 n2"]
    assert not [one for one in transition.graph.actions if one.operation == "promote"]


def test_what_comes_before_a_clone_or_group_moves_although_a_member_can_not_stop() -> None:
    away = Location(id="l", resource="x", node="n2", score=-INFINITY)
    for whole, name in ((clone("k", "c"), "k"), (group("g", "c", "d"), "g")):
        state = cluster(
            [primitive("x"), whole],
            histories=[running("x", "n2"), failed("c", "n2", "stop")],
            constraints=[away, Order(id="o", first="x", then=name)],
        )
        assert {"stop x n2", "start x n1"} <= set(done(schedule(state)))


def test_without_quorum_nobody_new_is_promoted_under_the_freeze() -> None:
    frozen = replace(NO_FENCING, no_quorum_policy=NoQuorumPolicy.FREEZE)
    nodes = [Node(name="n1"), Node(name="n2", attributes={"master-c": "5"})]
    state = cluster(
        [clone("k", "c", promotable=True)],
        nodes=nodes,
        histories=[running("c", "n1"), running("c", "n2")],
        properties=frozen,
    )
    assert done(schedule(replace(state, have_quorum=False))) == []
    assert done(schedule(state)) == ["promote c:1 n2"]


def test_an_instance_that_does_not_fit_where_it_is_takes_no_room_from_one_that_does() -> None:
    sized = [Node(name="n1", utilization={"cpu": 1}), Node(name="n2", utilization={"cpu": 4})]
    need = replace(primitive("c"), utilization={"cpu": 3})
    properties = replace(NO_FENCING, placement_strategy=PlacementStrategy.UTILIZATION)
    histories = [running("c", "n1"), running("c", "n2")]
    state = cluster([Clone(id="k", child=need)], nodes=sized, histories=histories, properties=properties)
    assert done(schedule(state)) == ["stop c:0 n1"]


def test_one_instance_too_many_in_maintenance_is_left_alone() -> None:
    watched = (
        OpRecord(operation="start", call_id=1),
        OpRecord(operation="monitor", interval_ms=10_000, call_id=2),
    )
    histories = [
        ResourceHistory(resource="c", node=node, agent=DUMMY, operations=watched) for node in ("n1", "n2")
    ]
    meta = ResourceMeta(clone_max=1, maintenance=True)
    state = cluster([Clone(id="k", child=primitive("c"), meta=meta)], histories=histories)
    assert done(schedule(state)) == ["cancel c:0 n1"]


def test_a_move_names_the_role_once_if_it_stays_the_same() -> None:
    away = Location(id="l", resource="k", node="n1", score=-INFINITY)
    state = cluster(
        [clone("k", "c", promotable=True, clone_max=1)], histories=[running("c", "n1")], constraints=[away]
    )
    (line,) = change_lines(schedule(state).changes)
    assert line.split("due to")[0].split() == ["*", "Move", "c:0", "(", "n1", "->", "n2", "Unpromoted", ")"]

"""What the scheduler makes of clones and of what goes with them: one claim each."""

from dataclasses import replace

from backstay.state import INFINITY, Clone, Colocation, FailCount, Location, Node, Order, ResourceMeta, Role

from .scenes import cluster, done, group, order_of, places, primitive, running, schedule


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

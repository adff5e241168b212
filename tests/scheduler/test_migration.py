"""When a running resource is handed over alive, and what waits for that: one claim each, as crm_simulate answers too."""

from dataclasses import replace

from backstay.state import (
    INFINITY,
    Clone,
    Constraint,
    Group,
    Location,
    Order,
    OrderKind,
    OrderSet,
    Primitive,
    Resource,
    ResourceHistory,
    ResourceMeta,
    ResourceSet,
)

from .scenes import cluster, done, failed, order_of, primitive, running, schedule

ALIVE = ResourceMeta(allow_migrate=True)
VM = primitive("vm", ALIVE)
A = primitive("a")


def to_n2(*names: str) -> list[Constraint]:
    return [Location(id=f"l-{name}", resource=name, node="n2", score=INFINITY) for name in names]


def moved(
    resources: list[Resource],
    constraints: list[Constraint],
    histories: list[ResourceHistory],
    nodes: tuple[str, ...] = ("n1", "n2"),
) -> list[str]:
    state = cluster(resources, constraints=constraints, histories=histories, nodes=nodes)
    return sorted(done(schedule(state)))


def clone(name: str, inner: Primitive, **meta: object) -> Clone:
    return Clone(id=name, child=inner, meta=replace(ResourceMeta(), **meta))  # type: ignore[arg-type]


HANDED_OVER = ["migrate_from vm n2", "migrate_to vm n1", "stop vm n1"]


def test_what_it_needs_may_start_before_it_is_handed_over() -> None:
    after = Order(id="o", first="a", then="vm")
    transition = schedule(
        cluster([A, VM], constraints=[after, *to_n2("vm")], histories=[running("vm", "n1")])
    )
    assert "migrate_from vm n2" in done(transition)
    assert order_of(transition, "start a n1", "migrate_to vm n1")


def test_it_stops_if_what_it_needs_stops_and_starts() -> None:
    after = Order(id="o", first="a", then="vm")
    acts = moved(
        [A, VM],
        [after, *to_n2("vm")],
        [failed("a", "n1", "monitor", interval_ms=10_000), running("vm", "n1")],
    )
    assert "start vm n2" in acts


def test_an_order_without_its_inverse_does_not_make_it_stop() -> None:
    after = Order(id="o", first="a", then="vm", symmetrical=False)
    acts = moved([A, VM], [after, *to_n2("a", "vm")], [running("a", "n1"), running("vm", "n1")])
    assert "migrate_to vm n1" in acts


def test_a_wished_order_holds_it_back_until_the_other_has_moved() -> None:
    after = Order(id="o", first="a", then="vm", kind=OrderKind.OPTIONAL)
    state = cluster(
        [A, VM], constraints=[after, *to_n2("a", "vm")], histories=[running("a", "n1"), running("vm", "n1")]
    )
    assert order_of(schedule(state), "start a n2", "migrate_to vm n1")


def test_what_depends_on_it_does_not_restart() -> None:
    after = Order(id="o", first="vm", then="a")
    assert moved([A, VM], [after, *to_n2("vm")], [running("a", "n1"), running("vm", "n1")]) == HANDED_OVER


def test_what_depends_on_a_group_restarts_even_if_all_members_are_handed_over() -> None:
    whole = Group(id="g", members=(VM,))
    after = Order(id="o", first="g", then="a")
    acts = moved([whole, A], [after, *to_n2("g")], [running("a", "n1"), running("vm", "n1")])
    assert "start a n1" in acts
    assert "migrate_to vm n1" in acts


def test_members_are_handed_over_whatever_their_group_has_to_wait_for() -> None:
    whole = Group(id="g", members=(VM,))
    after = Order(id="o", first="a", then="g")
    acts = moved([whole, A], [after, *to_n2("g", "a")], [running("a", "n1"), running("vm", "n1")])
    assert "migrate_to vm n1" in acts
    assert "start a n2" in acts


def test_a_member_stops_if_an_earlier_one_can_not_be_handed_over() -> None:
    whole = Group(id="g", members=(A, VM))
    acts = moved([whole], to_n2("g"), [running("a", "n1"), running("vm", "n1")])
    assert acts == ["start a n2", "start vm n2", "stop a n1", "stop vm n1"]


def test_it_is_handed_over_where_a_clone_only_loses_an_instance() -> None:
    after = Order(id="o", first="k", then="vm")
    gone = Location(id="l", resource="k", node="n1", score=-INFINITY)
    histories = [running("a", "n1"), running("a", "n2"), running("vm", "n1")]
    acts = moved([clone("k", A), VM], [after, gone, *to_n2("vm")], histories)
    assert acts == sorted([*HANDED_OVER, "stop a:0 n1"])


def test_it_stops_where_an_instance_of_a_clone_moves() -> None:
    after = Order(id="o", first="k", then="vm")
    histories = [running("a", "n1"), running("vm", "n1")]
    acts = moved([clone("k", A, clone_max=1), VM], [after, *to_n2("k", "vm")], histories)
    assert acts == ["start a:0 n2", "start vm n2", "stop a:0 n1", "stop vm n1"]


def test_an_instance_of_a_clone_is_handed_over() -> None:
    acts = moved([clone("k", VM, clone_max=1)], to_n2("k"), [running("vm", "n1")])
    assert acts == ["migrate_from vm:0 n2", "migrate_to vm:0 n1", "stop vm:0 n1"]


def test_it_waits_until_what_depends_on_it_has_stopped() -> None:
    whole = Group(id="g", members=(A,))
    after = Order(id="o", first="vm", then="g")
    state = cluster(
        [whole, VM],
        constraints=[after, *to_n2("g", "vm")],
        histories=[running("a", "n1"), running("vm", "n1")],
    )
    assert order_of(schedule(state), "stop a n1", "migrate_to vm n1")


def test_hand_overs_are_serialized_across_one_that_stays() -> None:
    names = ("x", "y", "z")
    serial = OrderSet(id="s", sets=(ResourceSet(id="ss", members=names),), kind=OrderKind.SERIALIZE)
    state = cluster(
        [primitive(name, ALIVE) for name in names],
        constraints=[serial, *to_n2("x", "z"), Location(id="y", resource="y", node="n1", score=INFINITY)],
        histories=[running(name, "n1") for name in names],
    )
    assert order_of(schedule(state), "migrate_from x n2", "migrate_to z n1")

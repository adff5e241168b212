"""What always holds, whatever the cluster: checked on clusters made up at random."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstay.scheduler import Transition
from backstay.simulate import execute
from backstay.state import (
    INFINITY,
    ClusterProperties,
    ClusterState,
    Colocation,
    Constraint,
    Location,
    Node,
    Order,
    Resource,
    ResourceMeta,
    Role,
)
from backstay.transition import ActionKind

from .scenes import cluster, failed, group, primitive, running, schedule

NAMES = ["a", "b", "c", "d"]
SCORES = st.sampled_from([-INFINITY, -100, 10, 100, INFINITY])


@st.composite
def clusters(draw: st.DrawFn) -> ClusterState:
    count = draw(st.integers(1, 4))
    nodes = [Node(name=f"n{one}", **draw(node_flags())) for one in range(count)]
    resources: list[Resource] = [
        primitive(
            name,
            ResourceMeta(
                resource_stickiness=draw(st.sampled_from([0, 100])),
                target_role=draw(st.sampled_from([None, None, None, Role.STOPPED])),
                migration_threshold=draw(st.sampled_from([None, 1])),
            ),
        )
        for name in NAMES
    ]
    if draw(st.booleans()):
        resources.append(group("g", "g1", "g2"))
    histories = []
    for name in [*NAMES, "g1", "g2"] if len(resources) > len(NAMES) else NAMES:
        for node in draw(st.lists(st.sampled_from(nodes), max_size=2, unique_by=lambda one: one.name)):
            made = draw(
                st.sampled_from(
                    [
                        running,
                        running,
                        lambda r, n: failed(r, n, "monitor"),
                        lambda r, n: failed(r, n, "stop"),
                    ]
                )
            )
            histories.append(made(name, node.name))
    return replace(
        cluster(
            resources,
            nodes=nodes,
            histories=histories,
            constraints=draw(st.lists(constraints(nodes), max_size=4)),
            properties=ClusterProperties(fencing_enabled=draw(st.booleans())),
        ),
        have_quorum=draw(st.sampled_from([True, True, True, False])),
    )


def node_flags() -> st.SearchStrategy[dict[str, bool]]:
    return st.sampled_from(
        [
            {},
            {},
            {},
            {"standby": True},
            {"shutdown": True},
            {"maintenance": True},
            {"pending": True},
            {"online": False, "unclean": True},
            {"online": False},
        ]
    )


@st.composite
def constraints(draw: st.DrawFn, nodes: list[Node]) -> Constraint:
    first, then = draw(st.permutations(NAMES))[:2]
    score = draw(SCORES)
    return draw(
        st.sampled_from(
            [
                Location(id="l", resource=first, node=draw(st.sampled_from(nodes)).name, score=score),
                Colocation(id="c", dependent=first, primary=then, score=score),
                Order(id="o", first=first, then=then),
            ]
        )
    )


def waits_for(transition: Transition) -> list[set[int]]:
    """For every action, all that must be done before it."""
    found: list[set[int]] = [set() for _ in transition.graph.actions]
    left = list(transition.graph.actions)
    while left:
        action = left.pop(0)
        if any(one.id in action.inputs for one in left):
            left.append(action)
            continue
        for one in action.inputs:
            found[action.id] |= {one} | found[one]
    return found


CHECK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CHECK
@given(clusters())
def test_nothing_starts_before_every_other_copy_is_stopped_or_its_node_cut_off(state: ClusterState) -> None:
    transition = schedule(state)
    before = waits_for(transition)
    actions = transition.graph.actions
    nodes = {node.name: node for node in state.nodes}
    starts = [one for one in actions if one.operation == "start" and one.kind is ActionKind.RESOURCE]
    assert len({one.resource for one in starts}) == len(starts), "one start each"
    for start in starts:
        earlier = [actions[one] for one in before[start.id]]
        for history in state.histories:
            if history.resource != start.resource or history.operations[-1].rc == 7:
                continue
            node = nodes[history.node]
            gone = not node.online and not node.unclean
            # Without fencing an unclean node counts as gone: that is what running without it means.
            if gone or (node.unclean and not state.properties.fencing_enabled):
                continue
            if start.node == history.node and not any(one.operation == "stop" for one in earlier):
                raise AssertionError(f"{start.describe()} without a stop")
            assert any(
                (one.operation == "stop" and one.resource == start.resource and one.node == history.node)
                or (one.kind is ActionKind.FENCING and one.node == history.node)
                for one in earlier
            ), f"{start.describe()} does not wait for the copy on {history.node}"


@CHECK
@given(clusters())
def test_nothing_is_placed_or_started_on_a_node_that_can_not_take_it(state: ClusterState) -> None:
    usable = {
        node.name
        for node in state.nodes
        if node.online
        and not (node.unclean or node.standby or node.shutdown or node.maintenance or node.pending)
    }
    for action in schedule(state).graph.actions:
        if action.operation == "start" and action.kind is ActionKind.RESOURCE:
            assert action.node in usable


@CHECK
@given(clusters())
def test_the_answer_depends_on_nothing_but_the_state(state: ClusterState) -> None:
    assert schedule(state) == schedule(state)


@CHECK
@given(clusters())
def test_every_graph_can_be_carried_through(state: ClusterState) -> None:
    transition = schedule(state)
    execution = execute(transition.graph, state)
    assert len(execution.actions) == len(transition.graph.actions)


@CHECK
@given(clusters())
def test_what_was_carried_through_needs_no_further_fencing(state: ClusterState) -> None:
    execution = execute(schedule(state).graph, state)
    again = schedule(execution.state)
    fenced = {one.node for one in execution.actions if one.kind is ActionKind.FENCING}
    assert not [one for one in again.graph.actions if one.kind is ActionKind.FENCING and one.node in fenced]

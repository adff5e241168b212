"""What a transition tells of how it came about, and that a new DC tells nothing twice."""

from __future__ import annotations

import pytest

from backstay.coordinator import Orders, Run, Tale
from backstay.state.assemble import Objects
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, power_switch, resource


@pytest.fixture
def trio() -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster())
    made.add(power_switch())
    return made


def told(trio: ModelCluster) -> tuple[list[Run], list[tuple[Tale, str]]]:
    """Lists that fill as the cluster runs: transitions begun, and Events."""
    runs: list[Run] = []
    tales: list[tuple[Tale, str]] = []

    def watch(_objects: Objects, orders: Orders) -> None:
        runs.extend(orders.begun)
        tales.extend((item.tale, item.message) for item in orders.story)

    trio.watchers.append(watch)
    return runs, tales


def test_power_cut_is_told_from_the_last_heartbeat_to_the_decision(trio: ModelCluster) -> None:
    trio.add(resource("web"))
    trio.run(5)
    runs, _ = told(trio)
    (home,) = trio.where("web")
    crashed_at = trio.now
    trio.crash(home)
    trio.run(6)
    moments = runs[0].context.moments
    assert [(one.node, one.what.split(":")[0].split(";")[0]) for one in moments] == [
        (home, "its last heartbeat was seen"),
        (home, "its lease of 3 s has run out"),
        (home, "is judged Unclean"),
        ("", "the DC decides"),
    ]
    assert moments[0].at == pytest.approx(crashed_at, abs=0.06)
    assert moments[1].at == pytest.approx(crashed_at + 3.0, abs=0.06)
    assert sorted(moments, key=lambda one: one.at) == list(moments)


def test_loss_is_told_by_one_transition_only(trio: ModelCluster) -> None:
    trio.add(resource("web"))
    trio.run(5)
    runs, _ = told(trio)
    (home,) = trio.where("web")
    trio.crash(home)
    trio.run(6)
    trio.add(resource("later"))
    trio.run(3)
    assert [one.what.split(":")[0] for one in runs[-1].context.moments] == ["the DC decides"]


def test_actions_of_a_chain_begin_one_after_the_other(trio: ModelCluster) -> None:
    """Not when they were ordered, which for all members of a chain is the same moment."""
    trio.add(resource("web"))
    trio.run(5)
    runs, _ = told(trio)
    (home,) = trio.where("web")
    trio.crash(home)
    trio.run(6)
    actions = [one for one in runs[0].actions() if "monitor" not in one.action]
    fence, start = sorted(actions, key=lambda one: one.action.startswith("web"))
    assert fence.reason.startswith("by pdu on n")
    assert fence.started is not None
    assert start.ordered is not None
    assert start.started is not None
    assert fence.started < start.ordered <= start.started


def test_new_dc_tells_its_term_and_no_node_that_was_online_before_as_joined(trio: ModelCluster) -> None:
    trio.add(resource("web"))
    trio.run(5)
    for name in trio.hanodes:
        trio.set_published(name, "Online")
    runs, tales = told(trio)
    trio.new_dc()
    trio.add(resource("later"))
    trio.run(5)
    assert [tale for tale, _ in tales if tale is Tale.NODE_JOINED] == []
    assert any(one.what == "this DC's term begins (epoch 2)" for one in runs[0].context.moments)


def test_new_dc_tells_of_the_node_that_its_predecessor_died_with(trio: ModelCluster) -> None:
    trio.add(resource("web"))
    trio.run(5)
    for name in trio.hanodes:
        trio.set_published(name, "Standby" if name == "n2" else "Online")
    _, tales = told(trio)
    (home,) = trio.where("web")
    trio.crash(home)
    trio.run(1)
    trio.new_dc()
    trio.run(5)
    assert [message.split(":")[0] for tale, message in tales if tale is Tale.NODE_LOST] == [
        f"Node {home} is Unclean"
    ]

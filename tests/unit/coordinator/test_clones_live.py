"""Clones in a live cluster: one identity of an instance in agent, plan, history and Events."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.api import HACluster, HAResource
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import power_switch

UNIQUE: dict[str, Any] = {"globallyUnique": True, "max": 4, "nodeMax": 2}


def definition(clone: dict[str, Any], *, generation: int = 1, **meta: Any) -> HAResource:
    metadata = {"name": "q", "namespace": "d", "uid": "HAResource-q", "generation": generation}
    return HAResource.parse(
        {
            "metadata": metadata,
            "spec": {
                "resourceId": "Q",
                "agent": "ocf:pacemaker:Dummy",
                "clone": clone,
                "operations": [{"name": "monitor", "interval": "10s"}],
                "meta": meta,
            },
        }
    )


def cluster_with(clone: dict[str, Any]) -> ModelCluster:
    spec = {"properties": {"stonithEnabled": True}}
    metadata = {"name": "c", "uid": "c", "generation": 1}
    made = ModelCluster("n1", "n2", "n3", cluster=HACluster.parse({"metadata": metadata, "spec": spec}))
    made.add(power_switch(), definition(clone))
    return made


def told_of(made: ModelCluster, *words: str) -> list[str]:
    return [line for line in made.story if any(word in line for word in words)]


def test_nodes_know_an_anonymous_instance_by_the_primitives_name() -> None:
    made = cluster_with({})
    made.run(5)
    assert made.actions() == ["n1 start Q", "n2 start Q", "n3 start Q"]
    for node in made.nodes.values():
        assert node.plan is not None
        assert {one.resource for one in node.plan.status.history} == {"Q"}


def test_numbered_instances_keep_their_numbers_where_they_must_be_told_apart() -> None:
    made = cluster_with(UNIQUE)
    made.run(5)
    assert sorted(made.actions()) == ["n1 start Q:0", "n1 start Q:3", "n2 start Q:1", "n3 start Q:2"]


@pytest.mark.parametrize("clone", [{}, UNIQUE], ids=["anonymous", "globally unique"])
def test_a_clone_that_lost_a_host_and_got_it_back_stops_once_when_disabled(clone: dict[str, Any]) -> None:
    made = cluster_with(clone)
    made.run(5)
    made.crash("n1")
    made.run(8)
    made.boot("n1")
    made.run(8)
    before = len(made.log)
    made.resources[0] = definition(clone, generation=2, targetRole="Stopped")
    made.run(10)
    stops = made.actions(since=before)
    assert len(stops) == len(set(stops)) == (3 if not clone else 4)
    assert all(" stop Q" in line for line in stops)
    assert not any(node.active for node in made.nodes.values())


def test_events_of_a_clone_name_nodes_that_changed_and_no_instance_that_was_renumbered() -> None:
    made = cluster_with({})
    made.run(5)
    made.crash("n1")
    made.run(8)
    made.boot("n1")
    made.run(8)
    assert told_of(made, "Started", "Stopped", "Moved") == [
        "Started on n1",
        "Started on n2",
        "Started on n3",
        "Stopped on n1: node n1 lost",
        "Started on n1",
    ]


def test_an_instance_that_finds_another_node_is_told_as_a_move() -> None:
    made = cluster_with({"max": 2})
    made.run(5)
    made.crash(made.where("Q")[0])
    made.run(8)
    assert told_of(made, "Moved") == ["Moved n1 -> n3: node n1 lost"]


def test_events_of_a_clone_belong_to_its_object() -> None:
    made = cluster_with({})
    subjects = []
    made.watchers.append(
        lambda _objects, orders: subjects.extend(
            item.subject for item in orders.story if item.message.startswith("Started")
        )
    )
    made.run(5)
    assert [(one.kind, one.name) for one in subjects if one is not None] == [("HAResource", "q")] * 3


def test_a_new_dc_does_not_tell_again_where_a_clone_runs() -> None:
    made = cluster_with({})
    made.run(5)
    told = len(told_of(made, "Started", "Moved"))
    made.new_dc()
    made.run(5)
    assert len(told_of(made, "Started", "Moved")) == told


@pytest.mark.parametrize("clone", [{}, UNIQUE], ids=["anonymous", "globally unique"])
def test_a_failed_start_looks_like_one(clone: dict[str, Any]) -> None:
    made = cluster_with(clone)
    made.outcome = lambda node, action: (
        5 if node.name == "n2" and action.verb == "start" else action.target_rc
    )
    made.run(5)
    name = "Q:1" if clone else "Q"
    news = [line for line in told_of(made, "failed on") if not line.startswith("Transition")]
    assert news == [f"{name}: start failed on n2: exit code 5, not installed"]
    assert "Started on n2" not in made.story


@pytest.mark.parametrize("clone", [{}, UNIQUE], ids=["anonymous", "globally unique"])
def test_cleanup_of_a_clone_reaches_the_instances_that_failed(clone: dict[str, Any]) -> None:
    made = cluster_with(clone)
    made.outcome = lambda node, action: (
        1 if node.name == "n2" and action.verb == "start" else action.target_rc
    )
    made.run(5)
    made.outcome = lambda _node, action: action.target_rc
    made.request("Q", {"id": "x", "type": "cleanup"})
    made.run(5)
    assert [one.message for one in made.acks("Q")] == ["done"]
    plan = made.nodes["n2"].plan
    assert plan is not None
    assert plan.status.failures == []


def test_a_refresh_of_what_runs_tells_of_no_stop_and_no_start() -> None:
    made = cluster_with({})
    made.run(5)
    before = len(made.story)
    made.request("Q", {"id": "x", "type": "refresh"})
    made.run(5)
    news = [line for line in made.story[before:] if not line.startswith("Transition")]
    assert news == []
    assert [len(made.where("Q"))] == [3]


def test_a_move_to_a_node_where_the_start_fails_is_refused_with_the_cause() -> None:
    made = cluster_with({})
    made.resources.clear()
    plain = definition({}).model_dump(by_alias=True, exclude_none=True)
    del plain["spec"]["clone"]
    made.add(HAResource.parse(plain))
    made.run(5)
    (home,) = made.where("Q")
    target = next(name for name in made.nodes if name != home)
    made.outcome = lambda node, action: (
        5 if node.name == target and action.verb == "start" else action.target_rc
    )
    made.request("Q", {"id": "x", "type": "move", "node": target})
    made.run(10)
    (ack,) = made.acks("Q")
    assert ack.state == "Refused"
    assert ack.message.endswith(f"start failed on {target}: exit code 5, not installed")
    assert made.where("Q") != [target]

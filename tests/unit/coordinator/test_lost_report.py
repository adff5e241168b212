"""An HANodePlan that is deleted or cannot be read: what may run on its node is left alone until the agent has reported again."""

from __future__ import annotations

import pytest

from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, power_switch, resource


def trio(*, probes: bool = True) -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster(enableStartupProbes=probes))
    made.add(power_switch(), resource("db"))
    made.run(6)
    return made


def hold(made: ModelCluster, resource_id: str) -> str:
    assert made.orders is not None
    return made.orders.picture.held.get(resource_id, "")


@pytest.mark.parametrize("probes", [True, False])
def test_deleted_plan_of_a_node_that_is_heard_starts_nothing_elsewhere(probes: bool) -> None:
    made = trio(probes=probes)
    (home,) = made.where("db")
    seen = len(made.log)
    made.nodes[home].obeys = False
    made.delete_plan(home)
    made.run(20)
    assert made.actions(since=seen) == []
    made.nodes[home].obeys = True
    made.run(5)
    assert made.actions(since=seen) == []
    assert made.where("db") == [home]
    assert sum("its HANodePlan was deleted" in line for line in made.story) == 1


@pytest.mark.parametrize("probes", [True, False])
def test_dc_that_finds_the_plan_deleted_holds_back_what_may_run_there(probes: bool) -> None:
    made = trio(probes=probes)
    (home,) = made.where("db")
    seen = len(made.log)
    made.publish(home)
    made.nodes[home].obeys = False
    made.delete_plan(home)
    made.new_dc()
    made.run(20)
    assert made.actions(since=seen) == []
    assert hold(made, "db") == "NodeReportLost"
    made.nodes[home].obeys = True
    made.run(5)
    assert made.actions(since=seen) == []
    assert hold(made, "db") == ""


def test_silent_node_without_a_plan_is_fenced_by_a_new_dc_before_anything_starts() -> None:
    made = trio(probes=False)
    (home,) = made.where("db")
    made.publish(home)
    made.delete_plan(home)
    made.cut(home)
    made.new_dc()
    made.run(15)
    assert [line.split()[-1] for line in made.fence_log] == [home]
    assert made.where("db") != [home]


def test_silent_node_that_lost_plan_and_lease_is_fenced_by_a_new_dc() -> None:
    made = trio(probes=False)
    (home,) = made.where("db")
    made.publish(home)
    made.delete_plan(home)
    made.cut(home)
    made.new_dc(fresh_eyes=True)
    made.run(15)
    assert [line.split()[-1] for line in made.fence_log] == [home]


def test_what_was_ordered_and_not_answered_counts_as_begun_when_the_plan_is_lost() -> None:
    made = ModelCluster("n1", "n2", cluster=cluster(enableStartupProbes=False))
    made.add(power_switch())
    made.run(4)
    for node in made.nodes.values():
        node.obeys = False
    made.add(resource("db"))
    made.run(0.2)
    (home,) = [
        name
        for name, node in made.nodes.items()
        if node.plan is not None and any(one.verb == "start" for one in node.plan.spec.actions)
    ]
    # The agent has begun it, and its plan is gone before it says so.
    made.nodes[home].active["db"] = "fencing"
    made.delete_plan(home)
    for name, node in made.nodes.items():
        node.obeys = name != home
    made.run(15)
    assert made.where("db") == [home]


def test_boot_that_never_reported_holds_nothing_back() -> None:
    made = trio(probes=False)
    made.publish("n1")
    made.crash("n1")
    made.run(8)
    made.boot("n1")
    made.nodes["n1"].obeys = False
    made.new_dc()
    made.add(resource("web"))
    made.run(8)
    assert made.where("web") != []

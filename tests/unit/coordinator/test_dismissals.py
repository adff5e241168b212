"""Letting nodes go: only those on which nothing is left to guard, and nobody is fenced for having gone."""

from __future__ import annotations

import pytest

from backstay.api import HAResource
from backstay.api.plan import PendingOperation
from backstay.api.quantities import timestamp
from backstay.coordinator.dismissals import has_gone_along
from backstay.coordinator.watchdogs import watchdog_words
from backstay.liveness.nodes import NodeCondition
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import power_switch
from unit.coordinator.test_watchdog import resource, trio


def dismissed(made: ModelCluster) -> list[str]:
    assert made.orders is not None
    return sorted(name for name, plan in made.orders.plans.items() if plan.dismissed)


def armed(made: ModelCluster) -> list[str]:
    assert made.orders is not None
    return sorted(name for name, plan in made.orders.plans.items() if plan.watchdog is not None)


def condition(made: ModelCluster, name: str) -> NodeCondition:
    assert made.orders is not None
    return made.orders.picture.membership.nodes[name].verdict.condition


def words(made: ModelCluster, name: str) -> str:
    assert made.orders is not None
    view = made.orders.picture.membership.nodes[name]
    return watchdog_words(made.cluster, view, made.orders.plans[name])


def test_shut_down_cluster_stops_everything_and_lets_every_node_go() -> None:
    made = trio()
    assert (dismissed(made), armed(made)) == ([], ["n1", "n2", "n3"])
    made.set_cluster(shutdown=True)
    made.run(3)
    assert made.where("fs") == []
    assert (dismissed(made), armed(made)) == (["n1", "n2", "n3"], [])
    assert made.orders is not None
    for name, view in made.orders.picture.membership.nodes.items():
        assert has_gone_along(view, made.nodes[name].plan)


def test_node_keeps_its_watchdog_while_something_runs_there() -> None:
    made = trio()
    (home,) = made.where("fs")
    made.outcome = lambda _node, action: 1 if action.verb == "stop" else action.target_rc
    made.set_cluster(shutdown=True)
    made.run(3)
    assert made.where("fs") == [home]
    assert armed(made) == [home]
    assert dismissed(made) == [name for name in made.nodes if name != home]


@pytest.mark.parametrize("policy", ["stop", "freeze", "fence", "suicide"])
def test_nodes_that_were_let_go_may_fall_silent_one_after_the_other_and_nobody_is_fenced(policy: str) -> None:
    made = trio()
    made.add(power_switch())
    made.run(3)
    properties = made.cluster.spec.properties.model_copy(update={"no_quorum_policy": policy})
    made.set_cluster(shutdown=True, properties=properties)
    made.run(3)
    for name in made.nodes:
        made.nodes[name].up = False
        made.run(5)
        assert condition(made, name) is NodeCondition.OFFLINE
    assert made.fence_log == []
    assert dismissed(made) == ["n1", "n2", "n3"], "they would come back for nothing otherwise"


def test_ending_the_shutdown_takes_every_node_back_and_starts_again() -> None:
    made = trio()
    made.set_cluster(shutdown=True)
    made.run(3)
    made.set_cluster(shutdown=False)
    made.run(5)
    assert (dismissed(made), armed(made)) == ([], ["n1", "n2", "n3"])
    assert len(made.where("fs")) == 1


def test_in_maintenance_nodes_go_with_what_runs_on_them_and_nobody_is_fenced_for_it() -> None:
    made = trio()
    made.add(power_switch())
    made.run(3)
    (home,) = made.where("fs")
    properties = made.cluster.spec.properties.model_copy(update={"maintenance_mode": True})
    made.set_cluster(shutdown=True, properties=properties)
    made.run(3)
    assert made.where("fs") == [home]
    assert (dismissed(made), armed(made)) == (["n1", "n2", "n3"], [])
    made.nodes[home].up = False
    made.run(30)
    assert made.fence_log == []
    assert made.where("fs") == [home], "it may run still, and is started nowhere else"


def test_what_is_not_managed_holds_nobody_up_and_goes_on() -> None:
    made = trio()
    made.add(resource("own"))
    made.run(3)
    changed = next(one for one in made.resources if one.metadata.name == "own")
    parsed = changed.model_dump(by_alias=True, exclude_none=True)
    parsed["spec"]["meta"] = {"isManaged": False}
    parsed["metadata"]["generation"] += 1
    made.resources[made.resources.index(changed)] = HAResource.parse(parsed)
    made.set_cluster(shutdown=True)
    made.run(3)
    assert made.where("fs") == []
    assert len(made.where("own")) == 1
    assert dismissed(made) == ["n1", "n2", "n3"]


def test_one_node_that_is_stopped_has_no_watchdog_and_goes_on_to_vote() -> None:
    """Its heartbeat must outlive a restart of its agent: the others may need its vote."""
    made = trio()
    (home,) = made.where("fs")
    made.set_node(home, shutdown=True)
    made.run(3)
    assert made.where("fs") not in ([], [home])
    assert (dismissed(made), home in armed(made)) == ([], False)
    assert "the node is shut down" in words(made, home)
    made.set_node(home, shutdown=False)
    made.run(3)
    assert armed(made) == ["n1", "n2", "n3"]
    assert words(made, home).startswith("armed")


def test_silent_node_is_not_let_go_by_a_shutdown() -> None:
    """It may be at work: whoever takes its watchdog's word must not be told otherwise."""
    made = trio()
    (home,) = made.where("fs")
    made.cut(home)
    made.nodes[home].vouched = True
    made.set_cluster(shutdown=True)
    made.run(8)
    assert home not in dismissed(made)
    assert home in armed(made)


def test_check_of_a_fence_device_is_nothing_that_a_node_has_left_to_guard() -> None:
    """Seed 244 of the simulation: told for a moment that it was not let go after all, the node lost its agent in that moment."""
    made = trio()
    made.set_cluster(shutdown=True)
    made.run(3)
    plan = made.nodes["n1"].plan
    assert plan is not None
    plan.status.pending = [
        PendingOperation(action_id="1-d1", resource="pdu", verb="fence", started=timestamp(0.0))
    ]
    made.run(0.2)
    assert dismissed(made) == ["n1", "n2", "n3"]

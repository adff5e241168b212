"""Nothing waits for strangers: what the DC does while an action is in flight that has nothing to do with it (design note 0014)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backstay.api import FenceDevice, HACluster, HAConstraint, HAResource, ResourceGroup
from backstay.api.plan import PlanAction
from harness.model_cluster import ModelCluster
from harness.model_node import ModelNode

SLOW_S = 60.0
TIMEOUT = "120s"


def cluster(**properties: object) -> HACluster:
    spec = {"properties": properties, "resourceDefaults": {"resourceStickiness": 1}}
    return HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})


def resource(name: str, **meta: object) -> HAResource:
    operations = [
        {"name": "monitor", "interval": "10s", "timeout": TIMEOUT},
        {"name": "start", "timeout": TIMEOUT},
        {"name": "stop", "timeout": TIMEOUT},
    ]
    spec = {
        "agent": "ocf:heartbeat:Dummy",
        "params": {"state": name},
        "operations": operations,
        "meta": meta,
    }
    return HAResource.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def group(name: str, *members: str) -> ResourceGroup:
    spec = {"members": [{"resource": member} for member in members]}
    return ResourceGroup.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def device(name: str, *targets: str) -> FenceDevice:
    spec: dict[str, object] = {"cluster": "c", "agent": "stonith:fence_sandbox"}
    if targets:
        spec["targets"] = {"nodes": list(targets)}
    return FenceDevice.parse({"metadata": {"name": name}, "spec": spec})


def constraint(name: str, **spec: object) -> HAConstraint:
    metadata = {"name": name, "namespace": "default", "uid": name, "generation": 1}
    return HAConstraint.parse({"metadata": metadata, "spec": spec})


def location(name: str, node: str, score: int | str = 100) -> HAConstraint:
    return constraint(f"{name}-{node}", location={"resource": name, "node": node, "score": score})


def slow(verb: str, *names: str, seconds: float = SLOW_S) -> Callable[[ModelNode, PlanAction], float]:
    """Operations of these resources, or fence agents, that take a minute."""

    def takes(_node: ModelNode, action: PlanAction) -> float:
        return seconds if action.verb == verb and (action.resource in names) else 0.0

    return takes


@pytest.fixture
def trio() -> ModelCluster:
    """A database on n3, a group on n1, and a DC."""
    made = ModelCluster("n1", "n2", "n3", cluster=cluster())
    made.add(device("pdu"))
    made.add(resource("fs"), resource("web"), group("app", "fs", "web"))
    made.constraints += [location("app", "n1"), location("db", "n3", "INFINITY")]
    made.run(5)
    assert made.where("web") == ["n1"]
    return made


def edit(made: ModelCluster, name: str, **meta: object) -> None:
    """An administrator changes meta attributes."""
    for number, item in enumerate(made.resources):
        if item.resource_id == name:
            changed = item.model_dump(by_alias=True, exclude_none=True)
            changed["spec"]["meta"] = {**changed["spec"].get("meta", {}), **meta}
            changed["metadata"]["generation"] += 1
            made.resources[number] = HAResource.parse(changed)


def begin_slow_start(made: ModelCluster) -> None:
    made.takes = slow("start", "db")
    made.add(resource("db"))
    made.run(2)
    assert "n3 begins start db" in made.log


def test_group_of_a_lost_node_moves_while_a_start_is_in_flight_elsewhere(trio: ModelCluster) -> None:
    begin_slow_start(trio)
    trio.crash("n1")
    trio.run(6)
    assert trio.where("web") == ["n2"]
    assert trio.where("db") == []
    trio.run(SLOW_S)
    assert trio.where("db") == ["n3"]
    assert [line for line in trio.log if line.endswith("start db")] == ["n3 begins start db", "n3 start db"]


def test_failed_monitor_recovers_in_place_while_a_start_is_in_flight_on_the_same_node(
    trio: ModelCluster,
) -> None:
    trio.constraints[-1] = location("db", "n1", "INFINITY")
    trio.takes = slow("start", "db")
    trio.add(resource("db"))
    trio.run(2)
    seen = len(trio.log)
    trio.fail_monitor("n1", "web")
    trio.run(2)
    assert trio.actions(since=seen) == ["n1 stop web", "n1 start web"]
    trio.run(SLOW_S)
    assert trio.where("db") == ["n1"]


def test_resource_disabled_while_it_starts_is_stopped_when_the_start_has_ended(trio: ModelCluster) -> None:
    begin_slow_start(trio)
    edit(trio, "db", targetRole="Stopped")
    trio.run(5)
    assert not any("stop db" in line for line in trio.log)
    trio.run(SLOW_S)
    assert [line for line in trio.actions() if "db" in line] == [
        "n3 begins start db",
        "n3 start db",
        "n3 stop db",
    ]


def test_what_is_ordered_after_a_start_in_flight_waits_for_it_across_transitions(trio: ModelCluster) -> None:
    begin_slow_start(trio)
    trio.constraints.append(constraint("db-then-ui", order={"first": "db", "then": "ui"}))
    trio.add(resource("ui"))
    trio.run(5)
    assert trio.where("ui") == []
    trio.run(SLOW_S)
    assert trio.where("ui") != []


def test_first_recurring_monitor_that_hangs_holds_nothing_up(trio: ModelCluster) -> None:
    trio.takes = slow("monitor", "db")
    trio.takes = lambda _node, action: (
        SLOW_S if action.verb == "monitor" and action.interval_ms and action.resource == "db" else 0.0
    )
    trio.add(resource("db"))
    trio.run(2)
    assert "n3 begins monitor db" in trio.log
    edit(trio, "db", targetRole="Stopped")
    trio.run(2)
    assert trio.where("db") == []
    assert "n3 ended monitor db" in trio.log


def test_two_nodes_lost_at_once_are_fenced_at_once_and_a_slow_device_delays_the_other_not() -> None:
    made = ModelCluster("n1", "n2", "n3", "n4", "n5", cluster=cluster())
    made.add(device("slow", "n1"), device("fast", "n2"))
    made.add(resource("a"), resource("b"))
    made.constraints += [location("a", "n1"), location("b", "n2")]
    made.run(5)
    assert (made.where("a"), made.where("b")) == (["n1"], ["n2"])
    made.takes = slow("fence", "slow")
    made.crash("n1")
    made.crash("n2")
    made.run(6)
    assert made.where("b") not in ([], ["n2"])
    assert made.where("a") == []
    made.run(SLOW_S)
    assert made.where("a") not in ([], ["n1"])


def test_a_stop_in_flight_delays_only_what_it_concerns(trio: ModelCluster) -> None:
    trio.add(resource("db"))
    trio.run(2)
    trio.takes = slow("stop", "db")
    edit(trio, "db", targetRole="Stopped")
    trio.run(2)
    seen = len(trio.log)
    trio.fail_monitor("n1", "web")
    trio.run(2)
    assert trio.actions(since=seen) == ["n1 stop web", "n1 start web"]
    edit(trio, "db", targetRole="Started")
    trio.run(5)
    assert [line for line in trio.actions(since=seen) if "start db" in line] == []
    trio.run(SLOW_S)
    assert trio.where("db") == ["n3"]


def test_new_dc_does_not_begin_again_what_its_predecessor_began(trio: ModelCluster) -> None:
    begin_slow_start(trio)
    trio.new_dc()
    trio.run(10)
    trio.run(SLOW_S)
    assert trio.where("db") == ["n3"]
    assert [line for line in trio.log if line.endswith("start db")] == ["n3 begins start db", "n3 start db"]


def test_cleanup_is_acknowledged_and_takes_effect_while_a_start_is_in_flight(trio: ModelCluster) -> None:
    edit(trio, "web", migrationThreshold=1)
    trio.run(1)
    trio.fail_monitor("n1", "web")
    trio.run(3)
    assert trio.where("web") == ["n2"]
    begin_slow_start(trio)
    trio.request("web", {"id": "c1", "type": "cleanup"})
    trio.run(3)
    assert [ack.state for ack in trio.acks("web")] == ["Done"]


def test_move_is_done_and_acknowledged_while_a_start_is_in_flight(trio: ModelCluster) -> None:
    begin_slow_start(trio)
    trio.add(resource("ip"))
    trio.run(2)
    (home,) = trio.where("ip")
    other = next(name for name in ("n1", "n2") if name != home)
    trio.request("ip", {"id": "m1", "type": "move", "node": other})
    trio.run(3)
    assert trio.where("ip") == [other]
    assert [ack.state for ack in trio.acks("ip")] == ["Done"]


def test_order_that_its_node_never_read_is_withdrawn_and_waited_for_until_that_is_acknowledged(
    trio: ModelCluster,
) -> None:
    trio.add(resource("ip"))
    trio.constraints += [location("ip", "n3", "INFINITY")]
    trio.deaf.add("n3")
    trio.run(1)
    trio.constraints[-1] = location("ip", "n2", "INFINITY")
    trio.run(10)
    assert trio.where("ip") == []
    trio.deaf.clear()
    trio.run(3)
    assert trio.where("ip") == ["n2"]
    assert "n3 start ip" not in trio.log


def test_limits_count_what_former_transitions_have_in_flight() -> None:
    made = ModelCluster("n1", "n2", cluster=cluster(batchLimit=2))
    made.add(device("pdu"))
    made.run(3)
    made.takes = slow("start", "a", "b")
    made.add(resource("a"), resource("b"))
    made.run(3)
    assert sum("begins start" in line for line in made.log) == 2
    edit(made, "a", targetRole="Stopped")
    edit(made, "b", targetRole="Stopped")
    made.add(resource("c"))
    made.run(5)
    assert made.where("c") == []
    made.run(SLOW_S)
    assert made.where("c") != []


def test_withdrawn_start_that_had_ended_before_its_node_read_so_is_not_taken_for_never_run(
    trio: ModelCluster,
) -> None:
    """Its node gives results only of orders that its plan holds: the record in the history tells."""
    trio.add(resource("ip"))
    trio.constraints += [location("ip", "n3", "INFINITY")]
    trio.deaf.add("n3")
    trio.run(1)
    trio.ran_unseen("n3", "ip")
    trio.constraints[-1] = location("ip", "n2", "INFINITY")
    trio.run(1)
    trio.deaf.clear()
    trio.run(3)  # DoubleActive would have been raised
    assert trio.where("ip") == ["n2"]
    assert "n3 stop ip" in trio.log

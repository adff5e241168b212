"""Fencing through the DC's loop: levels, delays, requests of administrators, unfencing, device checks, and two DCs."""

from __future__ import annotations

import pytest

from backstay.api import FenceDevice, HACluster, HAResource
from backstay.api.plan import PendingOperation, PlanAction
from backstay.api.quantities import timestamp
from backstay.coordinator.fencings import jitter_of
from harness.model_cluster import ModelCluster


def cluster(topology: list[dict[str, object]] | None = None, **properties: object) -> HACluster:
    spec = {"properties": properties, "fencingTopology": topology or []}
    return HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})


def resource(name: str, **meta: object) -> HAResource:
    spec = {"agent": "ocf:heartbeat:Dummy", "params": {"state": name}, "meta": meta}
    return HAResource.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def device(name: str, **spec: object) -> FenceDevice:
    return FenceDevice.parse(
        {"metadata": {"name": name}, "spec": {"cluster": "c", "agent": "stonith:fence_sandbox", **spec}}
    )


def trio(*devices: FenceDevice, **properties: object) -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster(**properties))  # type: ignore[arg-type]
    made.add(*devices)
    made.add(resource("fs"))
    made.run(5)
    return made


def lose_home(made: ModelCluster, seconds: float = 8.0) -> str:
    (home,) = made.where("fs")
    made.nodes[home].up = False
    made.run(seconds)
    return home


def test_a_node_with_two_power_supplies_is_off_only_when_both_are() -> None:
    made = trio(device("pdu-a", level=1), device("pdu-b", level=1))
    (home,) = made.where("fs")
    made.supplies[home] = {"pdu-a", "pdu-b"}
    lose_home(made)
    words = [line.split(": ")[1] for line in made.fence_log]
    assert words == [f"{one} {action} {home}" for action in ("off", "on") for one in ("pdu-a", "pdu-b")]
    (new,) = made.where("fs")
    assert new != home


def test_resources_start_when_the_target_is_dead_and_do_not_wait_for_it_to_be_switched_on() -> None:
    made = trio(device("pdu-a", level=1), device("pdu-b", level=1))
    made.outcome = lambda _node, action: 1 if action.fence_action == "on" else action.target_rc
    home = lose_home(made)
    (new,) = made.where("fs")
    assert new != home
    assert not [line for line in made.story if "aborted" in line]


def test_the_next_level_is_tried_when_one_device_of_the_first_fails() -> None:
    made = trio(device("pdu-a", level=1), device("pdu-b", level=1), device("ipmi", level=2))
    made.outcome = lambda _node, action: 1 if action.resource == "pdu-b" else action.target_rc
    home = lose_home(made)
    assert made.fence_log[-1].endswith(f"ipmi reboot {home}")
    (new,) = made.where("fs")
    assert new != home
    assert made.orders is not None
    (record,) = made.orders.picture.fencing[home]
    assert (record.succeeded, record.action) == (True, "reboot")
    assert record.by.startswith("ipmi on ")


def test_a_failed_fencing_is_in_the_history_with_its_reason_and_nothing_moves() -> None:
    made = trio(device("pdu"))
    made.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    (home,) = made.where("fs")
    made.nodes[home].up = False
    made.run(8)
    assert made.orders is not None
    record = made.orders.picture.fencing[home][0]
    assert not record.succeeded
    assert f"reboot of {home} by pdu on n" in record.message
    assert made.where("fs") == [home]


def test_no_device_for_the_target_is_said_so() -> None:
    made = trio(device("pdu", targets={"nodes": ["elsewhere"]}))
    home = lose_home(made)
    assert made.orders is not None
    assert made.orders.picture.fencing[home][0].message.startswith(f"no FenceDevice can fence {home}, and")


def test_after_stonith_max_attempts_it_is_not_tried_again_before_something_changes() -> None:
    made = trio(device("pdu"), stonithMaxAttempts=2)
    made.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    home = lose_home(made, 60)
    assert made.orders is not None
    tries = len(made.orders.picture.fencing[home])
    assert tries == 2
    made.run(60)
    assert len(made.orders.picture.fencing[home]) == tries
    made.outcome = lambda _node, action: action.target_rc
    made.add(resource("news"))
    made.run(5)
    assert made.where("fs") != [home]


def test_delays_travel_with_the_order() -> None:
    made = trio(device("pdu", delayBase="4s", delayMax="9s"))
    lose_home(made, 20)
    assert 4000 <= made.delays[0] < 9000
    values = [jitter_of(f"1-{number}") for number in range(200)]
    assert 0.0 <= min(values) < 0.1 < 0.9 < max(values) < 1.0


def test_the_side_that_matters_more_gets_a_head_start_when_nobody_has_the_majority() -> None:
    made = ModelCluster("n1", "n2", cluster=cluster(priorityFencingDelay="15s"))
    made.add(device("pdu"), resource("fs", priority=5))
    made.run(5)
    lose_home(made, 30)
    assert made.delays[0] == 15_000


def test_the_side_that_matters_less_gets_none() -> None:
    made = ModelCluster("n1", "n2", cluster=cluster(priorityFencingDelay="15s"))
    made.add(device("pdu"), resource("fs", priority=5))
    made.run(5)
    (home,) = made.where("fs")
    other = next(name for name in made.nodes if name != home)
    # Something runs there, or it would be offline without fencing.
    made.add(resource("small"))
    made.run(3)
    made.nodes[other].up = False
    made.run(10)
    assert made.delays == [0]


@pytest.mark.parametrize("action", ["off", "reboot", None])
def test_an_administrators_fencing_of_a_healthy_node_is_done_once(action: str | None) -> None:
    made = trio(device("pdu"))
    (home,) = made.where("fs")
    made.request_node(home, {"id": "r1", "type": "fence", **({"action": action} if action else {})})
    made.run(10)
    assert [line.split(": ")[1] for line in made.fence_log] == [f"pdu {action or 'reboot'} {home}"]
    assert [(ack.id, ack.state) for ack in made.node_acks(home)] == [("r1", "Done")]
    (new,) = made.where("fs")
    assert new != home
    made.boot(home)
    made.run(10)
    assert len(made.fence_log) == 1
    assert made.orders is not None
    assert home in made.orders.picture.membership.online


def test_an_administrators_fencing_that_fails_is_refused_and_not_tried_for_ever() -> None:
    made = trio(device("pdu"))
    (home,) = made.where("fs")
    made.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    made.request_node(home, {"id": "r1", "type": "fence"})
    made.run(30)
    assert [(ack.id, ack.state) for ack in made.node_acks(home)] == [("r1", "Refused")]
    assert "by pdu on" in made.node_acks(home)[0].message
    tries = len(made.fence_log)
    made.run(60)
    assert len(made.fence_log) == tries
    assert made.where("fs") == [home]


def test_on_switches_a_node_on_and_fences_nobody() -> None:
    made = trio(device("pdu"))
    (home,) = made.where("fs")
    other = next(name for name in made.nodes if name != home)
    made.request_node(other, {"id": "r1", "type": "fence", "action": "off"})
    made.run(6)
    made.request_node(other, {"id": "r2", "type": "fence", "action": "on"})
    made.run(3)
    assert [line.split(": ")[1] for line in made.fence_log] == [f"pdu off {other}", f"pdu on {other}"]
    assert [(ack.id, ack.state) for ack in made.node_acks(other)] == [("r1", "Done"), ("r2", "Done")]


def test_confirming_a_node_that_is_heard_is_refused() -> None:
    made = trio(device("pdu"))
    (home,) = made.where("fs")
    made.request_node(home, {"id": "r1", "type": "confirm"})
    made.run(3)
    assert [ack.state for ack in made.node_acks(home)] == ["Refused"]
    assert made.where("fs") == [home]


def test_fence_agent_of_a_former_dc_is_waited_for() -> None:
    made = trio(device("pdu"))
    (home,) = made.where("fs")
    executor = next(name for name in made.nodes if name != home)
    plan = made.nodes[executor].plan
    assert plan is not None
    mark = PendingOperation(
        action_id="0-1-1-f0", resource="pdu", verb="fence", target=home, started=timestamp(made.wall)
    )
    plan.status.pending = [mark]
    lose_home(made, 10)
    assert made.fence_log == []
    plan = made.nodes[executor].plan
    assert plan is not None
    plan.status.pending = []
    made.run(3)
    assert len(made.fence_log) == 1


def test_a_device_that_does_one_thing_at_a_time_is_asked_one_thing_at_a_time() -> None:
    made = ModelCluster("n1", "n2", "n3", "n4", "n5", cluster=cluster())
    made.add(device("pdu"), resource("a"), resource("b"), resource("c"), resource("d"), resource("e"))
    made.run(5)
    at: list[float] = []

    def note(_node: object, action: PlanAction) -> int:
        if action.verb == "fence" and action.fence_action != "monitor":
            at.append(made.now)
        return action.target_rc

    made.outcome = note
    made.nodes["n1"].up = made.nodes["n2"].up = False
    made.run(10)
    assert sorted(line.split(": ")[1] for line in made.fence_log) == ["pdu reboot n1", "pdu reboot n2"]
    assert len(set(at)) == 2
    made.devices[0] = device("pdu", actionLimit=-1)
    made.nodes["n3"].up = True
    for name in ("n1", "n2"):
        made.boot(name)
    made.run(10)
    made.nodes["n1"].up = made.nodes["n2"].up = False
    made.run(10)
    assert len(at) == 4
    assert len(set(at[2:])) == 1


def test_nodes_are_let_in_before_anything_runs_there() -> None:
    made = trio(device("scsi", unfencing=True))
    (home,) = made.where("fs")
    assert f"scsi on {home}" in " ".join(made.fence_log)
    first = made.log.index(next(line for line in made.log if line.endswith(f"fence {home} on")))
    assert first < made.log.index(f"{home} start fs")
    known = len(made.fence_log)
    made.new_dc()
    made.run(10)
    assert len(made.fence_log) == known


def test_a_rebooted_node_is_let_in_anew() -> None:
    made = trio(device("scsi", unfencing=True))
    home = lose_home(made)
    made.boot(home)
    seen = len(made.fence_log)
    made.run(5)
    made.set_node(next(iter(made.where("fs"))), standby=True)
    for name in made.nodes:
        if name != home:
            made.set_node(name, standby=True)
    made.run(5)
    assert made.where("fs") == [home]
    assert any(line.endswith(f"scsi on {home}") for line in made.fence_log[seen:])


def test_devices_are_checked_from_one_node_after_the_other_and_the_lame_one_is_asked_last() -> None:
    made = trio(device("pdu", monitorInterval="5s"))
    made.outcome = lambda node, action: (
        1 if node.name == "n2" and action.fence_action == "monitor" else action.target_rc
    )
    made.run(20)
    assert made.orders is not None
    checks = {one.node: bool(one.message) for one in made.orders.picture.device_checks["pdu"]}
    assert checks == {"n1": False, "n2": True, "n3": False}
    assert [line for line in made.story if "fence device pdu cannot be reached" in line]
    (home,) = made.where("fs")
    if home == "n2":
        return
    made.nodes[home].up = False
    made.run(8)
    assert not made.fence_log[0].startswith("n2")

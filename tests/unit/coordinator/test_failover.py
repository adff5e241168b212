"""The DC's loop against model nodes: what starts, what moves, what is fenced first, and what is left alone."""

from __future__ import annotations

import pytest

from backstay.api import FenceDevice, HACluster, HAResource, ResourceGroup
from backstay.coordinator import Orders
from harness.model_cluster import ModelCluster

DUMMY = "ocf:heartbeat:Dummy"


def cluster(**properties: object) -> HACluster:
    spec = {"properties": properties, "resourceDefaults": {"resourceStickiness": 1}}
    return HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})


def resource(name: str, **meta: object) -> HAResource:
    operations = [{"name": "monitor", "interval": "10s"}]
    spec = {"agent": DUMMY, "params": {"state": name}, "operations": operations, "meta": meta}
    return HAResource.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def group(name: str, *members: str) -> ResourceGroup:
    spec = {"members": [{"resource": member} for member in members]}
    return ResourceGroup.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def power_switch() -> FenceDevice:
    return FenceDevice.parse(
        {"metadata": {"name": "pdu"}, "spec": {"cluster": "c", "agent": "stonith:fence_sandbox"}}
    )


@pytest.fixture
def trio() -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster())
    made.add(power_switch())
    return made


def test_group_starts_in_order_with_one_plan_write(trio: ModelCluster) -> None:
    trio.add(resource("fs"), resource("vip"), resource("web"), group("app", "fs", "vip", "web"))
    trio.run(5)
    (home,) = trio.where("web")
    assert trio.actions() == [f"{home} start fs", f"{home} start vip", f"{home} start web"]


def test_lost_node_is_fenced_before_its_group_starts_elsewhere(trio: ModelCluster) -> None:
    trio.add(resource("fs"), resource("web"), group("app", "fs", "web"))
    trio.run(5)
    (home,) = trio.where("web")
    seen = len(trio.log)
    trio.crash(home)
    trio.run(6)
    (new,) = trio.where("web")
    assert new != home
    after = trio.actions(since=seen)
    assert after[0].endswith(f"fence {home}")
    assert after[1:] == [f"{new} start fs", f"{new} start web"]


def test_what_requires_quorum_moves_on_lease_expiry_without_waiting_for_the_fence(trio: ModelCluster) -> None:
    trio.add(resource("ip", requires="quorum"))
    trio.run(5)
    (home,) = trio.where("ip")
    trio.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    trio.crash(home)
    trio.run(4)
    assert trio.where("ip") not in ([], [home])


def test_nothing_moves_from_a_lost_node_that_cannot_be_fenced(trio: ModelCluster) -> None:
    trio.add(resource("fs"))
    trio.run(5)
    (home,) = trio.where("fs")
    seen = len(trio.log)
    trio.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    trio.nodes[home].up = False  # silent, and for all we know still running
    trio.run(30)
    assert not [line for line in trio.actions(since=seen) if " start " in line]


def test_cut_off_node_has_released_the_address_before_another_takes_it(trio: ModelCluster) -> None:
    trio.add(resource("ip", requires="quorum"))
    trio.run(5)
    (home,) = trio.where("ip")
    trio.cut(home)
    trio.run(6)  # DoubleActive would have been raised
    (new,) = trio.where("ip")
    assert new != home


def test_clean_stop_of_a_node_moves_its_resources_in_order(trio: ModelCluster) -> None:
    trio.add(resource("fs"), resource("web"), group("app", "fs", "web"))
    trio.run(5)
    (home,) = trio.where("web")
    seen = len(trio.log)
    trio.set_node(home, shutdown=True)
    trio.run(3)
    (new,) = trio.where("web")
    assert trio.actions(since=seen) == [
        f"{home} stop web",
        f"{home} stop fs",
        f"{new} start fs",
        f"{new} start web",
    ]


def test_failed_monitor_recovers_in_place(trio: ModelCluster) -> None:
    trio.add(resource("web", migrationThreshold=3))
    trio.run(5)
    (home,) = trio.where("web")
    seen = len(trio.log)
    trio.fail_monitor(home, "web")
    trio.run(3)
    assert trio.actions(since=seen) == [f"{home} stop web", f"{home} start web"]


def test_resource_moves_when_failures_reach_the_threshold(trio: ModelCluster) -> None:
    trio.add(resource("web", migrationThreshold=2))
    trio.run(5)
    (home,) = trio.where("web")
    for _ in range(2):
        trio.fail_monitor(home, "web")
        trio.run(3)
    (new,) = trio.where("web")
    assert new != home
    assert any(line.startswith(f"Moved {home} -> {new}") for line in trio.story)


@pytest.mark.parametrize("fresh_eyes", [False, True])
def test_change_of_dc_touches_no_healthy_resource(trio: ModelCluster, fresh_eyes: bool) -> None:
    trio.add(resource("fs"), resource("web"), group("app", "fs", "web"), resource("ip", requires="quorum"))
    trio.run(5)
    seen = len(trio.log)
    trio.new_dc(fresh_eyes=fresh_eyes)
    trio.run(10)
    assert trio.actions(since=seen) == []


def test_dc_lost_together_with_the_active_node_still_fences_first(trio: ModelCluster) -> None:
    trio.add(resource("fs"))
    trio.run(5)
    (home,) = trio.where("fs")
    seen = len(trio.log)
    trio.crash(home)
    trio.run(1)
    trio.new_dc()
    trio.run(6)
    (new,) = trio.where("fs")
    assert new != home
    assert f"fence {home}" in trio.actions(since=seen)[0]


def test_fenced_node_comes_back_and_nothing_moves_to_it(trio: ModelCluster) -> None:
    trio.add(resource("fs"))
    trio.run(5)
    (home,) = trio.where("fs")
    trio.crash(home)
    trio.run(6)
    (new,) = trio.where("fs")
    seen = len(trio.log)
    trio.boot(home)
    trio.run(6)
    assert trio.where("fs") == [new]
    assert trio.actions(since=seen) == []
    assert trio.orders is not None
    assert home in trio.orders.picture.membership.online


def test_minority_stops_what_it_has(trio: ModelCluster) -> None:
    trio.add(resource("ip", requires="quorum"))
    trio.run(5)
    (home,) = trio.where("ip")
    for name in trio.nodes:
        if name != home:
            trio.crash(name)
    trio.run(8)
    assert trio.where("ip") == []
    assert "Quorum lost" in trio.story


def test_quiet_cluster_begins_no_transition(trio: ModelCluster) -> None:
    trio.add(resource("fs"), resource("ip", requires="quorum"))
    trio.run(5)
    assert trio.dc is not None
    number = trio.dc.number
    trio.run(30)
    assert trio.dc.number == number


def test_move_request_moves_at_once_and_leaves_nothing_behind(trio: ModelCluster) -> None:
    trio.add(resource("ip"))
    trio.run(5)
    (home,) = trio.where("ip")
    target = next(name for name in trio.nodes if name != home)
    trio.request("ip", {"id": "r1", "type": "move", "node": target})
    trio.run(2)
    assert trio.where("ip") == [target]
    assert [(ack.id, ack.state) for ack in trio.acks("ip")] == [("r1", "Done")]
    trio.run(10)
    assert trio.where("ip") == [target]


def test_move_to_a_node_that_cannot_run_it_is_refused_and_moves_nothing(trio: ModelCluster) -> None:
    trio.add(resource("ip"))
    trio.run(5)
    (home,) = trio.where("ip")
    target = next(name for name in trio.nodes if name != home)
    trio.set_node(target, standby=True)
    trio.run(1)
    trio.request("ip", {"id": "r1", "type": "move", "node": target})
    trio.run(3)
    assert trio.where("ip") == [home]
    assert [ack.state for ack in trio.acks("ip")] == ["Refused"]


def test_fencing_is_no_surprise_to_the_transition_that_ordered_it(trio: ModelCluster) -> None:
    trio.add(resource("fs"), resource("web"), group("app", "fs", "web"))
    trio.run(5)
    (home,) = trio.where("web")
    trio.crash(home)
    trio.run(6)
    assert not [line for line in trio.story if "aborted" in line]
    assert f"Moved {home} -> {trio.where('web')[0]}: node {home} lost" in trio.story


def test_failed_fencing_is_tried_again_and_again_with_pauses(trio: ModelCluster) -> None:
    trio.add(resource("fs"))
    trio.run(5)
    (home,) = trio.where("fs")
    seen = len(trio.log)
    trio.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    trio.nodes[home].up = False
    trio.run(60)
    tries = [line for line in trio.log[seen:] if " fence " in line]
    assert 4 <= len(tries) <= 20


def test_node_that_let_go_in_a_short_cut_is_asked_anew_by_the_next_dc(trio: ModelCluster) -> None:
    trio.add(resource("ip", requires="quorum"))
    trio.run(5)
    (home,) = trio.where("ip")
    trio.cut(home)
    trio.run(2.3)  # it has let go, but its lease has not run out for anybody
    assert trio.where("ip") == []
    trio.heal(home)
    trio.new_dc()
    trio.run(3)
    assert len(trio.where("ip")) == 1
    assert trio.orders is not None
    assert home in trio.orders.picture.membership.online


def test_order_that_a_node_never_read_does_not_reach_it_when_it_is_back() -> None:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster(stonithEnabled=False))
    made.add(resource("ip", requires="quorum"))
    made.run(6)
    (home,) = made.where("ip")
    other = next(name for name in made.nodes if name != home)
    made.cut(other)
    made.request("ip", {"id": "m", "type": "move", "node": other})
    made.run(2)  # the order to start it stands in the plan of a node that cannot read it
    plan = made.nodes[other].plan
    assert plan is not None
    assert [one.verb for one in plan.spec.actions if one.resource == "ip"][:1] == ["start"]
    made.run(6)
    assert made.where("ip") not in ([], [other])
    made.heal(other)
    made.run(5)  # DoubleActive would have been raised
    assert made.where("ip") != [other]


def test_more_than_a_plan_holds_is_sent_bit_by_bit() -> None:
    alone = ModelCluster("n1", cluster=cluster(stonithEnabled=False))
    alone.add(*(resource(f"r{number}") for number in range(1100)))
    longest = 0

    def watch(_objects: object, orders: Orders) -> None:
        nonlocal longest
        longest = max(longest, *(len(plan.actions) for plan in orders.plans.values()))

    alone.watchers.append(watch)
    alone.run(20, step=0.5)
    assert len(alone.nodes["n1"].active) == 1100
    assert longest <= 1024


@pytest.mark.parametrize("vouches", [False, True])
def test_dc_has_nothing_to_do_while_a_node_stays_silent(trio: ModelCluster, vouches: bool) -> None:
    """It had taken step after step for as long as a node was silent that no peers vouch for."""
    trio.vouches = vouches
    trio.add(resource("fs"))
    trio.run(5)
    trio.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    trio.crash("n3")
    trio.run(12)
    assert trio.orders is not None
    assert trio.orders.wake_in > 0.05

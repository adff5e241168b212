"""Takeover by the lost node's own watchdog: only when it was armed, only after the delay, only when nothing newer is in the API."""

from __future__ import annotations

import pytest

from backstay.api import FenceDevice, HACluster, HAResource
from backstay.coordinator.watchdogs import watchdog_rule
from backstay.liveness import WatchdogClaim
from harness.model_cluster import ModelCluster

CLAIM = WatchdogClaim(deadline_s=3.0, timeout_s=5.0)
DELAY_S = 20.0


def cluster(**watchdog: object) -> HACluster:
    spec = {"watchdog": watchdog or {}, "properties": {}}
    return HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})


def resource(name: str, **meta: object) -> HAResource:
    spec = {"agent": "ocf:heartbeat:Dummy", "params": {"state": name}, "meta": meta}
    return HAResource.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def trio(*, vouches: bool = True, claim: WatchdogClaim | None = CLAIM, **watchdog: object) -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster(**watchdog))
    made.vouches = vouches
    made.claim = claim
    made.add(resource("fs"))
    made.run(5)
    return made


def lose(made: ModelCluster) -> str:
    (home,) = made.where("fs")
    made.nodes[home].up = False  # frozen: it would go on if it were thawed
    return home


def test_resource_moves_without_a_device_when_the_delay_has_passed_and_not_before() -> None:
    made = trio()
    home = lose(made)
    made.run(DELAY_S - 0.5)
    assert made.where("fs") == [home]
    made.nodes[home].active.clear()  # the watchdog has bitten long since
    made.run(2.0)
    (new,) = made.where("fs")
    assert new != home
    assert f"Node {home} fenced (watchdog) by its own watchdog" in made.story
    assert made.hanodes[home].status.fenced is not None


def test_without_an_armed_watchdog_it_stays_and_the_history_says_what_to_do() -> None:
    made = trio(claim=None)
    home = lose(made)
    made.run(60)
    assert made.where("fs") == [home]
    assert made.orders is not None
    message = made.orders.picture.fencing[home][0].message
    assert "no FenceDevice can fence" in message
    assert "watchdog was not armed" in message
    assert f"kubectl ha fence confirm {home}" in message


def test_a_claim_that_the_delay_does_not_cover_proves_nothing() -> None:
    made = trio(claim=WatchdogClaim(deadline_s=3.0, timeout_s=9.0))
    home = lose(made)
    made.run(60)
    assert made.where("fs") == [home]


def test_unsafe_numbers_prove_nothing_and_arm_nobody() -> None:
    unsafe = cluster(takeoverDelayMilliseconds=15_000)
    assert watchdog_rule(unsafe) is None
    assert watchdog_rule(cluster()) is not None
    made = trio(takeoverDelayMilliseconds=15_000)
    assert made.orders is not None
    assert all(plan.watchdog is None for plan in made.orders.plans.values())


def test_nodes_are_told_to_arm_only_where_peers_can_be_asked() -> None:
    assert trio().orders.plans["n1"].watchdog is not None  # type: ignore[union-attr]
    assert trio(vouches=False).orders.plans["n1"].watchdog is None  # type: ignore[union-attr]


def test_a_renewal_in_between_begins_the_delay_anew() -> None:
    made = trio()
    home = lose(made)
    made.run(15)
    made.nodes[home].up = True
    made.run(0.1)
    made.nodes[home].up = False
    made.run(DELAY_S - 1.0)
    assert made.where("fs") == [home]


def test_a_watch_alone_proves_nothing() -> None:
    made = trio()
    home = lose(made)
    made.lists = False
    made.run(40)
    assert made.where("fs") == [home]
    assert made.tracker.needs_read(made.now)
    made.nodes[home].active.clear()
    made.lists = True
    made.run(2)
    assert made.where("fs") != [home]


def test_delay_counts_anew_for_a_dc_that_has_not_seen_the_renewal() -> None:
    made = trio()
    home = lose(made)
    made.run(15)
    made.new_dc(fresh_eyes=True)
    made.run(DELAY_S - 0.5)
    assert made.where("fs") == [home]
    made.nodes[home].active.clear()
    made.run(4)
    assert made.where("fs") != [home]


def test_no_takeover_while_no_quorum_stands_behind_it() -> None:
    made = trio()
    home = lose(made)
    for name in made.nodes:
        made.nodes[name].promised = True
    made.run(60)
    assert made.where("fs") == [home]
    for name in made.nodes:
        made.nodes[name].promised = False
    seen = made.now
    made.run(15.0)  # until the promises ended it may have been fed: 3 W + R from then
    assert made.where("fs") == [home]
    made.nodes[home].active.clear()
    made.run(3.0)
    assert made.where("fs") != [home]
    assert made.now - seen < DELAY_S


@pytest.mark.parametrize("works", [True, False])
def test_a_fence_device_is_tried_at_once_and_the_watchdog_is_what_is_left(works: bool) -> None:
    made = trio()
    made.add(
        FenceDevice.parse(
            {"metadata": {"name": "pdu"}, "spec": {"cluster": "c", "agent": "stonith:fence_sandbox"}}
        )
    )
    made.run(3)
    made.outcome = lambda _node, action: 1 if action.verb == "fence" and not works else action.target_rc
    home = lose(made)
    made.run(6)
    assert (made.where("fs") != [home]) == works
    made.nodes[home].active.clear()
    made.run(DELAY_S)
    assert made.where("fs") != [home]


def test_a_node_that_comes_back_before_the_delay_keeps_what_it_has() -> None:
    made = trio()
    home = lose(made)
    made.run(10)
    made.nodes[home].up = True
    made.run(30)
    assert made.where("fs") == [home]
    assert made.orders is not None
    assert home in made.orders.picture.membership.online

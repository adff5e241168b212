"""Vouching from the DC's side: who is counted, what a takeover waits for, and what a node that comes back still has."""

from __future__ import annotations

import pytest

from backstay.api import HACluster
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import resource


def model(*names: str, **properties: object) -> ModelCluster:
    spec = {"properties": {"stonithEnabled": False, **properties}}
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})
    made = ModelCluster(*names, cluster=cluster)
    made.vouches = True
    made.add(resource("ip", requires="quorum"))
    made.run(6)
    return made


@pytest.fixture
def trio() -> ModelCluster:
    return model("n1", "n2", "n3")


def peers(made: ModelCluster, name: str) -> list[str] | None:
    plan = made.nodes[name].plan
    assert plan is not None
    return [one.name for one in plan.spec.vouching.peers] if plan.spec.vouching else None


def keys(cluster: ModelCluster, name: str) -> dict[str, str]:
    plan = cluster.nodes[name].plan
    assert plan is not None
    assert plan.spec.vouching is not None
    return {one.name: one.key for one in plan.spec.vouching.peers}


def test_every_member_knows_all_others(trio: ModelCluster) -> None:
    assert [peers(trio, name) for name in trio.nodes] == [["n2", "n3"], ["n1", "n3"], ["n1", "n2"]]


def test_nobody_vouches_where_a_quorum_is_not_needed_for_a_takeover() -> None:
    assert peers(model("n1", "n2", "n3", noQuorumPolicy="ignore"), "n1") is None


def test_member_that_cannot_take_part_keeps_no_other_from_vouching(trio: ModelCluster) -> None:
    """Else an agent that was taken over would stop every service of the cluster at the next outage of the API."""
    plan = trio.nodes["n3"].plan
    assert plan is not None
    for key in ("", "no key", "F" * 64, "0" * 63 + "\n"):
        trio.nodes["n3"].obeys = False
        plan.status.vouching_key = key
        trio.run(1)
        assert peers(trio, "n1") == ["n2", "n3"]
        assert peers(trio, "n3") is None
        assert keys(trio, "n1")["n3"] == ""


def test_each_plan_carries_the_keys_that_peers_have_published_and_no_secret(trio: ModelCluster) -> None:
    published = {name: node.plan.status.vouching_key for name, node in trio.nodes.items() if node.plan}
    assert keys(trio, "n1") == {"n2": published["n2"], "n3": published["n3"]}
    assert len(set(published.values())) == 3


def test_takeover_from_a_dead_node_comes_as_soon_as_its_lease_has_run_out(trio: ModelCluster) -> None:
    (home,) = trio.where("ip")
    trio.crash(home)
    trio.run(2.9)
    assert trio.where("ip") == []
    trio.run(0.5)
    assert trio.where("ip") not in ([], [home])


def test_others_are_challenged_once_for_a_silence(trio: ModelCluster) -> None:
    (home,) = trio.where("ip")
    other = next(name for name in trio.nodes if name != home)
    trio.crash(home)
    trio.run(20)
    plan = trio.nodes[other].plan
    assert plan is not None
    assert plan.spec.beat == 1_000_001


def test_peer_that_has_promised_is_not_counted_for_the_takeover(trio: ModelCluster) -> None:
    (home,) = trio.where("ip")
    other = next(name for name in trio.nodes if name != home)
    trio.nodes[home].vouched = True
    trio.nodes[other].promised = True
    trio.cut(home)
    trio.run(10)  # DoubleActive would have been raised
    assert trio.where("ip") == [home]
    trio.nodes[home].vouched = False
    trio.nodes[other].promised = False
    trio.run(1)
    assert trio.where("ip") not in ([], [home])


def test_node_that_lived_by_promises_is_left_alone_when_it_is_back(trio: ModelCluster) -> None:
    (home,) = trio.where("ip")
    other = next(name for name in trio.nodes if name != home)
    trio.nodes[home].vouched = True
    trio.nodes[other].promised = True
    trio.cut(home)
    trio.run(10)
    seen = len(trio.log)
    trio.nodes[other].promised = False
    trio.nodes[home].vouched = False
    trio.heal(home)
    trio.run(10)
    assert trio.where("ip") == [home]
    assert trio.actions(since=seen) == []


def test_majority_that_is_cut_off_is_not_taken_over_from(trio: ModelCluster) -> None:
    (home,) = trio.where("ip")
    other = next(name for name in trio.nodes if name != home)
    for name in (home, other):
        trio.nodes[name].vouched = True
        trio.cut(name)
    trio.run(30)
    assert trio.where("ip") == [home]
    for name in (home, other):
        trio.nodes[name].vouched = False
        trio.heal(name)
    trio.run(10)
    assert trio.where("ip") == [home]


def test_new_dc_takes_over_from_a_node_that_its_predecessor_lost(trio: ModelCluster) -> None:
    (home,) = trio.where("ip")
    trio.crash(home)
    trio.run(2)
    trio.new_dc()
    trio.run(1.5)
    assert trio.where("ip") not in ([], [home])


def test_node_that_is_silent_keeps_the_peers_that_it_knows(trio: ModelCluster) -> None:
    (home,) = trio.where("ip")
    trio.cut(home)
    trio.run(5)
    before = peers(trio, home)
    trio.vouches = False
    trio.run(5)
    assert peers(trio, home) == before


def test_one_of_two_with_the_api_is_enough() -> None:
    duo = model("n1", "n2")
    (home,) = duo.where("ip")
    duo.cut(home)
    duo.run(4)
    assert duo.where("ip") not in ([], [home])

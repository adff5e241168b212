"""The storm brake in the DC's loop, under every noQuorumPolicy: nothing is done about many that were lost at once, and it is said."""

from __future__ import annotations

import pytest

from backstay.coordinator import brake_words
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, power_switch, resource

POLICIES = ("ignore", "stop", "freeze", "demote", "fence")


def model(count: int, policy: str) -> ModelCluster:
    """One resource of each `requires` on every node, so that whoever is lost has something that could be taken over."""
    names = [f"n{number}" for number in range(1, count + 1)]
    made = ModelCluster(*names, cluster=cluster(noQuorumPolicy=policy))
    made.add(power_switch())
    for number in range(count):
        made.add(resource(f"db{number}"), resource(f"ip{number}", requires="quorum"))
    made.run(8)
    return made


def engaged(made: ModelCluster) -> bool:
    assert made.orders is not None
    return made.orders.picture.membership.brake.engaged


@pytest.mark.parametrize("policy", POLICIES)
def test_two_of_three_lost_together_are_neither_fenced_nor_taken_over_from(policy: str) -> None:
    made = model(3, policy)
    held = {name: made.where(name) for name in ("db0", "db1", "db2")}
    lost = {"n2", "n3"}
    for name in lost:
        made.nodes[
            name
        ].vouched = True  # cut off, alive, and going on: a start of what runs there raises DoubleActive
        made.cut(name)
    seen = len(made.log)
    made.run(60)
    assert engaged(made)
    assert made.fence_log == []
    assert [line for line in made.actions(since=seen) if " start " in line] == []
    for name, where in held.items():
        if set(where) <= lost:
            assert made.where(name) == where


@pytest.mark.parametrize("policy", POLICIES)
def test_brake_is_told_when_it_goes_on_and_when_it_is_lifted(policy: str) -> None:
    made = model(3, policy)
    for name in ("n2", "n3"):
        made.cut(name)
    made.run(10)
    assert made.orders is not None
    words = brake_words(made.orders.picture.membership)
    assert words.startswith("2 of 3 nodes fell silent together (n2 n3)")
    assert "kubectl ha fence confirm n2" in words
    assert sum(line.startswith("Storm brake on: ") for line in made.story) == 1
    made.heal("n2")
    made.run(5)
    assert not engaged(made)
    assert made.story.count("Storm brake off: a quorum is heard again") == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_after_the_brake_the_one_that_stays_away_is_fenced_and_its_resources_move(policy: str) -> None:
    made = model(3, policy)
    for name in ("n2", "n3"):
        made.crash(name)
    made.run(10)
    assert made.fence_log == []
    made.boot("n2")
    made.run(20)
    assert made.fence_log == ["n1: pdu reboot n3"] or made.fence_log == ["n2: pdu reboot n3"]
    for name in ("db0", "db1", "db2", "ip0", "ip1", "ip2"):
        assert made.where(name) in (["n1"], ["n2"])


def test_administrator_lifts_the_brake_by_confirming_enough_of_the_lost() -> None:
    made = model(3, "ignore")
    for name in ("n2", "n3"):
        made.crash(name)
    made.run(10)
    assert engaged(made)
    made.request_node("n2", {"id": "seen", "type": "confirm"})
    made.run(15)
    assert not engaged(made)
    assert "Storm brake off: few enough nodes are unaccounted for" in made.story
    assert made.fence_log == ["n1: pdu reboot n3"]
    assert made.where("db1") == made.where("db2") == ["n1"]


@pytest.mark.parametrize("policy", ["stop", "freeze", "demote"])
def test_administrators_fence_request_is_obeyed_in_a_storm(policy: str) -> None:
    made = model(3, policy)
    for name in ("n2", "n3"):
        made.crash(name)
    made.run(10)
    made.request_node("n3", {"id": "now", "type": "fence"})
    made.run(5)
    assert made.fence_log == ["n1: pdu reboot n3"]


def test_without_quorum_the_ignoring_survivor_still_minds_its_own_resources_in_a_storm() -> None:
    made = model(3, "ignore")
    own = next(name for name in ("db0", "db1", "db2") if made.where(name) == ["n1"])
    for name in ("n2", "n3"):
        made.crash(name)
    made.run(10)
    made.fail_monitor("n1", own)
    made.run(5)
    assert made.where(own) == ["n1"]


def test_first_of_two_that_vanish_half_a_second_apart_is_not_fenced_before_the_second_is_missed() -> None:
    made = model(3, "ignore")
    made.cut("n2")
    made.run(0.5)
    made.cut("n3")
    made.run(30)
    assert engaged(made)
    assert made.fence_log == []


def test_fencing_that_has_begun_goes_on_to_no_second_try_once_the_quorum_is_lost() -> None:
    made = model(3, "freeze")
    made.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    made.crash("n3")
    made.run(3.6)
    tries = len(made.fence_log)
    assert tries > 0
    made.crash("n2")
    made.run(3.2)
    tries = len(made.fence_log)
    made.run(60)
    assert len(made.fence_log) == tries


def test_silence_of_the_api_does_not_lift_the_brake() -> None:
    """Seed 724 of the simulation: all ages began anew, nobody was silent for a moment, and all who had been were fenced."""
    made = model(3, "ignore")
    for name in ("n2", "n3"):
        made.cut(name)
    made.run(10)
    assert engaged(made)
    made.tracker.begin_anew(made.now)
    made.run(10)
    assert engaged(made)
    assert made.fence_log == []

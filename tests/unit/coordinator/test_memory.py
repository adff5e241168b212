"""A DC that keeps what did not change decides, step by step, as one that looks at everything anew; a quiet cluster is not looked at."""

from __future__ import annotations

import random

import pytest

from backstay.coordinator import Coordinator, Orders, View
from backstay.coordinator.fingerprint import Printer
from backstay.coordinator.sight import Sight
from backstay.state.assemble import Memory
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, group, power_switch, resource

NODES = ("n1", "n2", "n3")


class Forgetful(Coordinator):
    """Keeps nothing from one step to the next but what a DC has to."""

    def step(self, view: View) -> Orders:
        self._memory, self._sight, self._prints = Memory(), Sight(), Printer()
        self._members._footprints.clear()
        return super().step(view)


class ForgetfulCluster(ModelCluster):
    def new_dc(self, *, fresh_eyes: bool = False) -> None:
        super().new_dc(fresh_eyes=fresh_eyes)
        self.dc = Forgetful(cluster="c", epoch=self.epoch, number=0, tracker=self.tracker, homes={})


def made(kind: type[ModelCluster]) -> ModelCluster:
    """Groups and single resources, of which some fail for a while and some need no fencing."""
    one = kind(*NODES, cluster=cluster())
    one.add(power_switch())
    for name in "abc":
        one.add(resource(name, failureTimeout="20s", migrationThreshold=2))
    one.add(resource("d", requires="quorum"), resource("e", priority=5), group("g", "a", "b"))
    return one


def happen(one: ModelCluster, chance: random.Random) -> None:
    """Something that happens to clusters."""
    node, name = chance.choice(NODES), chance.choice("abcde")
    running = {active for host in one.nodes.values() if host.up for active in host.active}
    match chance.randrange(9):
        case 0:
            one.crash(node)
        case 1:
            one.boot(node)
        case 2:
            one.set_node(node, standby=chance.random() < 0.5)
        case 3 if name in one.nodes[node].active and one.nodes[node].up:
            one.fail_monitor(node, name)
        case 4:
            one.cut(node)
        case 5:
            one.heal(node)
        case 6:
            one.add(resource(f"x{len(one.resources)}"))
        case 7 if name in running:
            one.request(name, {"id": f"m{one.now:.0f}", "type": "move", "node": node})
        case 8:
            one.new_dc()
        case _:
            pass


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_changes_no_decision(seed: int) -> None:
    pair = [made(ModelCluster), made(ForgetfulCluster)]
    chances = [random.Random(seed), random.Random(seed)]
    for _ in range(14):
        for one, chance in zip(pair, chances, strict=True):
            happen(one, chance)
            one.run(chance.choice([0.3, 1.0, 4.0, 25.0]), step=0.1)
        keeping, forgetful = pair
        assert keeping.log == forgetful.log
        assert keeping.story == forgetful.story
        assert keeping.orders is not None
        assert forgetful.orders is not None
        assert keeping.orders.plans == forgetful.orders.plans
        assert keeping.orders.picture.assembly.state == forgetful.orders.picture.assembly.state
        assert keeping.orders.picture.active == forgetful.orders.picture.active


def test_a_quiet_cluster_is_looked_at_once() -> None:
    one = made(ModelCluster)
    one.run(10)
    assert one.dc is not None
    looks, state = one.dc._sight.looks, one.orders.picture.assembly.state if one.orders else None
    one.run(30)
    assert one.dc._sight.looks == looks
    assert state is not None
    assert one.orders is not None
    assert one.orders.picture.assembly.state.histories is state.histories
    assert one.orders.picture.assembly.state.resources is state.resources


def test_a_failure_that_expires_is_seen_although_nothing_was_written() -> None:
    one = made(ModelCluster)
    one.run(5)
    (home,) = one.where("c")
    one.fail_monitor(home, "c")
    one.run(3)
    assert one.nodes[home].plan is not None
    assert one.nodes[home].plan.status.failures
    one.run(40)
    assert not one.nodes[home].plan.status.failures

"""Thousands of objects that the API accepts: a step of the DC holds back or returns, whatever they say.

They go the way that objects of the API go: the operator's cache, its parser, a step with scheduling on trial, explanations, statuses
and metrics. `BACKSTAY_FUZZ_CLUSTERS` draws more clusters; each has about twenty objects.
"""

from __future__ import annotations

import os
import random
import traceback
from dataclasses import replace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from backstay.api import (
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HANodePlan,
    HAResource,
    Resource,
    ResourceGroup,
)
from backstay.coordinator import Coordinator, View
from backstay.coordinator.words import reason_lines, summary_lines
from backstay.liveness import LeaseTracker, NodeLease
from backstay.scheduler import schedule
from backstay.state.codec import dump_state, load_state
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.kinds import Kind
from backstay_nodeagent.plan_reader import orders_of
from backstay_operator.exposition import SceneCollector, Shown
from backstay_operator.statuses import Scene, statuses_of_few, statuses_of_many
from backstay_operator.validation import cautious, conditions_of, untold
from backstay_operator.world import World
from harness.nonsense import Nonsense, Obj, with_one_kind

CLUSTERS = int(os.environ.get("BACKSTAY_FUZZ_CLUSTERS", "160"))
PARTS = 4
NODES = ("n1", "n2", "n3")
MANY: tuple[tuple[Kind, type[Resource], str, int], ...] = (
    (kinds.HARESOURCE, HAResource, "r", 6),
    (kinds.RESOURCEGROUP, ResourceGroup, "g", 2),
    (kinds.HACONSTRAINT, HAConstraint, "c", 5),
    (kinds.FENCEDEVICE, FenceDevice, "d", 2),
)
CONSTRAINTS = ("location", "colocation", "order", "ticket")
TARGETS = ("resource", "resourcePattern", "sets")


def drawn(dice: random.Random) -> list[tuple[Kind, Obj]]:
    """The objects of one cluster. Some are sane, so that the others meet what works."""
    nonsense = Nonsense(dice, dense=dice.choice([0.1, 0.3, 0.6]))
    found: list[tuple[Kind, Obj]] = []
    cluster = nonsense.thing(HACluster, "c", parts=("spec", "status") if dice.random() < 0.3 else ("spec",))
    cluster["spec"].pop("nodeSelector", None)
    cluster["spec"].pop("namespaces", None)
    if dice.random() < 0.5:
        cluster["spec"].pop("allowedAgents", None)
    found.append((kinds.HACLUSTER, cluster))
    for name in NODES:
        found.append(
            (kinds.NODE, {"metadata": {"name": name, "uid": f"node-{name}", "resourceVersion": "1"}})
        )
        node = nonsense.thing(HANode, name, parts=("spec", "status"))
        found.append((kinds.HANODE, node))
    for kind, model, prefix, count in MANY:
        for number in range(count):
            both = ("spec", "status") if dice.random() < 0.2 else ("spec",)
            obj = nonsense.thing(model, f"{prefix}{number}", parts=both)
            spec = obj["spec"]
            if model is HAConstraint:
                obj["spec"] = with_one_kind(spec, CONSTRAINTS, dice)
                if "location" in obj["spec"]:
                    obj["spec"]["location"] = with_one_kind(obj["spec"]["location"], TARGETS, dice)
            if model is HAResource and dice.random() < 0.4:
                obj["spec"] = {
                    "agent": "ocf:heartbeat:Dummy",
                    **({"clone": spec["clone"]} if "clone" in spec else {}),
                }
            if model is FenceDevice and dice.random() < 0.7:
                spec["cluster"] = "c"
            found.append((kind, obj))
    return found


def plans(dice: random.Random) -> list[Obj]:
    """As a hostile agent writes them: any status that the schema allows."""
    nonsense = Nonsense(dice, dense=dice.choice([0.3, 0.8]))
    made = []
    for name in NODES:
        plan = nonsense.thing(HANodePlan, name, parts=("status",))
        plan["spec"] = {"cluster": "c", "epoch": 1}
        plan["status"]["bootId"] = f"boot-{name}"
        for record in plan["status"].get("history", ()):
            record["resource"] = dice.choice(
                ["r0", "r1:0", "r2:²", "r3:99999999999999999999", "gone", record["resource"]]
            )
        made.append(plan)
    return made


def world_of(dice: random.Random) -> World:
    world = World(cast(KubeClient, None))
    for kind, obj in drawn(dice):
        world.accept(kind, obj)
    for plan in plans(dice):
        world.plans._apply("ADDED", plan)
    return world


def step_over(world: World, tracker: LeaseTracker) -> int:
    """Everything that the DC does with what it knows; how many objects it read."""
    cluster = world.clusters()[0]
    objects, unreadable = world.objects_of(cluster)
    view = View(now=100.0, wall=1_790_000_000.0, objects=cautious(objects, unreadable))
    coordinator = Coordinator(cluster="c", epoch=7, number=0, tracker=tracker, homes={})
    coordinator.step(view)
    renew(tracker, 105.0)
    orders = coordinator.step(replace(view, now=105.0, wall=view.wall + 5.0))  # past the holds of a new DC
    for name, spec in orders.plans.items():
        told = {"metadata": {"name": name, "uid": name, "generation": 1}, "spec": spec.wire()}
        orders_of(told)
    assembly = orders.picture.assembly
    transition = schedule(assembly.state)
    why = reason_lines(transition, assembly)
    list(summary_lines(transition))
    load_state(dump_state(assembly.state))
    problems = (*assembly.problems, *unreadable)
    untold(problems, conditions_of(objects))
    scene = Scene(
        picture=orders.picture, objects=objects, problems=problems, acks=coordinator.desk.every_ack(), why=why,
        epoch=7, number=1, dc="n1", dc_since=0.0, operators=("n1",), dc_node="n1", now=view.wall,
    )  # fmt: skip
    for written in (*statuses_of_few(scene), *statuses_of_many(scene)):
        assert isinstance(written.status, dict)
    registry, collector = CollectorRegistry(), SceneCollector()
    registry.register(collector)
    nothing: dict[str, Any] = {}
    collector.show(
        "c",
        Shown(scene=scene, lease_ages=lambda: nothing, agent_present=lambda _: True, queues=lambda: nothing),
    )
    generate_latest(registry)
    return len(objects.resources) + len(objects.groups) + len(objects.constraints) + len(unreadable)


def fresh_tracker() -> LeaseTracker:
    tracker = LeaseTracker(read_gap_s=10.0)
    for at in (99.0, 99.5, 100.0):
        renew(tracker, at)
    return tracker


def renew(tracker: LeaseTracker, at: float) -> None:
    tracker.read_succeeded(at)
    for name in NODES:
        lease = NodeLease(node=name, token=str(at), boot_id=f"boot-{name}", duration_s=30.0)
        tracker.observe(lease, at)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_object_that_the_schemas_accept_makes_the_step_raise(part: int) -> None:
    read = 0
    for number in range(part, CLUSTERS, PARTS):
        world = world_of(random.Random(number))
        try:
            read += step_over(world, fresh_tracker())
        except Exception:  # noqa: BLE001 - whatever it is, the number says how to see it again
            pytest.fail(f"cluster {number}:\n{traceback.format_exc()}")
    assert read > CLUSTERS // PARTS * 8

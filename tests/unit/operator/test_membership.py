"""Which Nodes are members, by what the API holds: selected and not held by another, or held, whatever became of the Node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from backstay.api import HACluster
from backstay_kube import kinds
from backstay_operator.membership import holders_of, members_of
from backstay_operator.world import World

Obj = dict[str, Any]


def cluster(name: str, created: int = 1, **selector: str) -> Obj:
    metadata = {"name": name, "uid": name, "resourceVersion": "1"}
    metadata["creationTimestamp"] = f"2026-01-01T00:00:0{created}Z"
    return {"metadata": metadata, "spec": {"nodeSelector": selector}}


def node(name: str, **labels: str) -> Obj:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "2", "labels": labels}}


def plan(name: str, owner: str) -> Obj:
    return {
        "metadata": {"name": name, "uid": f"plan-{name}", "resourceVersion": "3"},
        "spec": {"cluster": owner, "epoch": 1},
    }


def hanode(name: str, owner: str, **status: object) -> Obj:
    return {
        "metadata": {"name": name, "uid": f"ha-{name}", "resourceVersion": "4"},
        "status": {"cluster": owner, **status},
    }


REPORTED = {"bootId": "b", "agentVersion": "1"}


def membership(
    name: str,
    clusters: list[Obj],
    nodes: list[Obj],
    *,
    plans: Iterable[Obj] = (),
    hanodes: Iterable[Obj] = (),
) -> tuple[list[str], dict[str, str]]:
    parsed = [HACluster.parse(one) for one in clusters]
    found = members_of(
        next(one for one in parsed if one.metadata.name == name),
        parsed,
        nodes=nodes,
        holders=holders_of(plans, hanodes, clusters),
    )
    return list(found.members), dict(found.leaving)


@pytest.mark.parametrize(
    ("plans", "hanodes"),
    [([plan("n2", "a")], []), ([], [hanode("n2", "a", **REPORTED)])],
    ids=["plan", "hanode"],
)
@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([node("n1", ha="a")], "its Node was deleted"),
        ([node("n1", ha="a"), node("n2")], "the nodeSelector does not match its Node"),
    ],
    ids=["deleted", "relabelled"],
)
def test_node_of_which_something_may_run_stays_a_member_and_leaves(
    nodes: list[Obj], why: str, plans: list[Obj], hanodes: list[Obj]
) -> None:
    found = membership("a", [cluster("a", ha="a")], nodes, plans=plans, hanodes=hanodes)
    assert found == (["n1", "n2"], {"n2": why})


def test_node_on_which_no_agent_ever_reported_is_no_member_without_its_node() -> None:
    found = membership("a", [cluster("a")], [node("n1")], hanodes=[hanode("n2", "a", bootId="b")])
    assert found == (["n1"], {})


def test_node_that_passes_to_another_cluster_belongs_to_the_first_until_that_lets_it_go() -> None:
    clusters = [cluster("a", 1, ha="a"), cluster("b", 2, ha="b")]
    nodes, plans = [node("n1", ha="a"), node("n2", ha="b"), node("n3", ha="b")], [plan("n2", "a")]
    why = "HACluster b selects its Node"
    assert membership("a", clusters, nodes, plans=plans) == (["n1", "n2"], {"n2": why})
    assert membership("b", clusters, nodes, plans=plans) == (["n3"], {})
    assert membership("a", clusters, nodes) == (["n1"], {})
    assert membership("b", clusters, nodes) == (["n2", "n3"], {})


def test_all_nodes_that_pass_to_another_cluster_leave() -> None:
    clusters = [cluster("a", 1, ha="a"), cluster("b", 2, ha="b")]
    nodes, plans = [node("n1", ha="b")], [plan("n1", "a")]
    assert membership("a", clusters, nodes, plans=plans)[1] == {"n1": "HACluster b selects its Node"}


def test_selector_that_matches_no_node_lets_nobody_leave() -> None:
    found = membership("a", [cluster("a", ha="typo")], [node("n1", ha="a")], plans=[plan("n1", "a")])
    assert found == (["n1"], {})


def test_cluster_that_cannot_be_read_holds_its_nodes() -> None:
    broken = cluster("a", 1)
    assert holders_of([plan("n1", "a")], [], [broken]) == {"n1": "a"}


def test_plan_of_a_cluster_that_is_gone_holds_nothing() -> None:
    assert membership("b", [cluster("b")], [node("n1")], plans=[plan("n1", "a")]) == (["n1"], {})


@pytest.fixture
def world() -> World:
    made = World(None)  # type: ignore[arg-type]  # it is told everything by the test
    made.accept(kinds.HACLUSTER, cluster("a", ha="a"))
    made.accept(kinds.NODE, node("n1", ha="a"))
    made.accept(kinds.NODE, node("n2", ha="a"))
    made.plans.accept(plan("n2", "a"))
    return made


def names(world: World) -> dict[str, bool]:
    objects, _ = world.objects_of(world.clusters()[0])
    return {one.metadata.name: bool(one.metadata.uid) for one in objects.nodes}


def test_member_without_an_hanode_is_one_all_the_same(world: World) -> None:
    world.accept(kinds.HANODE, hanode("n1", "a"))
    assert names(world) == {"n1": True, "n2": False}


def test_hanode_that_cannot_be_read_freezes_its_member_and_is_told(world: World) -> None:
    broken = hanode("n1", "a")
    broken["spec"] = {"standby": "perhaps"}
    world.accept(kinds.HANODE, broken)
    objects, problems = world.objects_of(world.clusters()[0])
    frozen = {one.metadata.name: one.spec.maintenance for one in objects.nodes}
    assert frozen == {"n1": True, "n2": False}
    assert [(one.kind, one.name) for one in problems] == [("HANode", "n1")]


def test_plan_that_cannot_be_read_is_told_and_holds_its_node(world: World) -> None:
    broken = plan("n2", "a")
    broken["metadata"]["resourceVersion"] = "9"
    broken["status"] = {"pending": "all of it"}
    world.plans.accept(broken)
    world.deleted(kinds.NODE, "n2", "n2")
    objects, problems = world.objects_of(world.clusters()[0])
    assert dict(objects.leaving) == {"n2": "its Node was deleted"}
    assert "n2" not in objects.plans
    assert [(one.kind, one.name) for one in problems] == [("HANodePlan", "n2")]

"""A constraint names resources of its own namespace, and of others only where the HACluster says so."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.api import HACluster, HAConstraint, HANode, HAResource, ResourceGroup
from backstay.state.assemble import Assembly, Memory, NodeJudgement, Objects, assemble

OTHER = ({"namespaces": ["b"], "targets": ["a"]},)
LINKS: list[dict[str, Any]] = [
    {"location": {"resource": "IP", "node": "n1", "score": "-INFINITY"}},
    {"location": {"sets": [{"resources": ["mine", "IP"]}], "node": "n1", "score": "-INFINITY"}},
    {"colocation": {"resource": "IP", "withResource": "mine", "score": "-INFINITY"}},
    {"colocation": {"resource": "mine", "withResource": "IP"}},
    {"colocation": {"sets": [{"resources": ["mine"]}, {"resources": ["IP"]}]}},
    {"order": {"first": "mine", "then": "IP"}},
    {"order": {"first": "IP", "then": "mine"}},
    {"order": {"sets": [{"resources": ["mine", "IP"]}]}},
    {"ticket": {"ticket": "t", "resource": "IP", "lossPolicy": "fence"}},
    {"ticket": {"ticket": "t", "sets": [{"resources": ["mine", "IP"]}]}},
    {"location": {"resource": "stack", "node": "n1", "score": "-INFINITY"}},
    {"location": {"resource": "inside", "node": "n1", "score": "-INFINITY"}},
    {"location": {"resource": "IP-clone", "node": "n1", "score": "-INFINITY"}},
]


def resource(name: str, space: str, **spec: Any) -> HAResource:
    return HAResource.parse(
        {"metadata": {"name": name, "namespace": space}, "spec": {"agent": "ocf:heartbeat:Dummy", **spec}}
    )


def assembled(link: dict[str, Any], *references: dict[str, Any], memory: Memory | None = None) -> Assembly:
    member = {"name": "inside", "template": {"agent": "ocf:heartbeat:Dummy"}}
    spec = {"allowedReferences": list(references)}
    return assemble(
        Objects(
            cluster=HACluster.parse({"metadata": {"name": "c"}, "spec": spec}),
            nodes=(HANode.parse({"metadata": {"name": "n1"}}),),
            resources=(
                resource("mine", "b"),
                resource("cluster-ip", "a", resourceId="IP"),
                resource("clone", "a", clone={"id": "IP-clone"}),
            ),
            groups=(
                ResourceGroup.parse(
                    {"metadata": {"name": "stack", "namespace": "a"}, "spec": {"members": [member]}}
                ),
            ),
            constraints=(HAConstraint.parse({"metadata": {"name": "x", "namespace": "b"}, "spec": link}),),
        ),
        judgements={"n1": NodeJudgement(name="n1", online=True)},
        now=0.0,
        quorum=True,
        memory=memory,
    )


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_constraint_on_another_namespace_is_told_and_ignored(link: dict[str, Any]) -> None:
    made = assembled(link)
    assert made.state.constraints == ()
    (problem,) = made.problems
    assert (problem.code, problem.namespace, problem.name) == ("ReferenceNotAllowed", "b", "x")
    assert "allowedReferences" in problem.message


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_constraint_counts_where_the_cluster_allows_its_namespace(link: dict[str, Any]) -> None:
    made = assembled(link, *OTHER)
    assert made.problems == ()
    assert made.state.constraints


@pytest.mark.parametrize(
    "reference",
    [
        {"namespaces": ["a"], "targets": ["b"]},
        {"namespaces": ["c"], "targets": ["*"]},
        {"namespaces": ["b"], "targets": ["c"]},
    ],
    ids=str,
)
def test_allowance_has_a_direction_and_two_ends(reference: dict[str, Any]) -> None:
    assert assembled(LINKS[0], reference).state.constraints == ()


def test_star_stands_for_every_namespace() -> None:
    assert assembled(LINKS[0], {"namespaces": ["*"], "targets": ["*"]}).state.constraints


@pytest.mark.parametrize("pattern", [".*", "!nothing", "IP|mine"])
def test_pattern_matches_ids_of_its_own_namespace_only(pattern: str) -> None:
    link = {"location": {"resourcePattern": pattern, "node": "n1", "score": "-INFINITY"}}
    own = assembled(link).state.constraints
    assert [one.resource for one in own] == ["mine"]  # type: ignore[union-attr]
    wider = assembled(link, *OTHER).state.constraints
    assert {"mine", "IP"} <= {one.resource for one in wider}  # type: ignore[union-attr]


def test_pattern_matches_groups_and_clones_and_nothing_in_them() -> None:
    link = {"location": {"resourcePattern": ".*", "node": "n1", "score": "-INFINITY"}}
    found = {one.resource for one in assembled(link, *OTHER).state.constraints}  # type: ignore[union-attr]
    assert found == {"mine", "IP", "stack", "IP-clone"}


def test_allowance_that_is_taken_back_counts_at_once() -> None:
    memory = Memory()
    assert assembled(LINKS[0], *OTHER, memory=memory).state.constraints
    assert assembled(LINKS[0], memory=memory).state.constraints == ()

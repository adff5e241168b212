"""Objects that the API accepted and this program cannot read: placeholders, told problems, and a cluster that goes on."""

from __future__ import annotations

from typing import Any, cast

from backstay.api import HACluster, HAResource
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.kinds import Kind
from backstay_operator.validation import unread_status
from backstay_operator.world import World

TOO_LONG = "99999999999d"
"""The CRD's pattern accepts it; it is longer than a hundred years."""


def apply(world: World, kind: Kind, name: str, version: int, *, space: str = "default", **parts: Any) -> None:
    metadata: dict[str, Any] = {
        "name": name,
        "uid": f"{kind.name}-{name}",
        "resourceVersion": str(version),
        "generation": version,
    }
    if space:
        metadata["namespace"] = space
    world.accept(kind, {"metadata": metadata, **parts})


def read(world: World) -> tuple[Objects, list[Problem]]:
    return world.objects_of(world.clusters()[0])


def made(**spec: Any) -> World:
    world = World(cast(KubeClient, None))
    apply(world, kinds.HACLUSTER, "c", 1, space="", spec=spec)
    return world


def dummy(**spec: Any) -> dict[str, Any]:
    return {"agent": "ocf:heartbeat:Dummy", **spec}


def test_unreadable_resource_stays_as_a_placeholder_with_its_id() -> None:
    world = made()
    bad = dummy(resourceId="DB", meta={"failureTimeout": TOO_LONG})
    apply(world, kinds.HARESOURCE, "db", 2, spec=bad)
    objects, problems = read(world)
    assert [one.resource_id for one in objects.resources] == ["DB"]
    assert objects.unreadable == {("HAResource", "default", "db")}
    assert [(one.kind, one.name, one.code) for one in problems] == [("HAResource", "db", "Invalid")]


def test_unreadable_group_keeps_its_members_from_starting_by_themselves() -> None:
    world = made()
    apply(world, kinds.HARESOURCE, "a", 2, spec=dummy())
    members = [{"resource": "a"}, {"name": "b", "template": dummy()}]
    apply(world, kinds.RESOURCEGROUP, "g", 3, spec={"members": members, "meta": {"failureTimeout": TOO_LONG}})
    objects, _ = read(world)
    assert [(one.resource, one.name) for one in objects.groups[0].spec.members] == [("a", None), (None, "b")]
    assert objects.unreadable == {("ResourceGroup", "default", "g")}


def test_unreadable_constraint_says_so_in_its_conditions() -> None:
    world = made()
    apply(world, kinds.HACONSTRAINT, "c", 2, spec={"colocation": {"resource": "a", "score": "much"}})
    (one,) = read(world)[0].unread
    conditions = unread_status(one, now=0.0)["conditions"]
    assert {(each["type"], each["status"], each["reason"]) for each in conditions} == {
        ("Ready", "False", "Invalid"),
        ("Valid", "False", "Invalid"),
    }


def test_of_a_cluster_that_becomes_unreadable_the_last_version_counts() -> None:
    world = made(properties={"noQuorumPolicy": "freeze"})
    assert world.clusters()[0].spec.properties.no_quorum_policy == "freeze"
    spec = {"properties": {"noQuorumPolicy": "ignore", "stonithTimeout": TOO_LONG}}
    apply(world, kinds.HACLUSTER, "c", 2, space="", spec=spec)
    assert world.clusters()[0].spec.properties.no_quorum_policy == "freeze"
    assert [one.kind for one in read(world)[1]] == ["HACluster"]


def test_cluster_that_never_could_be_read_loses_only_the_fields_at_fault() -> None:
    world = made(properties={"noQuorumPolicy": "freeze", "stonithTimeout": TOO_LONG})
    properties = world.clusters()[0].spec.properties
    assert (properties.no_quorum_policy, properties.stonith_timeout) == ("freeze", "60s")


def test_status_that_cannot_be_read_costs_no_object() -> None:
    world = made()
    status = {"role": "Started", "conditions": [{"type": "Ready", "lastTransitionTime": "yesterday"}]}
    apply(world, kinds.HARESOURCE, "a", 2, spec=dummy(), status=status)
    objects, problems = read(world)
    assert problems == []
    assert isinstance(objects.resources[0], HAResource)
    assert objects.resources[0].status.role == "Started"


def test_readable_again_it_is_a_resource_again() -> None:
    world = made()
    apply(world, kinds.HARESOURCE, "a", 2, spec=dummy(meta={"failureTimeout": TOO_LONG}))
    assert read(world)[0].unreadable
    apply(world, kinds.HARESOURCE, "a", 3, spec=dummy(meta={"failureTimeout": "1h"}))
    objects, problems = read(world)
    assert not objects.unreadable
    assert problems == []
    assert isinstance(objects.cluster, HACluster)

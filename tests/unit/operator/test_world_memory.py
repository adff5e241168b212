"""What the operator makes of the API's objects is made again when one of them changed, however it came to be known, and only then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backstay_kube import kinds
from backstay_kube.client import ObjectList
from backstay_operator.world import World

Obj = dict[str, Any]
CLUSTER = {"metadata": {"name": "c", "uid": "c", "resourceVersion": "1"}, "spec": {}}


def node(name: str, version: int) -> Obj:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}}


def resource(version: int) -> Obj:
    metadata = {
        "name": "a",
        "namespace": "x",
        "uid": "a",
        "resourceVersion": str(version),
        "generation": version,
    }
    return {"metadata": metadata, "spec": {"agent": "ocf:heartbeat:Dummy"}}


def plan(version: int) -> Obj:
    metadata = {"name": "n1", "uid": "p", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"cluster": "c", "epoch": version}}


class OneAnswer:
    """Answers one list."""

    def __init__(self, items: list[Obj], version: int) -> None:
        self.answer = ObjectList(items, str(version))

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        return self.answer


def listed(world: World, kind: kinds.Kind, items: list[Obj], version: int) -> None:
    """The API server answers a list of the kind so."""
    copy = world._copies[kind]
    copy._client = OneAnswer(items, version)  # type: ignore[assignment]
    asyncio.run(copy.list_now())


@pytest.fixture
def world() -> World:
    made = World(None)  # type: ignore[arg-type]  # it is told everything by the test
    made.accept(kinds.HACLUSTER, CLUSTER)
    made.accept(kinds.NODE, node("n1", 2))
    made.accept(kinds.HARESOURCE, resource(3))
    made.plans.accept(plan(4))
    return made


def seen(world: World) -> tuple[object, object]:
    """The objects of the only cluster, which are the very same as long as nothing changed, and what they say."""
    objects, _ = world.objects_of(world.clusters()[0])
    versions = [one.metadata.resource_version for one in (*objects.resources, *objects.plans.values())]
    return objects, (versions, sorted(objects.node_labels))


def test_nothing_is_made_again_while_nothing_changes(world: World) -> None:
    before, _ = seen(world)
    world.accept(kinds.HARESOURCE, resource(3))
    world.plans.accept(plan(4))
    assert seen(world)[0] is before


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (lambda world: world.accept(kinds.HARESOURCE, resource(9)), (["9", "4"], ["n1"])),
        (lambda world: world._copies[kinds.HARESOURCE]._apply("DELETED", resource(9)), (["4"], ["n1"])),
        (lambda world: world.accept(kinds.NODE, node("n2", 9)), (["3", "4"], ["n1", "n2"])),
        (lambda world: listed(world, kinds.HARESOURCE, [], 9), (["4"], ["n1"])),
        (lambda world: world.plans.accept(plan(9)), (["3", "9"], ["n1"])),
        (lambda world: world.plans._apply("MODIFIED", plan(9)), (["3", "9"], ["n1"])),
        (lambda world: world.plans._apply("DELETED", plan(9)), (["3"], ["n1"])),
        (lambda world: world._copies[kinds.HACLUSTER]._apply("DELETED", CLUSTER), None),
    ],
)
def test_every_way_to_hear_of_a_change_is_heeded(world: World, change: Any, after: object) -> None:
    seen(world)
    change(world)
    if after is None:
        assert world.clusters() == []
    else:
        assert seen(world)[1] == after


def test_a_written_status_is_seen_and_is_no_news(world: World) -> None:
    woken: list[bool] = []
    world.listen(lambda: woken.append(True))
    before, _ = world.objects_of(world.clusters()[0])
    told = resource(3)
    told["metadata"]["resourceVersion"] = "8"
    world.accept(kinds.HARESOURCE, told | {"status": {"role": "Started"}})
    after, _ = world.objects_of(world.clusters()[0])
    assert [one.status.role for one in after.resources] == ["Started"]
    assert after.resources[0].spec is before.resources[0].spec
    assert woken == []
    world.accept(kinds.HARESOURCE, resource(9))
    assert woken == [True]


@pytest.mark.parametrize("change", [{"labels": {"a": "b"}}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}])
def test_what_does_not_raise_the_generation_may_be_news_all_the_same(
    world: World, change: dict[str, object]
) -> None:
    woken: list[bool] = []
    world.listen(lambda: woken.append(True))
    told = resource(3)
    told["metadata"] |= {"resourceVersion": "8", **change}
    world.accept(kinds.HARESOURCE, told)
    assert woken == [True]


def test_what_was_deleted_is_not_brought_back_by_an_answer_that_was_on_its_way(
    world: World,
) -> None:
    world._copies[kinds.HARESOURCE]._apply("DELETED", resource(9))
    world.accept(kinds.HARESOURCE, resource(8))
    assert list(world.raw(kinds.HARESOURCE)) == []
    again = resource(10)
    again["metadata"]["uid"] = "another"
    world.accept(kinds.HARESOURCE, again)
    assert list(world.raw(kinds.HARESOURCE)) == [again]


def test_what_a_list_shows_after_its_deletion_is_there_again(world: World) -> None:
    world._copies[kinds.HARESOURCE]._apply("DELETED", resource(9))
    listed(world, kinds.HARESOURCE, [resource(8)], 12)
    assert list(world.raw(kinds.HARESOURCE)) == [resource(8)]

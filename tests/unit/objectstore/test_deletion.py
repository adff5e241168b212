"""Deletes and what follows from them: finalizers, owners, namespaces, definitions."""

import pytest

from backstay.objectstore import (
    ApiError,
    DeleteOptions,
    JsonObject,
    Patch,
    PatchType,
    Propagation,
    Reason,
    parse_selector,
)
from unit.objectstore.stores import NOW, World, owned_by, thing


@pytest.fixture
def world() -> World:
    return World()


def delete(world: World, name: str, **options: object) -> bool:
    chosen = DeleteOptions(**options)  # type: ignore[arg-type]
    return world.store.delete(world.things, "default", name, now=NOW, options=chosen).is_gone


def create_owned(world: World, name: str, *owners: JsonObject, blocks: bool = False) -> None:
    document = thing(name)
    document["metadata"]["ownerReferences"] = [owned_by(owner, blocks=blocks) for owner in owners]
    world.store.create(world.things, "default", document, now=NOW)


def test_finalizer_holds_an_object_until_it_is_taken_off(world: World) -> None:
    world.create("a")
    world.merge("a", {"metadata": {"finalizers": ["example.com/hold"]}})
    assert not delete(world, "a")
    waiting = world.get("a")["metadata"]
    assert waiting["deletionTimestamp"] == "2027-01-15T08:00:00Z"
    assert waiting["generation"] == 2
    assert not delete(world, "a"), "a second delete waits too"
    world.merge("a", {"metadata": {"finalizers": None}})
    assert world.names() == []


def test_no_finalizer_can_be_added_to_what_is_going(world: World) -> None:
    world.create("a")
    world.merge("a", {"metadata": {"finalizers": ["example.com/hold"]}})
    delete(world, "a")
    with pytest.raises(ApiError, match="no new finalizers can be added"):
        world.merge("a", {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})


@pytest.mark.parametrize("options", [{"uid": "other"}, {"version": "1"}])
def test_failed_precondition_keeps_the_object(world: World, options: dict[str, str]) -> None:
    world.create("a")
    with pytest.raises(ApiError) as refused:
        delete(world, "a", **options)
    assert refused.value.reason is Reason.CONFLICT
    assert world.names() == ["a"]


def test_delete_of_what_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(ApiError, match=r'things\.example\.com "a" not found'):
        delete(world, "a")


def test_dependents_go_with_their_last_owner(world: World) -> None:
    first, second = world.create("first"), world.create("second")
    create_owned(world, "child", first, second)
    create_owned(world, "grandchild", world.get("child"))
    delete(world, "first")
    assert world.names() == ["child", "grandchild", "second"]
    owners = [owner["name"] for owner in world.get("child")["metadata"]["ownerReferences"]]
    assert owners == ["second"]
    delete(world, "second")
    assert world.names() == []


def test_orphaned_dependents_stay_without_owner(world: World) -> None:
    create_owned(world, "child", world.create("owner"))
    delete(world, "owner", propagation=Propagation.ORPHAN)
    assert world.names() == ["child"]
    assert "ownerReferences" not in world.get("child")["metadata"]


def test_foreground_owner_outlives_the_dependents_that_block_it(world: World) -> None:
    create_owned(world, "child", world.create("owner"), blocks=True)
    world.merge("child", {"metadata": {"finalizers": ["example.com/hold"]}})
    assert not delete(world, "owner", propagation=Propagation.FOREGROUND)
    assert world.names() == ["child", "owner"]
    world.merge("child", {"metadata": {"finalizers": None}})
    assert world.names() == []


def test_child_of_an_owner_that_never_was_is_collected(world: World) -> None:
    ghost = thing("ghost")
    ghost["metadata"]["uid"] = "no-such-uid"
    create_owned(world, "child", ghost)
    assert world.names() == []


def test_namespace_takes_its_contents_along(world: World) -> None:
    namespaces = world.resource("", "v1", "namespaces")
    world.store.create(namespaces, "", {"metadata": {"name": "team"}}, now=NOW)
    for name in ("a", "b"):
        world.store.create(world.config_maps, "team", {"metadata": {"name": name}}, now=NOW)
    assert world.store.delete(namespaces, "", "team", now=NOW).is_gone
    assert world.store.list(world.config_maps, "team").documents == []
    with pytest.raises(ApiError):
        world.store.get(namespaces, "", "team")


def test_terminating_namespace_waits_for_finalizers_and_takes_nothing_new(world: World) -> None:
    namespaces = world.resource("", "v1", "namespaces")
    world.store.create(namespaces, "", {"metadata": {"name": "team"}}, now=NOW)
    held = {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}
    stored = world.store.create(world.config_maps, "team", held, now=NOW).document
    assert not world.store.delete(namespaces, "", "team", now=NOW).is_gone
    assert world.store.get(namespaces, "", "team")["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        world.store.create(world.config_maps, "team", {"metadata": {"name": "b"}}, now=NOW)
    assert refused.value.code == 403
    released = {**stored, "metadata": {"name": "a"}}
    world.store.replace(world.config_maps, "team", "a", released, now=NOW)
    with pytest.raises(ApiError):
        world.store.get(namespaces, "", "team")


def test_default_namespace_may_not_go(world: World) -> None:
    with pytest.raises(ApiError, match="this namespace may not be deleted"):
        world.store.delete(world.resource("", "v1", "namespaces"), "", "default", now=NOW)


def test_definition_takes_its_objects_along_and_is_no_longer_served(world: World) -> None:
    world.create("a")
    world.merge("a", {"metadata": {"finalizers": ["example.com/hold"]}})
    world.create("b")
    things = world.things
    assert not world.store.delete(world.definitions, "", "things.example.com", now=NOW).is_gone
    assert world.names() == ["a"]
    with pytest.raises(ApiError) as refused:
        world.create("c")
    assert refused.value.code == 405
    world.merge("a", {"metadata": {"finalizers": None}})
    assert world.store.resource("example.com", "v1", "things") is None
    assert things.storage not in [resource.storage for resource in world.store.resources()]


def test_delete_collection_takes_only_what_is_selected(world: World) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        world.create(name, labels={"color": color})
    gone = world.store.delete_collection(
        world.things, "default", now=NOW, selector=parse_selector("color=red", "")
    )
    assert [document["metadata"]["name"] for document in gone] == ["a", "c"]
    assert world.names() == ["b"]


def test_events_are_forgotten_an_hour_after_their_last_write(world: World) -> None:
    events = world.resource("", "v1", "events")
    for name in ("old", "renewed"):
        document = {"metadata": {"name": name}, "involvedObject": {"kind": "Thing", "namespace": "default"}}
        world.store.create(events, "default", document, now=NOW)
    world.store.patch(events, "default", "renewed", Patch(PatchType.MERGE, {"count": 2}), now=NOW + 3_000)
    assert world.store.forget_old_events(now=NOW + 3_600) == 0
    assert world.store.forget_old_events(now=NOW + 3_601) == 1
    left = world.store.list(events, None).documents
    assert [document["metadata"]["name"] for document in left] == ["renewed"]

"""Watches and lists: replay, selection, expiry, paging, and what must hold after any sequence of writes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.objectstore import ApiError, EventType, ListQuery, Watch, WatchQuery, parse_selector
from unit.objectstore.stores import NOW, World


@pytest.fixture
def world() -> World:
    return World()


def start(world: World, *, since: int | None = None, **query: Any) -> Watch:
    return world.store.watch(world.things, "default", WatchQuery(version=since, **query))


def seen(watch: Watch) -> list[tuple[str, str]]:
    events = []
    while watch.has_more:
        events.extend(watch.poll(3))
    return [(event.type.value, event.document["metadata"].get("name", "")) for event in events]


def test_watch_tells_only_what_happened_after_its_version(world: World) -> None:
    world.create("a")
    watch = start(world, since=world.store.version)
    assert not watch.has_more
    world.create("b")
    world.merge("a", {"spec": {"size": 1}})
    world.store.delete(world.things, "default", "a", now=NOW)
    assert seen(watch) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_watch_without_version_starts_with_what_there_is(world: World) -> None:
    world.create("a")
    watch = start(world)
    world.create("b")
    assert seen(watch) == [("ADDED", "a"), ("ADDED", "b")]


def test_initial_events_end_with_a_bookmark_that_promises_no_more_than_it_saw(world: World) -> None:
    world.create("a")
    version = world.store.version
    watch = start(world, sends_initial_events=True, allows_bookmarks=True)
    world.create("b")
    events = watch.poll(10)
    assert [event.type for event in events] == [EventType.ADDED, EventType.BOOKMARK, EventType.ADDED]
    metadata = events[1].document["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert metadata["resourceVersion"] == str(version)


def test_selected_watch_sees_objects_enter_and_leave(world: World) -> None:
    selector = parse_selector("color=red", "")
    watch = start(world, since=world.store.version, selector=selector)
    world.create("a", labels={"color": "blue"})
    world.merge("a", {"metadata": {"labels": {"color": "red"}}})
    world.merge("a", {"spec": {"size": 1}})
    left = world.merge("a", {"metadata": {"labels": {"color": "blue"}}})
    events = watch.poll(10)
    assert [event.type.value for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert events[-1].document["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


def test_watch_on_one_namespace_is_blind_to_others(world: World) -> None:
    world.store.create(world.resource("", "v1", "namespaces"), "", {"metadata": {"name": "team"}}, now=NOW)
    watch = world.store.watch(world.config_maps, "team", WatchQuery(version=world.store.version))
    world.store.create(world.config_maps, "default", {"metadata": {"name": "a"}}, now=NOW)
    assert watch.poll(10) == []
    world.store.create(world.config_maps, "team", {"metadata": {"name": "b"}}, now=NOW)
    assert seen(watch) == [("ADDED", "b")]


def test_version_that_left_the_history_is_expired() -> None:
    world = World(history_limit=4)
    world.create("a")
    old = world.store.version
    for size in range(6):
        world.merge("a", {"spec": {"size": size}})
    with pytest.raises(ApiError, match="too old resource version") as refused:
        start(world, since=old)
    assert refused.value.code == 410


def test_version_from_the_future_is_expired(world: World) -> None:
    with pytest.raises(ApiError) as refused:
        start(world, since=world.store.version + 1)
    assert refused.value.code == 410


def test_reader_that_falls_behind_is_told_once_and_closed() -> None:
    world = World(history_limit=4)
    world.create("a")
    watch = start(world, since=world.store.version)
    for size in range(6):
        world.merge("a", {"spec": {"size": size}})
    events = watch.poll(10)
    assert [event.type for event in events] == [EventType.ERROR]
    assert events[0].document["code"] == 410
    assert watch.is_over
    assert watch.poll(10) == [] or not watch.has_more


def test_watch_ends_with_its_resource(world: World) -> None:
    world.create("a")
    watch = start(world, since=world.store.version)
    world.store.delete(world.definitions, "", "things.example.com", now=NOW)
    assert seen(watch) == [("DELETED", "a")]
    assert watch.is_over


def test_listener_hears_every_commit(world: World) -> None:
    heard = []
    world.store.listen(heard.append)
    world.create("a")
    world.merge("a", {"spec": {"size": 1}})
    world.merge("a", {"spec": {"size": 1}})
    assert heard == [("example.com", "things")] * 2


def test_pages_show_the_collection_as_the_first_page_found_it(world: World) -> None:
    for name in "abcde":
        world.create(name)
    first = world.store.list(world.things, "default", ListQuery(limit=2))
    assert first.remaining == 3
    world.store.delete(world.things, "default", "d", now=NOW)
    world.create("cc")
    world.merge("e", {"spec": {"size": 1}})
    second = world.store.list(
        world.things, "default", ListQuery(limit=9, continue_token=first.continue_token)
    )
    names = [document["metadata"]["name"] for document in first.documents + second.documents]
    assert names == ["a", "b", "c", "d", "e"]
    assert second.version == first.version
    assert "size" not in second.documents[-1]["spec"]


def test_page_of_a_forgotten_version_is_expired() -> None:
    world = World(history_limit=2)
    for name in "abc":
        world.create(name)
    first = world.store.list(world.things, "default", ListQuery(limit=1))
    for size in range(4):
        world.merge("c", {"spec": {"size": size}})
    with pytest.raises(ApiError) as refused:
        world.store.list(world.things, "default", ListQuery(continue_token=first.continue_token))
    assert refused.value.code == 410


@pytest.mark.parametrize("token", ["%%%", "bm90IGpzb24=", "WzEsIDJd", "WyJ4IiwgImEiLCAiYiJd"])
def test_made_up_continue_token_is_refused(world: World, token: str) -> None:
    with pytest.raises(ApiError) as refused:
        world.store.list(world.things, "default", ListQuery(continue_token=token))
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("color=red", ["a", "c"]),
        ("color!=red", ["b", "d"]),
        ("color in (red, blue),size", ["a"]),
        ("color notin (red)", ["b", "d"]),
        ("!color", ["d"]),
        ("size", ["a"]),
    ],
)
def test_label_selectors_select(world: World, selector: str, names: list[str]) -> None:
    for name, labels in (
        ("a", {"color": "red", "size": "s"}),
        ("b", {"color": "blue"}),
        ("c", {"color": "red"}),
        ("d", {}),
    ):
        world.create(name, labels=labels)
    query = ListQuery(selector=parse_selector(selector, ""))
    found = world.store.list(world.things, "default", query).documents
    assert [document["metadata"]["name"] for document in found] == names


def test_field_selectors_select_what_the_definition_allows(world: World) -> None:
    world.create("a", agent="lsb:x")
    world.create("b")
    allowed = world.things.selectable_fields
    query = ListQuery(
        selector=parse_selector("", "spec.agent=lsb:x,metadata.name!=b", allowed_fields=allowed)
    )
    assert [
        document["metadata"]["name"] for document in world.store.list(world.things, None, query).documents
    ] == ["a"]
    with pytest.raises(ApiError, match=r"field label not supported: spec\.size"):
        parse_selector("", "spec.size=1", allowed_fields=allowed)


@pytest.mark.parametrize("selector", ["a=b c", "in (x)", "a in x", "=b", "a=-b"])
def test_broken_selectors_are_refused(selector: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_selector(selector, "")
    assert refused.value.code == 400


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "merge", "label", "status", "delete", "hold", "release", "own"]),
        st.sampled_from("abcd"),
        st.integers(0, 3),
    ),
    max_size=30,
)


def take_step(world: World, action: str, name: str, number: int) -> None:
    """One write; refusals are part of the game."""
    try:
        match action:
            case "create":
                world.create(name, size=number)
            case "merge":
                world.merge(name, {"spec": {"size": number}}, by=f"m{number}")
            case "label":
                world.merge(name, {"metadata": {"labels": {"color": "red" if number % 2 else "blue"}}})
            case "status":
                world.merge(name, {"status": {"n": number}}, subresource="status")
            case "delete":
                world.store.delete(world.things, "default", name, now=world.now)
            case "hold":
                world.merge(name, {"metadata": {"finalizers": ["example.com/hold"]}})
            case "release":
                world.merge(name, {"metadata": {"finalizers": None}})
            case "own":
                owner = world.get("abcd"[number])
                reference = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner["metadata"]["uid"]}
                world.merge(name, {"metadata": {"ownerReferences": [reference]}})
    except ApiError as refused:
        if refused.code not in (404, 409, 422):
            raise


def state(world: World) -> dict[str, Any]:
    return {
        document["metadata"]["name"]: document for document in world.store.list(world.things, None).documents
    }


def replayed(base: dict[str, Any], watch: Watch) -> dict[str, Any]:
    shown = dict(base)
    while watch.has_more:
        for event in watch.poll(2):
            name = event.document["metadata"]["name"]
            assert event.type is not EventType.ERROR
            if event.type is EventType.DELETED:
                del shown[name]
            else:
                assert (event.type is EventType.ADDED) is (name not in shown)
                shown[name] = event.document
    return shown


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_watch_from_any_version_reproduces_the_list(steps: list[tuple[str, str, int]]) -> None:
    world = World()
    states = [(world.store.version, state(world))]
    for at, (action, name, number) in enumerate(steps):
        world.now += 1
        before = world.store.version
        take_step(world, action, name, number)
        assert world.store.version >= before, f"step {at} took the version back"
        states.append((world.store.version, state(world)))
    final = states[-1][1]
    versions = [int(document["metadata"]["resourceVersion"]) for document in final.values()]
    assert len(set(versions)) == len(versions)
    for version, base in states:
        assert replayed(base, start(world, since=version)) == final
        listed = world.store.list(world.things, None, ListQuery(version=version, is_exact=True)).documents
        assert {document["metadata"]["name"]: document for document in listed} == base
    assert replayed({}, start(world)) == final


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_selected_watch_reproduces_the_selected_list(steps: list[tuple[str, str, int]]) -> None:
    world = World()
    selector = parse_selector("color=red", "")
    watch = start(world, since=world.store.version, selector=selector)
    for action, name, number in steps:
        take_step(world, action, name, number)
    listed = world.store.list(world.things, None, ListQuery(selector=selector)).documents
    shown = replayed({}, watch)
    assert {name: document["spec"] for name, document in shown.items()} == {
        document["metadata"]["name"]: document["spec"] for document in listed
    }


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_same_steps_give_the_same_store(steps: list[tuple[str, str, int]]) -> None:
    worlds = World(), World()
    for world in worlds:
        for action, name, number in steps:
            take_step(world, action, name, number)
    assert worlds[0].store.snapshot() == worlds[1].store.snapshot()


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_restored_store_goes_on_where_the_saved_one_stopped(steps: list[tuple[str, str, int]]) -> None:
    import json

    from backstay.objectstore import CountingIds, ObjectStore

    world = World()
    for action, name, number in steps:
        take_step(world, action, name, number)
    saved = json.loads(json.dumps(world.store.snapshot()))
    other = World.__new__(World)
    other.store, other.now = ObjectStore(ids=CountingIds(8)), NOW
    other.store.restore(saved)
    assert other.store.snapshot() == saved
    other.create("fresh")
    assert int(other.get("fresh")["metadata"]["resourceVersion"]) == saved["version"] + 1
    with pytest.raises(ApiError):
        start(other, since=saved["version"] - 1)

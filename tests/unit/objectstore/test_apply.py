"""Server-side apply: who owns what, who may take it, and what goes when it is given up."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.objectstore import ApiError, JsonObject, Patch, PatchType, WriteOptions
from backstay.objectstore import fieldset as fields
from backstay.objectstore.document import copy_of
from unit.objectstore.stores import NOW, World, thing


@pytest.fixture
def world() -> World:
    return World()


def owners(document: JsonObject) -> dict[str, JsonObject]:
    """manager/operation -> what it owns."""
    return {
        f"{entry['manager']}/{entry['operation']}": entry["fieldsV1"]
        for entry in document["metadata"].get("managedFields", ())
    }


def test_apply_creates_and_owns_exactly_what_it_says(world: World) -> None:
    document = world.apply("a", {"agent": "x", "size": 1}, by="one")
    assert document["spec"] == {"agent": "x", "size": 1, "epoch": 1}
    assert owners(document) == {"one/Apply": {"f:spec": {"f:agent": {}, "f:size": {}}}}


def test_apply_of_the_same_changes_nothing(world: World) -> None:
    world.apply("a", {"agent": "x"}, by="one")
    version = world.store.version
    world.now += 100
    world.apply("a", {"agent": "x"}, by="one")
    assert world.store.version == version


def test_apply_over_anothers_field_conflicts_and_names_the_owner(world: World) -> None:
    world.apply("a", {"agent": "x", "size": 1}, by="one")
    with pytest.raises(ApiError) as refused:
        world.apply("a", {"agent": "x", "size": 2}, by="two")
    assert refused.value.code == 409
    assert 'conflict with "one" using example.com/v1: .spec.size' in refused.value.message
    assert world.get("a")["spec"]["size"] == 1


def test_same_value_is_shared_not_fought_over(world: World) -> None:
    world.apply("a", {"agent": "x", "size": 1}, by="one")
    document = world.apply("a", {"agent": "x"}, by="two")
    assert owners(document)["two/Apply"] == {"f:spec": {"f:agent": {}}}
    kept = world.apply("a", {"agent": "x", "size": 1} | {"size": 1}, by="two")
    assert kept["spec"]["size"] == 1


def test_force_takes_the_field_from_its_owner(world: World) -> None:
    world.apply("a", {"agent": "x", "size": 1}, by="one")
    document = world.apply("a", {"agent": "x", "size": 2}, by="two", force=True)
    assert document["spec"]["size"] == 2
    assert owners(document)["one/Apply"] == {"f:spec": {"f:agent": {}}}


def test_field_given_up_goes_unless_another_owns_it(world: World) -> None:
    world.apply("a", {"agent": "x", "size": 1, "mode": "auto"}, by="one")
    world.apply("a", {"agent": "x", "mode": "auto"}, by="two")
    document = world.apply("a", {"agent": "x"}, by="one")
    assert "size" not in document["spec"]
    assert document["spec"]["mode"] == "auto"


def test_item_given_up_goes_and_others_items_stay(world: World) -> None:
    world.apply("a", {"agent": "x", "members": [{"name": "m"}, {"name": "n"}]}, by="one")
    world.apply("a", {"agent": "x", "members": [{"name": "o", "color": "red"}]}, by="two")
    assert [item["name"] for item in world.get("a")["spec"]["members"]] == ["m", "n", "o"]
    document = world.apply("a", {"agent": "x", "members": [{"name": "n"}]}, by="one")
    assert [item["name"] for item in document["spec"]["members"]] == ["n", "o"]


def test_emptied_container_goes_with_its_last_field(world: World) -> None:
    world.apply("a", {"agent": "x", "params": {"p": "1"}}, by="one")
    assert "params" not in world.apply("a", {"agent": "x"}, by="one")["spec"]


def test_applied_order_of_a_keyed_list_is_followed(world: World) -> None:
    world.apply("a", {"agent": "x", "members": [{"name": "m"}, {"name": "n"}]}, by="one")
    document = world.apply("a", {"agent": "x", "members": [{"name": "n"}, {"name": "m"}]}, by="one")
    assert [item["name"] for item in document["spec"]["members"]] == ["n", "m"]


def test_sets_merge_and_plain_lists_are_replaced(world: World) -> None:
    world.apply("a", {"agent": "x", "words": ["p"], "plain": ["p"]}, by="one")
    document = world.apply("a", {"agent": "x", "words": ["q"]}, by="two")
    assert document["spec"]["words"] == ["p", "q"]
    with pytest.raises(ApiError, match=r"\.spec\.plain"):
        world.apply("a", {"agent": "x", "plain": ["q"]}, by="two")


def test_update_takes_ownership_silently(world: World) -> None:
    world.apply("a", {"agent": "x", "size": 1}, by="one")
    document = world.merge("a", {"spec": {"size": 5}}, by="editor")
    assert owners(document) == {
        "editor/Update": {"f:spec": {"f:size": {}}},
        "one/Apply": {"f:spec": {"f:agent": {}}},
    }
    with pytest.raises(
        ApiError, match=r'conflict with "editor" using example\.com/v1 at 2027-01-15T08:00:00Z'
    ):
        world.apply("a", {"agent": "x", "size": 1}, by="one")


def test_status_is_owned_through_its_own_door(world: World) -> None:
    world.apply("a", {"agent": "x"}, by="one")
    patch = Patch(PatchType.APPLY, thing("a") | {"spec": {"size": 99}, "status": {"phase": "X"}})
    options = WriteOptions(field_manager="dc")
    document = world.store.patch(
        world.things, "default", "a", patch, now=NOW, options=options, subresource="status"
    ).document
    assert document["status"] == {"phase": "X"}
    assert "size" not in document["spec"]
    entry = next(entry for entry in document["metadata"]["managedFields"] if entry["manager"] == "dc")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})
    with_status = thing("a") | {"status": {"phase": "sneaked in"}}
    world.store.patch(world.things, "default", "a", Patch(PatchType.APPLY, with_status, force=True), now=NOW)
    assert world.get("a")["status"] == {"phase": "X"}


def test_apply_never_drops_an_unknown_field_silently(world: World) -> None:
    with pytest.raises(ApiError, match=r"\.spec\.typo: field not declared in schema"):
        world.apply("a", {"agent": "x", "typo": 1}, by="one")


def test_create_owns_all_it_wrote_and_replace_drops_what_it_left_out(world: World) -> None:
    created = world.create("a", params={"p": "1", "q": "2"})
    replacement = copy_of(created)
    del replacement["spec"]["params"]["q"]
    options = WriteOptions(field_manager="unknown")
    replaced = world.store.replace(
        world.things, "default", "a", replacement, now=NOW, options=options
    ).document
    assert owners(created)["unknown/Update"]["f:spec"]["f:params"] == {".": {}, "f:p": {}, "f:q": {}}
    assert owners(replaced)["unknown/Update"]["f:spec"]["f:params"] == {".": {}, "f:p": {}}


def test_managed_fields_can_be_reset(world: World) -> None:
    created = world.apply("a", {"agent": "x"}, by="one")
    reset = copy_of(created)
    reset["metadata"]["managedFields"] = [{}]
    reset["spec"]["size"] = 1
    options = WriteOptions(field_manager="two")
    document = world.store.replace(world.things, "default", "a", reset, now=NOW, options=options).document
    assert set(owners(document)) == {"two/Update"}


SPECS = st.fixed_dictionaries(
    {"agent": st.just("x")},
    optional={
        "size": st.integers(0, 3),
        "mode": st.sampled_from(["auto", "manual"]),
        "params": st.dictionaries(st.sampled_from("pq"), st.sampled_from("12"), min_size=1),
        "words": st.lists(st.sampled_from("abc"), unique=True, min_size=1),
        "members": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from("mno")}, optional={"color": st.sampled_from(["red", "blue"])}
            ),
            unique_by=lambda item: item["name"],
            min_size=1,
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), SPECS), min_size=1, max_size=6))
def test_forced_apply_always_ends_with_what_was_applied(applies: list[tuple[str, JsonObject]]) -> None:
    world = World()
    for manager, spec in applies:
        document = world.apply("a", spec, by=manager, force=True)
        assert holds(document["spec"], spec)
        assert owners(document)[f"{manager}/Apply"]["f:spec"]


def holds(value: Any, wanted: Any) -> bool:
    """Whether everything in `wanted` is in `value`."""
    if isinstance(wanted, dict):
        return all(key in value and holds(value[key], item) for key, item in wanted.items())
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], dict):
        by_name = {item["name"]: item for item in value}
        return all(holds(by_name[item["name"]], item) for item in wanted)
    if isinstance(wanted, list):
        return set(wanted) <= set(value)
    return bool(value == wanted)


@settings(max_examples=150, deadline=None)
@given(SPECS, SPECS)
def test_sole_applier_leaves_exactly_its_last_configuration(first: JsonObject, second: JsonObject) -> None:
    world, fresh = World(), World()
    world.apply("a", first, by="one")
    assert world.apply("a", second, by="one")["spec"] == fresh.apply("a", second, by="one")["spec"]


FIELDS = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(
        st.sampled_from(["f:a", "f:b", 'k:{"n":1}', 'v:"x"']), inner, min_size=1
    ).flatmap(lambda node: st.sampled_from([node, {".": {}, **node}])),
    max_leaves=8,
)
SETS = st.dictionaries(st.sampled_from(["f:a", "f:b", "f:c"]), FIELDS)


@given(SETS, SETS)
def test_field_sets_obey_set_algebra(a: JsonObject, b: JsonObject) -> None:
    in_a, in_b = set(fields.paths(a)), set(fields.paths(b))
    assert set(fields.paths(fields.union(a, b))) == in_a | in_b
    assert set(fields.paths(fields.intersection(a, b))) == in_a & in_b
    assert set(fields.paths(fields.difference(a, b))) == in_a - in_b
    below = {
        path
        for path in in_a
        if any(path == root or path.startswith((root + ".", root + "[")) for root in in_b)
    }
    assert set(fields.paths(fields.without_trees(a, b))) == in_a - below

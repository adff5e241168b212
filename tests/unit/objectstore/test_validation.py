"""Schemas and rules of custom resources: defaults, refusals, ratcheting."""

from typing import Any

import pytest

from backstay.objectstore import ApiError, JsonObject
from backstay.objectstore.document import copy_of
from unit.objectstore.stores import NOW, THING, World, thing


@pytest.fixture
def world() -> World:
    return World()


def refusal(world: World, **spec: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        world.create("bad", **spec)
    return refused.value


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            {"size": "big"},
            'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
        ),
        ({"size": True}, 'spec.size in body must be of type integer: "boolean"'),
        (
            {"size": -1},
            "spec.size: Invalid value: -1: spec.size in body should be greater than or equal to 0",
        ),
        ({"size": 101}, "spec.size in body should be less than or equal to 100"),
        ({"mode": "off"}, 'spec.mode: Unsupported value: "off": supported values: "auto", "manual"'),
        ({"agent": "A B"}, "spec.agent in body should match '^[a-z]+(:[a-zA-Z0-9]+)*$'"),
        ({"agent": "a" * 41}, "spec.agent: Too long: may not be more than 40 bytes"),
        ({"plain": ["1", "2", "3", "4"]}, "spec.plain: Too many: 4: must have at most 3 items"),
        ({"words": ["x", "x"]}, 'spec.words[1]: Duplicate value: "x"'),
        ({"members": [{"name": "a"}, {"name": "a"}]}, 'spec.members[1]: Duplicate value: {"name":"a"}'),
        ({"members": [{}]}, "spec.members[0].name: Required value"),
        ({"params": {"x": 1}}, 'spec.params.x in body must be of type string: "integer"'),
        ({"port": 1.5}, 'must be of type integer or string: "number"'),
        ({"size": 13}, "spec: Invalid value: not 13"),
        ({"members": [{"name": "a", "color": "pink"}]}, "spec.members[0]: Invalid value: no pink"),
    ],
)
def test_refusals_use_the_servers_words(world: World, spec: JsonObject, sentence: str) -> None:
    refused = refusal(world, **spec)
    assert refused.code == 422
    assert sentence in refused.message
    assert refused.details is not None
    assert refused.details["causes"], "each refusal names the field"


def test_all_errors_come_at_once(world: World) -> None:
    refused = refusal(world, size="x", mode="y", agent=5)
    assert refused.details is not None
    assert [cause["field"] for cause in refused.details["causes"]] == [
        *("spec.agent", "spec.size", "spec.mode"),
        "<nil>",  # that rules were not evaluated
    ]
    assert refused.message.startswith('Thing.example.com "bad" is invalid: [')


def test_defaults_fill_in_at_every_depth(world: World) -> None:
    spec = world.create("a", members=[{"name": "m"}])["spec"]
    assert spec["epoch"] == 1
    assert spec["members"] == [{"name": "m", "weight": 10}]


def test_null_is_kept_where_allowed_and_defaulted_where_not(world: World) -> None:
    spec = world.create("a", note=None, epoch=None)["spec"]
    assert spec["note"] is None
    assert spec["epoch"] == 1


def test_int_or_string_takes_both(world: World) -> None:
    assert world.create("a", port=80)["spec"]["port"] == 80
    assert world.create("b", port="http")["spec"]["port"] == "http"


def test_unknown_fields_survive_only_where_the_schema_says_so(world: World) -> None:
    spec = world.create("a", free={"any": {"thing": [1]}}, other=1)["spec"]
    assert spec["free"] == {"any": {"thing": [1]}}
    assert "other" not in spec


def test_transition_rule_holds_between_versions(world: World) -> None:
    world.create("a", epoch=5)
    world.merge("a", {"spec": {"epoch": 6}})
    with pytest.raises(ApiError, match="epoch never goes back"):
        world.merge("a", {"spec": {"epoch": 5}})
    assert world.merge("a", {"metadata": {"labels": {"k": "v"}}})["spec"]["epoch"] == 6


def test_old_objects_survive_a_stricter_schema_until_the_field_changes(world: World) -> None:
    world.create("a", size=90, params={"x": "1"})
    stricter = copy_of(world.store.get(world.definitions, "", "things.example.com"))
    spec_schema = stricter["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec_schema["properties"]["size"]["maximum"] = 10
    world.store.replace(world.definitions, "", "things.example.com", stricter, now=NOW)
    assert world.merge("a", {"spec": {"params": {"x": "2"}}})["spec"]["size"] == 90
    with pytest.raises(ApiError, match="less than or equal to 10"):
        world.merge("a", {"spec": {"size": 91}})


def test_narrowed_schema_prunes_what_is_stored(world: World) -> None:
    world.create("a", note="gone soon")
    narrower = copy_of(world.store.get(world.definitions, "", "things.example.com"))
    spec_schema = narrower["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec_schema["properties"]["note"]
    world.store.replace(world.definitions, "", "things.example.com", narrower, now=NOW)
    assert "note" not in world.get("a")["spec"]


def changed_definition(**change: Any) -> JsonObject:
    definition = copy_of(THING)
    definition["metadata"]["name"] = "gadgets.example.com"
    definition["spec"]["names"] = {"kind": "Gadget", "plural": "gadgets"}
    definition["spec"].update(change)
    return definition


def with_spec_schema(schema: JsonObject) -> JsonObject:
    definition = changed_definition()
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = schema
    return definition


@pytest.mark.parametrize(
    ("definition", "sentence"),
    [
        (changed_definition() | {"metadata": {"name": "wrong"}}, 'must be spec.names.plural+"."+spec.group'),
        (changed_definition(scope="Galaxy"), 'Unsupported value: "Galaxy"'),
        (changed_definition(versions=[]), "must have at least one version"),
        (with_spec_schema({"properties": {}}), "must not be empty for specified object fields"),
        (with_spec_schema({"type": "array"}), "items: Required value"),
        (
            with_spec_schema(
                {
                    "type": "array",
                    "items": {"type": "object", "properties": {"n": {"type": "string"}}},
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["n"],
                }
            ),
            "must have a default or be a required property",
        ),
        (
            with_spec_schema({"type": "object", "x-kubernetes-validations": [{"rule": "self.x =="}]}),
            "compilation failed: Syntax error",
        ),
        (
            with_spec_schema({"type": "object", "x-kubernetes-validations": [{"rule": "slef.x == 1"}]}),
            "undeclared reference to 'slef'",
        ),
        (with_spec_schema({"type": "string", "pattern": "("}), "must be a valid regular expression"),
    ],
)
def test_wrong_definitions_are_refused(world: World, definition: JsonObject, sentence: str) -> None:
    with pytest.raises(ApiError) as refused:
        world.store.create(world.definitions, "", definition, now=NOW)
    assert refused.value.code == 422
    assert sentence in refused.value.message


def test_definition_is_established_when_created(world: World) -> None:
    status = world.store.get(world.definitions, "", "things.example.com")["status"]
    conditions = {entry["type"]: entry["status"] for entry in status["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert status["storedVersions"] == ["v1"]


def test_definition_that_takes_anothers_kind_is_not_served(world: World) -> None:
    thief = changed_definition()
    thief["spec"]["names"]["kind"] = "Thing"
    stored = world.store.create(world.definitions, "", thief, now=NOW).document
    conditions = {entry["type"]: entry["status"] for entry in stored["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "False", "Established": "False"}
    assert world.store.resource("example.com", "v1", "gadgets") is None


def test_versions_of_a_definition_show_the_same_object(world: World) -> None:
    definition = changed_definition()
    second = copy_of(definition["spec"]["versions"][0]) | {"name": "v2", "storage": False}
    definition["spec"]["versions"].append(second)
    world.store.create(world.definitions, "", definition, now=NOW)
    first = world.resource("example.com", "v1", "gadgets")
    document = thing("a") | {"kind": "Gadget"}
    world.store.create(first, "default", document, now=NOW)
    shown = world.store.get(world.resource("example.com", "v2", "gadgets"), "default", "a")
    assert shown["apiVersion"] == "example.com/v2"
    assert shown["metadata"] == world.store.get(first, "default", "a")["metadata"]

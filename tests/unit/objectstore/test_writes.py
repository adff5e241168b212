"""Creates, replaces and patches: what is stored, what is refused, and in which words."""

import pytest

from backstay.objectstore import ApiError, FieldValidation, Patch, PatchType, Reason, WriteOptions
from unit.objectstore.stores import NOW, World, thing


@pytest.fixture
def world() -> World:
    return World()


def test_create_sets_what_only_the_server_sets(world: World) -> None:
    document = thing("a")
    document["metadata"] |= {"uid": "mine", "generation": 7, "creationTimestamp": "1999-01-01T00:00:00Z"}
    metadata = world.store.create(world.things, "default", document, now=NOW).document["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == "2027-01-15T08:00:00Z"
    assert int(metadata["resourceVersion"]) == world.store.version


def test_second_create_of_a_name_is_refused(world: World) -> None:
    world.create("a")
    with pytest.raises(ApiError) as refused:
        world.create("a")
    assert (refused.value.code, refused.value.reason) == (409, Reason.ALREADY_EXISTS)
    assert refused.value.message == 'things.example.com "a" already exists'


def test_generated_names_differ_and_keep_their_prefix(world: World) -> None:
    document = thing("x")
    document["metadata"] = {"generateName": "gen-"}
    names = {
        world.store.create(world.things, "default", document, now=NOW).document["metadata"]["name"]
        for _ in range(5)
    }
    assert len(names) == 5
    assert all(name.startswith("gen-") for name in names)


def test_create_in_a_namespace_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(ApiError, match='namespaces "nowhere" not found'):
        world.store.create(world.things, "nowhere", thing("a") | {"metadata": {"name": "a"}}, now=NOW)


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "dot.", "", "a" * 254])
def test_names_that_are_no_subdomain_are_refused(world: World, name: str) -> None:
    with pytest.raises(ApiError) as refused:
        world.create(name)
    assert refused.value.code == 422


def test_stale_replace_conflicts_and_changes_nothing(world: World) -> None:
    old = world.create("a", size=1)
    world.merge("a", {"spec": {"size": 2}})
    with pytest.raises(ApiError) as refused:
        world.store.replace(world.things, "default", "a", old | {"spec": {"agent": "x"}}, now=NOW)
    assert refused.value.reason is Reason.CONFLICT
    assert "the object has been modified" in refused.value.message
    assert world.get("a")["spec"]["size"] == 2


def test_replace_of_a_custom_object_needs_a_version(world: World) -> None:
    world.create("a")
    with pytest.raises(ApiError, match="must be specified for an update"):
        world.store.replace(world.things, "default", "a", thing("a"), now=NOW)


def test_write_that_changes_nothing_keeps_the_version(world: World) -> None:
    before = world.create("a", size=1)
    version = world.store.version
    after = world.merge("a", {"spec": {"size": 1}}, by="somebody-else")
    world.store.replace(world.things, "default", "a", before, now=NOW + 60)
    assert after is before
    assert world.store.version == version


def test_true_is_not_one(world: World) -> None:
    world.create("a", free={"x": 1})
    assert world.merge("a", {"spec": {"free": {"x": True}}})["spec"]["free"]["x"] is True


def test_generation_counts_spec_changes_only(world: World) -> None:
    world.create("a", size=1)
    assert world.merge("a", {"metadata": {"labels": {"k": "v"}}})["metadata"]["generation"] == 1
    assert world.merge("a", {"status": {"phase": "X"}}, subresource="status")["metadata"]["generation"] == 1
    assert world.merge("a", {"spec": {"size": 2}})["metadata"]["generation"] == 2


def test_status_and_spec_have_their_own_doors(world: World) -> None:
    world.create("a", size=1)
    world.merge("a", {"status": {"phase": "sneaked in"}})
    assert "status" not in world.get("a")
    change = {"status": {"phase": "X"}, "spec": {"size": 9}, "metadata": {"labels": {"k": "v"}}}
    world.merge("a", change, subresource="status")
    stored = world.get("a")
    assert stored["status"] == {"phase": "X"}
    assert stored["spec"]["size"] == 1
    assert "labels" not in stored["metadata"]


def test_merge_patch_null_takes_a_member_away(world: World) -> None:
    world.create("a", params={"x": "1", "y": "2"})
    assert world.merge("a", {"spec": {"params": {"x": None}}})["spec"]["params"] == {"y": "2"}


def test_patch_shares_what_it_does_not_touch(world: World) -> None:
    before = world.create("a", free={"big": {"tree": [1, 2, 3]}}, size=1)
    after = world.merge("a", {"spec": {"size": 2}})
    assert after["spec"]["free"] is before["spec"]["free"]
    assert before["spec"]["size"] == 1, "an object handed out never changes"


def test_failing_json_patch_test_changes_nothing(world: World) -> None:
    world.create("a", size=1)
    operations = [
        {"op": "replace", "path": "/spec/size", "value": 5},
        {"op": "test", "path": "/spec/agent", "value": "no"},
    ]
    with pytest.raises(ApiError) as refused:
        world.store.patch(world.things, "default", "a", Patch(PatchType.JSON, operations), now=NOW)
    assert refused.value.code == 422
    assert world.get("a")["spec"]["size"] == 1


def test_strategic_patch_of_a_custom_object_is_refused(world: World) -> None:
    world.create("a")
    with pytest.raises(ApiError) as refused:
        world.store.patch(world.things, "default", "a", Patch(PatchType.STRATEGIC, {}), now=NOW)
    assert refused.value.code == 415


def test_dry_run_tells_and_stores_nothing(world: World) -> None:
    options = WriteOptions(dry_run=True)
    version = world.store.version
    written = world.store.create(world.things, "default", thing("a", size=3), now=NOW, options=options)
    assert written.document["spec"]["epoch"] == 1
    assert (world.names(), world.store.version) == ([], version)


def test_unknown_fields_are_dropped_warned_of_or_refused(world: World) -> None:
    document = thing("a", typo=1)
    document["metadata"]["oops"] = 1
    warn = WriteOptions(field_validation=FieldValidation.WARN, dry_run=True)
    written = world.store.create(world.things, "default", document, now=NOW, options=warn)
    assert "typo" not in written.document["spec"]
    assert written.warnings == ('unknown field "metadata.oops"', 'unknown field "spec.typo"')
    strict = WriteOptions(field_validation=FieldValidation.STRICT)
    with pytest.raises(ApiError, match=r'strict decoding error: .*unknown field "spec\.typo"') as refused:
        world.store.create(world.things, "default", document, now=NOW, options=strict)
    assert refused.value.code == 400


def test_too_large_an_object_is_refused() -> None:
    world = World(object_bytes_max=20_000)
    with pytest.raises(ApiError) as refused:
        world.create("a", free={"x": "y" * 20_000})
    assert refused.value.code == 413


def test_kind_and_version_must_fit_the_resource(world: World) -> None:
    with pytest.raises(ApiError, match="does not match the expected kind"):
        world.store.create(world.things, "default", thing("a") | {"kind": "Other"}, now=NOW)
    with pytest.raises(ApiError, match="does not match the expected API version"):
        world.store.create(world.things, "default", thing("a") | {"apiVersion": "example.com/v2"}, now=NOW)


def test_label_values_are_checked(world: World) -> None:
    with pytest.raises(ApiError, match="a valid label must be an empty string or consist of"):
        world.create("a", labels={"k": "not valid"})
    with pytest.raises(ApiError) as refused:
        world.create("a", labels={"k": 1})
    assert refused.value.code == 400


def test_secrets_encode_their_plain_strings(world: World) -> None:
    secrets = world.resource("", "v1", "secrets")
    document = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    stored = world.store.create(secrets, "default", document, now=NOW).document
    assert stored["data"] == {"password": "aHVudGVyMg=="}
    assert "stringData" not in stored


def test_event_shows_in_both_its_groups(world: World) -> None:
    core = world.resource("", "v1", "events")
    modern = world.resource("events.k8s.io", "v1", "events")
    document = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Thing", "name": "a", "namespace": "default"},
        "message": "moved",
        "reason": "Moved",
        "type": "Normal",
        "source": {"component": "tester"},
    }
    world.store.create(core, "default", document, now=NOW)
    shown = world.store.get(modern, "default", "e")
    assert (shown["note"], shown["regarding"]["name"]) == ("moved", "a")
    assert "message" not in shown
    world.store.patch(modern, "default", "e", Patch(PatchType.MERGE, {"note": "moved on"}), now=NOW)
    assert world.store.get(core, "default", "e")["message"] == "moved on"


def test_event_about_a_cluster_scoped_object_belongs_to_the_default_namespace(world: World) -> None:
    world.store.create(world.resource("", "v1", "namespaces"), "", {"metadata": {"name": "other"}}, now=NOW)
    core = world.resource("", "v1", "events")
    document = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Node", "name": "n1"}}
    world.store.create(core, "default", document, now=NOW)
    with pytest.raises(ApiError, match=r"does not match event\.namespace"):
        world.store.create(core, "other", document, now=NOW)


def test_strategic_patch_merges_containers_by_name(world: World) -> None:
    deployments = world.resource("apps", "v1", "deployments")
    containers = [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]
    document = {"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": containers}}}}
    world.store.create(deployments, "default", document, now=NOW)
    change = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}],
                    "containers": [
                        {"name": "b", "image": "2"},
                        {"name": "c"},
                        {"name": "a", "$patch": "delete"},
                    ],
                }
            }
        }
    }
    patched = world.store.patch(
        deployments, "default", "d", Patch(PatchType.STRATEGIC, change), now=NOW
    ).document
    assert patched["spec"]["template"]["spec"]["containers"] == [{"name": "b", "image": "2"}, {"name": "c"}]

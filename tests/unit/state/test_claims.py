"""The incumbent keeps its id, whatever a user writes; what another object loses by it is told."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from backstay.api import FenceDevice, HACluster, HANode, HAResource, ResourceGroup
from backstay.state import Clone, primitives_of
from backstay.state.assemble import Assembly, Memory, NodeJudgement, Objects, assemble
from backstay.state.claims import ObjectRef
from backstay.state.placeholder import ids_of, resource_placeholder

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
DUMMY = {"agent": "ocf:heartbeat:Dummy"}


def resource(
    name: str,
    *,
    space: str = "default",
    created: str = OLD,
    held: tuple[str, ...] = (),
    position: int | None = None,
    **spec: Any,
) -> HAResource:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": space,
        "uid": f"{space}-{name}",
        "creationTimestamp": created,
    }
    if position is not None:
        metadata["annotations"] = {"ha.backstay.io/position": str(position)}
    return HAResource.parse({"metadata": metadata, "spec": {**DUMMY, **spec}, "status": {"ids": list(held)}})


def group(name: str, *members: str, space: str = "default", created: str = OLD, **spec: Any) -> ResourceGroup:
    inline = [{"name": one, "template": DUMMY} for one in members]
    metadata = {"name": name, "namespace": space, "uid": f"{space}-{name}", "creationTimestamp": created}
    return ResourceGroup.parse({"metadata": metadata, "spec": {"members": inline, **spec}})


def assembled(*items: HAResource | ResourceGroup | FenceDevice, memory: Memory | None = None) -> Assembly:
    return assemble(
        Objects(
            cluster=HACluster.parse({"metadata": {"name": "c"}, "spec": {}}),
            nodes=(HANode.parse({"metadata": {"name": "n1"}}),),
            resources=tuple(one for one in items if isinstance(one, HAResource)),
            groups=tuple(one for one in items if isinstance(one, ResourceGroup)),
            devices=tuple(one for one in items if isinstance(one, FenceDevice)),
        ),
        judgements={"n1": NodeJudgement(name="n1", online=True)},
        now=0.0,
        quorum=True,
        memory=memory,
    )


def holder(made: Assembly, id_: str) -> str:
    ref = made.index.objects[id_]
    return f"{ref.namespace}/{ref.name}"


def losers(made: Assembly) -> list[str]:
    return [f"{one.namespace}/{one.name}" for one in made.problems if one.code == "DuplicateId"]


def test_position_annotation_takes_no_id_from_an_older_object() -> None:
    made = assembled(
        resource("thief", space="b", created=NEW, position=0, resourceId="IP"),
        resource("victim", space="a", resourceId="IP"),
    )
    assert (holder(made, "IP"), losers(made)) == ("a/victim", ["b/thief"])


def test_older_object_that_is_renamed_takes_no_id_from_the_one_that_a_dc_recorded() -> None:
    made = assembled(
        resource("thief", space="b", created=OLD, held=("other",), resourceId="IP"),
        resource("victim", space="a", created=NEW, held=("IP",), resourceId="IP"),
    )
    assert holder(made, "IP") == "a/victim"


def test_dc_remembers_the_holder_before_any_status_says_so() -> None:
    memory = Memory()
    victim = resource("victim", space="a", created=NEW, resourceId="IP")
    assembled(victim, resource("thief", space="b"), memory=memory)
    made = assembled(victim, resource("thief", space="b", resourceId="IP"), memory=memory)
    assert holder(made, "IP") == "a/victim"


def test_of_two_new_objects_of_one_second_the_uid_decides_in_any_order() -> None:
    rivals = [resource(name, resourceId="IP") for name in ("x", "y", "z")]
    found = {holder(assembled(*order), "IP") for order in itertools.permutations(rivals)}
    assert found == {"default/x"}


def test_id_is_free_again_when_its_holder_is_gone() -> None:
    memory = Memory()
    waiting = resource("waiting", space="b", created=NEW, resourceId="IP")
    assembled(resource("holder", space="a", resourceId="IP"), waiting, memory=memory)
    made = assembled(waiting, memory=memory)
    assert (holder(made, "IP"), losers(made)) == ("b/waiting", [])


@pytest.mark.parametrize(
    "thief",
    [
        resource("thief", space="b", created=NEW, position=0, clone={"id": "IP"}),
        resource("IP", space="b", created=NEW, position=0, resourceId="x", clone={"id": "IP"}),
        group("thief", "IP", space="b", created=NEW),
        group("thief", "x", space="b", created=NEW, clone={"id": "IP"}),
        group("IP", "x", space="b", created=NEW),
    ],
    ids=["clone", "clone-of-other", "inline-member", "cloned-group", "group"],
)
def test_no_kind_of_id_takes_a_resource_away(thief: HAResource | ResourceGroup) -> None:
    made = assembled(thief, resource("victim", space="a", resourceId="IP"))
    ids = [one.id for resource_ in made.state.resources for one in (resource_, *primitives_of(resource_))]
    assert holder(made, "IP") == "a/victim"
    assert set(ids) & {"IP"} == {"IP"}
    assert not any(isinstance(one, Clone) for one in made.state.resources)
    assert losers(made) == [f"b/{thief.metadata.name}"]


def test_clone_of_another_keeps_its_default_id_too() -> None:
    made = assembled(
        resource("web-clone", space="b", created=NEW), resource("web", space="a", clone={"max": 2})
    )
    assert (holder(made, "web-clone"), losers(made)) == ("a/web", ["b/web-clone"])


def test_object_that_loses_one_id_takes_none() -> None:
    made = assembled(
        resource("thief", space="b", created=NEW, resourceId="free", clone={"id": "IP"}),
        resource("victim", space="a", resourceId="IP"),
    )
    assert "free" not in made.index.objects
    assert [one.id for one in made.state.resources] == ["IP"]


def test_object_that_asks_for_one_id_twice_is_told_and_left_out() -> None:
    made = assembled(resource("web", clone={"id": "web"}))
    assert (losers(made), made.state.resources) == (["default/web"], ())


def test_clone_id_of_a_group_member_is_claimed_by_nobody() -> None:
    member = resource("web", clone={"id": "Webs"})
    made = assembled(member, group("app", members=[{"resource": "web"}]))
    assert "Webs" not in made.index.objects
    assert made.index.objects["web"] == ObjectRef("HAResource", "default", "web")


@pytest.mark.parametrize("ids", [["IP"], [7, None, "IP", "not an id"]])
def test_object_that_cannot_be_read_keeps_the_id_that_a_dc_recorded(ids: list[object]) -> None:
    metadata = {"name": "victim", "namespace": "a", "uid": "u", "creationTimestamp": NEW}
    spec = {"agent": 7, "resourceId": "IP", "ofALaterVersion": True}
    victim = resource_placeholder({"metadata": metadata, "spec": spec, "status": {"ids": ids}})
    made = assembled(resource("thief", space="b", resourceId="IP"), victim)
    assert (holder(made, "IP"), losers(made)) == ("a/victim", ["b/thief"])


@pytest.mark.parametrize("status", [None, 7, {"ids": None}, {"ids": "IP"}, {"ids": {}}])
def test_odd_record_of_ids_is_none(status: object) -> None:
    assert ids_of({"status": status}) == ()

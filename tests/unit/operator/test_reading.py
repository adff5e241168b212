"""Of an object's new version only what differs is read anew; the rest is the very same as before."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from backstay.api import HANodePlan, HAResource
from backstay.state.assemble_problem import Problem
from backstay_operator.reading import Reader

Obj = dict[str, Any]


def record(resource: str, rc: int = 0) -> Obj:
    return {"resource": resource, "operation": "monitor", "intervalMs": 0, "rc": rc, "callId": 1}


def plan(version: int, *records: Obj, **status: Any) -> Obj:
    return {
        "metadata": {"name": "n1", "uid": "p", "resourceVersion": str(version)},
        "spec": {"cluster": "c", "epoch": 1, "actions": [{"id": "1-1-1", "verb": "start"}]},
        "status": {"bootId": "b", "history": list(records), **status},
    }


def resource(version: int, **more: Any) -> Obj:
    metadata = {"name": "a", "uid": "a", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"agent": "ocf:heartbeat:Dummy"}, **more}


def read(reader: Reader, obj: Obj) -> HANodePlan:
    """As if it had come over the wire."""
    found = reader.read(HANodePlan, deepcopy(obj))
    assert isinstance(found, HANodePlan)
    assert found == HANodePlan.parse(obj)
    return found


def test_a_new_record_leaves_the_others_as_they_are() -> None:
    reader = Reader()
    before = read(reader, plan(1, record("a"), record("b")))
    after = read(reader, plan(2, record("a"), record("b", rc=7), record("c")))
    assert after.status.history[0] is before.status.history[0]
    assert after.status.history[1] is not before.status.history[1]
    assert [one.rc for one in after.status.history] == [0, 7, 0]
    assert after.spec is before.spec


def test_what_is_gone_is_gone_and_may_come_back() -> None:
    reader = Reader()
    read(reader, plan(1, record("a"), record("b")))
    assert [one.resource for one in read(reader, plan(2, record("b"))).status.history] == ["b"]
    assert [one.resource for one in read(reader, plan(3, record("a"), record("b"))).status.history] == [
        "a",
        "b",
    ]


def test_two_records_of_the_same_name_are_both_kept() -> None:
    reader = Reader()
    read(reader, plan(1, record("a"), record("a", rc=7)))
    assert [
        one.rc for one in read(reader, plan(2, record("a"), record("a", rc=7), record("b"))).status.history
    ] == [
        0,
        7,
        0,
    ]


def test_a_written_status_leaves_the_spec_the_very_same() -> None:
    reader = Reader()
    before = reader.read(HAResource, resource(1))
    after = reader.read(HAResource, resource(2, status={"role": "Started"}))
    assert isinstance(before, HAResource)
    assert isinstance(after, HAResource)
    assert after.spec is before.spec
    assert (before.status.role, after.status.role) == ("", "Started")
    assert after.metadata.resource_version == "2"


def test_what_could_not_be_read_is_forgotten() -> None:
    reader = Reader()
    reader.read(HAResource, resource(1))
    broken = resource(2) | {"spec": {"agent": 5}}
    assert isinstance(reader.read(HAResource, broken), Problem)
    mended = reader.read(HAResource, resource(3))
    assert isinstance(mended, HAResource)
    assert mended.spec.agent == "ocf:heartbeat:Dummy"


def test_an_object_made_anew_is_read_anew() -> None:
    reader = Reader()
    before = read(reader, plan(1, record("a")))
    other = plan(2, record("a"))
    other["metadata"]["uid"] = "q"
    assert read(reader, other).status.history[0] is not before.status.history[0]

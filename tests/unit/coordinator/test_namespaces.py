"""What somebody with rights in one namespace cannot do to what runs in another."""

from __future__ import annotations

import pytest

from backstay.api import FenceDevice, HACluster, HAConstraint, HAResource
from harness.model_cluster import ModelCluster

DUMMY = "ocf:heartbeat:Dummy"


def resource(name: str, space: str, created: str, **spec: object) -> HAResource:
    metadata = {
        "name": name,
        "namespace": space,
        "uid": f"{space}-{name}",
        "generation": 1,
        "creationTimestamp": created,
        "annotations": {"ha.backstay.io/position": "0"} if space == "b" else {},
    }
    return HAResource.parse({"metadata": metadata, "spec": {"agent": DUMMY, **spec}})


@pytest.fixture
def pair() -> ModelCluster:
    """A service of namespace a runs on two nodes' cluster."""
    cluster = HACluster.parse(
        {
            "metadata": {"name": "c", "uid": "c", "generation": 1},
            "spec": {"tickets": [{"id": "site", "granted": False}]},
        }
    )
    made = ModelCluster("n1", "n2", cluster=cluster)
    device = {"metadata": {"name": "pdu"}, "spec": {"cluster": "c", "agent": "stonith:fence_pdu"}}
    made.add(FenceDevice.parse(device))
    made.add(resource("ip", "a", "2026-02-01T00:00:00Z", resourceId="IP"))
    made.run(5)
    assert len(made.where("IP")) == 1
    made.log.clear()
    return made


def untouched(pair: ModelCluster) -> bool:
    return len(pair.where("IP")) == 1 and not [
        one for one in pair.log if "IP" in one.split() or "fence n" in one
    ]


def constrain(pair: ModelCluster, **spec: object) -> None:
    metadata = {"name": "x", "namespace": "b", "uid": "x", "generation": 1}
    pair.constraints.append(HAConstraint.parse({"metadata": metadata, "spec": spec}))


def test_ban_of_every_id_by_another_namespace_stops_nothing(pair: ModelCluster) -> None:
    for node in ("n1", "n2"):
        constrain(pair, location={"resourcePattern": ".*", "node": node, "score": "-INFINITY"})
    pair.run(5)
    assert untouched(pair)


def test_ticket_of_another_namespace_fences_no_node(pair: ModelCluster) -> None:
    constrain(pair, ticket={"ticket": "site", "resource": "IP", "lossPolicy": "fence"})
    pair.run(10)
    assert untouched(pair)
    assert pair.fence_log == []


@pytest.mark.parametrize("fresh", [False, True], ids=["same-dc", "new-dc"])
@pytest.mark.parametrize("created", ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"], ids=["older", "newer"])
def test_second_object_with_the_id_stops_nothing(pair: ModelCluster, created: str, fresh: bool) -> None:
    pair.add(resource("thief", "b", created, resourceId="IP", agent="ocf:heartbeat:Evil"))
    if fresh:
        pair.new_dc(fresh_eyes=True)
    pair.run(10)
    assert untouched(pair)
    assert pair.orders is not None
    told = [one for one in pair.orders.picture.assembly.problems if one.code == "DuplicateId"]
    assert [(one.namespace, one.name) for one in told] == [("b", "thief")]


@pytest.mark.parametrize("kind", ["move", "cleanup", "refresh"])
def test_request_on_an_object_that_only_asks_for_the_id_is_refused(pair: ModelCluster, kind: str) -> None:
    (home,) = pair.where("IP")
    other = "n2" if home == "n1" else "n1"
    request = {"id": "1", "type": kind, "node": other}
    pair.add(resource("thief", "b", "2026-03-01T00:00:00Z", resourceId="IP", requests=[request]))
    pair.run(5)
    assert untouched(pair)
    assert pair.dc is not None
    (ack,) = pair.dc.desk.acks(("HAResource", "b", "thief"))
    assert ack.state == "Refused"
    assert "HAResource a/ip" in ack.message


@pytest.mark.parametrize("agent", ["stonith:reboot", "stonith:sh", "ocf:..:sh", "nonsense", ""])
def test_describe_runs_nothing_that_is_no_agent(pair: ModelCluster, agent: str) -> None:
    # The definition refuses such an agent; an object from before it did not.
    pair.request_node("n1", {"id": "1", "type": "describe", "agent": "ocf:x:y"})
    pair.hanodes["n1"].spec.requests[0].agent = agent
    pair.run(3)
    (ack,) = pair.node_acks("n1")
    assert ack.state == "Refused"
    assert not [line for line in pair.log if "meta-data" in line]

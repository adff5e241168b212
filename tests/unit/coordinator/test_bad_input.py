"""Bad input in the DC's loop: told, held back, and never in the way of anything else."""

from __future__ import annotations

import pytest

from backstay.api import FenceDevice, HACluster, HAConstraint, HAResource, ResourceGroup
from harness.model_cluster import ModelCluster
from unit.verify.definitions import AGENTS, FILESYSTEM, IPADDR2, group, resource

FS = {"device": "/dev/sda", "directory": "/srv", "fstype": "xfs"}


@pytest.fixture
def trio() -> ModelCluster:
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": {}})
    made = ModelCluster("n1", "n2", "n3", cluster=cluster)
    made.agents = dict(AGENTS)
    made.add(
        FenceDevice.parse(
            {"metadata": {"name": "pdu"}, "spec": {"cluster": "c", "agent": "stonith:fence_pdu"}}
        )
    )
    made.run(3)
    return made


def codes(trio: ModelCluster) -> list[str]:
    assert trio.orders is not None
    return [one.code for one in trio.orders.picture.assembly.problems if one.severity == "error"]


def replace(trio: ModelCluster, name: str, **spec: object) -> None:
    """The user edits a resource."""
    for number, item in enumerate(trio.resources):
        if item.metadata.name == name:
            body = item.model_dump(by_alias=True, exclude_none=True)
            body["spec"].update(spec)
            body["metadata"]["generation"] += 1
            trio.resources[number] = HAResource.parse(body)


def test_new_resource_is_verified_before_its_start(trio: ModelCluster) -> None:
    trio.add(resource("ip", params={"ip": "10.0.0.3"}))
    trio.run(1)
    assert len(trio.where("ip")) == 1
    asked = next(number for number, line in enumerate(trio.log) if f"meta-data {IPADDR2}" in line)
    begun = next(number for number, line in enumerate(trio.log) if "start ip" in line)
    assert asked < begun


def test_each_agent_is_asked_for_once_on_one_node(trio: ModelCluster) -> None:
    trio.add(resource("ip", params={"ip": "10.0.0.3"}), resource("ip2", params={"ip": "10.0.0.4"}))
    trio.run(30)
    trio.new_dc(fresh_eyes=True)
    trio.run(30)
    assert len([line for line in trio.log if f"meta-data {IPADDR2}" in line]) == 1


def test_missing_parameter_starts_nothing_and_stops_nobody_else(trio: ModelCluster) -> None:
    trio.add(resource("bad"), resource("good", params={"ip": "10.0.0.3"}))
    trio.run(5)
    assert codes(trio) == ["MissingParameter"]
    assert trio.where("bad") == []
    assert not [line for line in trio.log if line.endswith(" bad") or " bad " in line]
    assert len(trio.where("good")) == 1


def test_unknown_agent_is_not_even_probed(trio: ModelCluster) -> None:
    trio.add(resource("bad", "ocf:heartbeat:IPadr2"))
    trio.run(5)
    assert codes(trio) == ["UnknownAgent"]
    assert not [line for line in trio.log if line.endswith(" bad")]


def test_mended_resource_starts_at_once(trio: ModelCluster) -> None:
    trio.add(resource("ip"))
    trio.run(5)
    replace(trio, "ip", params={"ip": "10.0.0.3"})
    trio.run(1)
    assert len(trio.where("ip")) == 1
    assert codes(trio) == []


def test_agent_that_is_installed_later_is_found(trio: ModelCluster) -> None:
    trio.add(resource("x", "ocf:acme:thing"))
    trio.run(5)
    trio.agents["ocf:acme:thing"] = AGENTS[IPADDR2].replace(' required="1"', "")
    trio.run(5)
    assert len(trio.where("x")) == 1


def test_nothing_in_a_group_starts_after_a_faulty_member(trio: ModelCluster) -> None:
    trio.add(
        resource("vip", params={"ip": "10.0.0.3"}),
        resource("fs", FILESYSTEM, params={"device": "/dev/sda"}),
        resource("last", params={"ip": "10.0.0.4"}),
        group("app", {"resource": "vip"}, {"resource": "fs"}, {"resource": "last"}),
    )
    trio.run(6)
    assert len(trio.where("vip")) == 1
    assert (trio.where("fs"), trio.where("last")) == ([], [])
    replace(trio, "fs", params=FS)
    trio.run(3)
    assert trio.where("last") == trio.where("vip")


def test_faulty_change_of_a_running_resource_leaves_it_running(trio: ModelCluster) -> None:
    trio.add(resource("ip", params={"ip": "10.0.0.3"}))
    trio.run(5)
    (home,) = trio.where("ip")
    seen = len(trio.log)
    replace(trio, "ip", params={"nic": "eth0"})
    trio.run(10)
    assert trio.where("ip") == [home]
    assert trio.actions(since=seen) == []
    assert codes(trio) == ["MissingParameter"]


def test_new_resource_waits_no_longer_than_two_seconds_for_an_agent_that_says_nothing(
    trio: ModelCluster,
) -> None:
    trio.answers_enquiries = False
    trio.add(resource("ip", params={"ip": "10.0.0.3"}))
    trio.run(1.5)
    assert trio.where("ip") == []
    trio.run(1.5)
    assert len(trio.where("ip")) == 1


def test_agent_that_says_nothing_is_asked_a_few_times_only(trio: ModelCluster) -> None:
    trio.answers_enquiries = False
    trio.add(resource("ip", params={"ip": "10.0.0.3"}))
    trio.run(400, step=0.25)
    assert len([line for line in trio.log if f"meta-data {IPADDR2}" in line]) == 3


def test_failover_does_not_wait_for_meta_data(trio: ModelCluster) -> None:
    trio.answers_enquiries = False
    trio.add(resource("ip", params={"ip": "10.0.0.3"}, meta={"requires": "quorum"}))
    trio.run(5)
    (home,) = trio.where("ip")
    trio.new_dc()
    trio.run(1)
    trio.crash(home)
    trio.run(3.6)
    assert trio.where("ip") not in ([], [home])


@pytest.mark.parametrize("shift", [86_400.0, -86_400.0, 3e8, -3e8])
def test_jump_of_the_wall_clock_moves_and_starts_nothing(trio: ModelCluster, shift: float) -> None:
    trio.add(resource("ip", params={"ip": "10.0.0.3"}), resource("fs", FILESYSTEM, params=FS))
    trio.run(5)
    places = {one: trio.where(one) for one in ("ip", "fs")}
    seen = len(trio.log)
    trio.wall_shift = shift
    trio.run(20)
    assert trio.actions(since=seen) == []
    assert {one: trio.where(one) for one in ("ip", "fs")} == places


def test_failover_works_after_the_wall_clock_has_jumped_back(trio: ModelCluster) -> None:
    trio.add(resource("fs", FILESYSTEM, params=FS))
    trio.run(5)
    (home,) = trio.where("fs")
    trio.wall_shift = -86_400.0
    trio.crash(home)
    trio.run(6)
    assert trio.where("fs") not in ([], [home])


def test_constraint_on_nothing_and_on_no_node_changes_nothing(trio: ModelCluster) -> None:
    trio.add(resource("ip", params={"ip": "10.0.0.3"}))
    trio.run(5)
    (home,) = trio.where("ip")
    for name, location in (
        ("ghost", {"resource": "ghost", "node": "n1", "score": "INFINITY"}),
        ("away", {"resource": "ip", "node": "n9", "score": "INFINITY"}),
    ):
        metadata = {"name": name, "namespace": "default", "uid": name, "generation": 1}
        trio.constraints.append(HAConstraint.parse({"metadata": metadata, "spec": {"location": location}}))
    trio.run(5)
    assert trio.where("ip") == [home]
    assert sorted(codes(trio)) == ["ReferenceNotFound", "UnknownNode"]


def test_group_member_that_does_not_exist_is_told(trio: ModelCluster) -> None:
    trio.add(
        resource("ip", params={"ip": "10.0.0.3"}), group("app", {"resource": "ip"}, {"resource": "ghost"})
    )
    trio.run(5)
    assert codes(trio) == ["MemberNotFound"]
    assert isinstance(trio.groups[0], ResourceGroup)
    assert len(trio.where("ip")) == 1


def shown(trio: ModelCluster, kind: str) -> dict[str, str]:
    """Code -> severity of what an object of that kind shows."""
    assert trio.orders is not None
    return {one.code: one.severity for one in trio.orders.picture.assembly.problems if one.kind == kind}


def test_cluster_that_fences_without_a_device_says_so_and_still_starts_what_can_be_started() -> None:
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": {}})
    bare = ModelCluster("n1", "n2", "n3", cluster=cluster)
    bare.agents = dict(AGENTS)
    bare.add(resource("ip", params={"ip": "10.0.0.3"}))
    bare.run(5)
    assert shown(bare, "HACluster") == {"NoFenceDevice": "error"}
    assert len(bare.where("ip")) == 1


def test_storage_that_may_start_before_its_lost_node_is_fenced_is_warned_of(trio: ModelCluster) -> None:
    trio.add(resource("fs", FILESYSTEM, params=FS, meta={"requires": "quorum"}))
    trio.run(5)
    assert shown(trio, "HAResource")["UnsafeRequires"] == "warning"
    assert shown(trio, "HACluster") == {}
    assert len(trio.where("fs")) == 1


def test_maintenance_makes_no_configuration_unsound(trio: ModelCluster) -> None:
    spec = {"properties": {"maintenanceMode": True}}
    trio.cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 2}, "spec": spec})
    trio.run(3)
    assert shown(trio, "HACluster") == {}

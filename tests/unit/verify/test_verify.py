"""What is wrong with a configuration is told with the field and the fix."""

from __future__ import annotations

import pytest

from backstay.api import HACluster
from backstay.api.plan import AgentMetadata, OperationRecord
from backstay.state.assemble_resources import params_of
from backstay.state.digest import params_digest
from backstay.verify import AgentBook, wanted_agents
from unit.verify.definitions import (
    AGENTS,
    FILESYSTEM,
    IPADDR2,
    constraint,
    device,
    group,
    judged,
    objects_of,
    plan,
    resource,
)

GOOD = {"ip": "10.0.0.3"}


def codes(*items: object) -> list[tuple[str, str, str]]:
    found = judged(objects_of(*items)).problems  # type: ignore[arg-type]
    return [(one.code, one.field, one.severity) for one in found]


def message(*items: object) -> str:
    (problem,) = judged(objects_of(*items)).problems  # type: ignore[arg-type]
    return problem.message


def test_sound_configuration_has_no_problem() -> None:
    monitor = {"name": "monitor", "interval": "10s", "timeout": "20s"}
    fs = {"device": "/dev/sda", "directory": "/srv", "fstype": "xfs"}
    assert (
        codes(resource("ip", params=GOOD, operations=[monitor]), resource("fs", FILESYSTEM, params=fs)) == []
    )


def test_unknown_agent_is_named_with_the_nodes_asked_and_the_nearest_agent() -> None:
    one = resource("ip", "ocf:heartbeat:IPadr2", params=GOOD)
    assert codes(one) == [("UnknownAgent", "spec.agent", "error")]
    assert "n1 n2" in message(one)
    assert "did you mean 'ocf:heartbeat:IPaddr2'?" in message(one)


def test_agent_is_not_called_unknown_while_a_node_has_not_said_what_it_has() -> None:
    silent = plan("n2")
    silent.status.capabilities = None
    found = judged(objects_of(resource("x", "ocf:acme:thing"), plans={"n1": plan("n1"), "n2": silent}))
    assert found.problems == ()


def test_agent_on_one_node_is_enough() -> None:
    found = judged(objects_of(resource("ip", params=GOOD), plans={"n1": plan("n1", {}), "n2": plan("n2")}))
    assert found.problems == ()


def test_missing_required_parameter_is_named_with_its_meaning() -> None:
    one = resource("ip")
    assert codes(one) == [("MissingParameter", "spec.params.ip", "error")]
    assert "IPv4 or IPv6 address" in message(one)


def test_required_parameter_from_a_secret_counts_as_given() -> None:
    secret = {"ip": {"secretKeyRef": {"name": "s", "key": "ip"}}}
    assert codes(resource("ip", paramsFrom=secret)) == []


def test_required_parameter_with_a_default_may_be_left_out() -> None:
    fs = {"device": "/dev/sda", "directory": "/srv", "fstype": "xfs"}
    assert codes(resource("fs", FILESYSTEM, params=fs)) == []


def test_mistyped_required_parameter_is_told_as_what_it_is() -> None:
    problems = judged(
        objects_of(
            resource("fs", FILESYSTEM, params={"devise": "/dev/sda", "directory": "/srv", "fstype": "xfs"})
        )
    ).problems
    assert [one.code for one in problems] == ["MissingParameter", "UnknownParameter"]
    assert "write 'device'" in problems[0].message
    assert "did you mean 'device'?" in problems[1].message


def test_unknown_parameter_is_a_warning_with_the_nearest_name() -> None:
    one = resource("ip", params={**GOOD, "cidr_netmak": "24"})
    assert codes(one) == [("UnknownParameter", "spec.params.cidr_netmak", "warning")]
    assert "did you mean 'cidr_netmask'?" in message(one)


def test_parameters_of_the_shell_library_are_no_strangers() -> None:
    assert codes(resource("ip", params={**GOOD, "OCF_CHECK_LEVEL": "10", "trace_ra": "1"})) == []


@pytest.mark.parametrize(("name", "value"), [("arp_count", "many"), ("lvs_support", "perhaps")])
def test_value_of_the_wrong_type_is_a_warning(name: str, value: str) -> None:
    one = resource("ip", params={**GOOD, name: value})
    assert codes(one) == [("InvalidValue", f"spec.params.{name}", "warning")]


def test_inline_member_is_judged_in_its_group() -> None:
    one = group("app", {"name": "vip", "template": {"agent": IPADDR2}})
    assert codes(one) == [("MissingParameter", "spec.members[0].template.params.ip", "error")]
    (problem,) = judged(objects_of(one)).problems
    assert (problem.kind, problem.name) == ("ResourceGroup", "app")


def test_two_monitors_of_one_interval_are_told() -> None:
    monitors = [{"name": "monitor", "interval": "10s"}, {"name": "monitor", "interval": "10000ms"}]
    one = resource("ip", params=GOOD, operations=monitors)
    assert codes(one) == [("DuplicateOperation", "spec.operations[1].interval", "error")]


def test_monitors_of_one_interval_may_differ_in_role() -> None:
    monitors = [
        {"name": "monitor", "interval": "10s", "role": "Promoted"},
        {"name": "monitor", "interval": "10s", "role": "Unpromoted"},
    ]
    assert codes(resource("ip", params=GOOD, operations=monitors)) == []


@pytest.mark.parametrize(
    ("operation", "code", "field", "severity"),
    [
        (
            {"name": "monitor", "interval": "1s", "timeout": "20s"},
            "IntervalBelowTimeout",
            "interval",
            "warning",
        ),
        ({"name": "monitor", "interval": "100us"}, "InvalidValue", "interval", "error"),
        ({"name": "monitor", "interval": "48h"}, "InvalidValue", "interval", "warning"),
        ({"name": "start", "timeout": "0s"}, "InvalidValue", "timeout", "error"),
        ({"name": "start", "timeout": "90h"}, "InvalidValue", "timeout", "warning"),
    ],
)
def test_absurd_times_are_told(operation: dict[str, str], code: str, field: str, severity: str) -> None:
    one = resource("ip", params=GOOD, operations=[operation])
    assert codes(one) == [(code, f"spec.operations[0].{field}", severity)]


def test_younger_of_two_resources_with_one_address_is_wrong() -> None:
    old = resource("old", params={"ip": "fd00::3"}, created="2026-01-01T00:00:00Z")
    new = resource("new", params={"ip": "fd00:0::0003"}, created="2026-02-01T00:00:00Z")
    (problem,) = judged(objects_of(new, old)).problems
    assert (problem.name, problem.code, problem.field) == ("new", "DuplicateAddress", "spec.params.ip")
    assert "'old' (HAResource default/old)" in problem.message


def test_address_that_is_none_is_told() -> None:
    assert codes(resource("ip", params={"ip": "10.0.0.333"})) == [("InvalidValue", "spec.params.ip", "error")]


def test_location_on_a_node_that_is_no_member_names_the_members() -> None:
    place = constraint("l", location={"resource": "ip", "node": "n11", "score": 5})
    assert codes(resource("ip", params=GOOD), place) == [("UnknownNode", "spec.location.node", "error")]
    assert "which has n1 n2" in message(resource("ip", params=GOOD), place)


def test_pattern_that_matches_nothing_is_told() -> None:
    place = constraint("l", location={"resourcePattern": "^web", "node": "n1", "score": 5})
    assert codes(resource("ip", params=GOOD), place)[0][:2] == (
        "ReferenceNotFound",
        "spec.location.resourcePattern",
    )


def test_fence_device_without_its_agent_is_told() -> None:
    assert codes(device("stonith:fence_pdo")) == [("UnknownAgent", "spec.agent", "error")]


def test_fence_device_need_not_name_the_target_itself() -> None:
    assert codes(device(params={"ip": "10.0.0.2"})) == []
    assert codes(device(params={"passwort": "x"})) == [
        ("UnknownParameter", "spec.params.passwort", "warning"),
        ("MissingParameter", "spec.params.ip", "warning"),
    ]


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("spec.hostMap", {"hostMap": {"n1": "1", "n11": "2"}}),
        ("spec.targets.nodes", {"targets": {"nodes": ["n1", "n11"]}}),
        ("spec.nodeDelays", {"nodeDelays": {"n11": "5s"}}),
        ("spec.params.pcmk_host_map", {"params": {"ip": "10.0.0.2", "pcmk_host_map": "n1=1 n11=2"}}),
        ("spec.params.pcmk_host_list", {"params": {"ip": "10.0.0.2", "pcmk_host_list": "n1,n11"}}),
        ("spec.params.pcmk_delay_base", {"params": {"ip": "10.0.0.2", "pcmk_delay_base": "n11:5s"}}),
    ],
)
def test_node_that_only_a_fence_device_knows_is_told(field: str, written: dict[str, object]) -> None:
    one = device(**{"params": {"ip": "10.0.0.2"}, **written})
    assert codes(one) == [("UnknownNode", field, "warning")]
    assert "'n11' is no node" in message(one)


def test_agent_that_prints_rubbish_as_meta_data_is_told_and_not_held_against_its_resource() -> None:
    broken = plan("n1")
    broken.status.metadata = [AgentMetadata(agent=IPADDR2, rc=0, digest="d", xml_gz="bm8gZ3ppcA==")]
    found = judged(objects_of(resource("ip"), plans={"n1": broken}))
    assert [(one.code, one.severity) for one in found.problems] == [("AgentUnreadable", "warning")]
    assert found.faulty == {}


def test_what_runs_with_these_very_parameters_is_only_warned_about() -> None:
    one = resource("ip", params={"nic": "eth0"})
    home = plan("n1")
    record = OperationRecord(
        resource="ip", operation="start", rc=0, agent=IPADDR2, digest=params_digest(params_of(one.spec))
    )
    home.status.history = [record]
    found = judged(objects_of(one, plans={"n1": home, "n2": plan("n2")}))
    assert [(problem.code, problem.severity) for problem in found.problems] == [
        ("MissingParameter", "warning")
    ]
    assert found.faulty == {}


def test_meta_data_under_the_old_lvm_name_may_be_that_of_its_successor() -> None:
    lvm = "ocf:heartbeat:LVM"
    activate = '<resource-agent name="LVM-activate"><parameters><parameter name="vgname" required="1"/></parameters></resource-agent>'
    host = plan("n1", {"ocf:heartbeat:LVM-activate": activate, lvm: activate})
    host.status.capabilities.agents = ["ocf:heartbeat:LVM-activate"]  # type: ignore[union-attr]
    good = resource("lvm", lvm, params={"volgrpname": "vg", "exclusive": "true"})
    assert judged(objects_of(good, plans={"n1": host})).problems == ()
    bad = resource("lvm", lvm, params={"exclusive": "true"})
    assert list(judged(objects_of(bad, plans={"n1": host})).faulty.values()) == ["MissingParameter"]


def test_book_reads_a_few_documents_at_a_time_and_keeps_what_a_node_drops() -> None:
    agents = {f"ocf:acme:a{number}": AGENTS[IPADDR2] for number in range(6)}
    objects = objects_of(
        *(resource(f"r{n}", agent) for n, agent in enumerate(agents)), plans={"n1": plan("n1", agents)}
    )
    book, wanted = AgentBook(), wanted_agents(objects)
    assert not book.look(objects.plans, members=["n1"], wanted=wanted)
    assert book.look(objects.plans, members=["n1"], wanted=wanted)
    revision = book.revision
    objects.plans["n1"].status.metadata = []
    assert book.look(objects.plans, members=["n1"], wanted=wanted)
    assert book.document("ocf:acme:a5") is not None
    assert book.revision == revision


def test_cluster_is_named_in_what_is_said_of_its_nodes() -> None:
    place = constraint("l", location={"resourcePattern": ".", "node": "nX", "score": 5})
    objects = objects_of(resource("ip", params=GOOD), place)
    assert isinstance(objects.cluster, HACluster)
    assert "HACluster 'c'" in judged(objects).problems[0].message

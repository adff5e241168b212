"""What only the whole configuration shows: constraints that never count, contradictions, circles, and what endangers data."""

from __future__ import annotations

import pytest

from backstay.state.cluster import ClusterState
from backstay.verify import Fault, check_constraints, check_safety, problems_of
from unit.cib.roundtrip import objects_of
from unit.explain.cluster import pair, primitive, state


def codes(cluster: ClusterState) -> list[tuple[str, str]]:
    return [(fault.subject, fault.code) for fault in check_constraints(cluster)]


def location(identity: str, node: str, score: str, rsc: str = "A") -> str:
    return f'<rsc_location id="{identity}" rsc="{rsc}" node="{node}" score="{score}"/>'


AB = primitive("A") + primitive("B") + primitive("C")


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        (location("l", "n1", "5"), []),
        (location("l", "n11", "5"), [("l", "UnknownNode")]),
        (location("l", "n1", "0"), [("l", "NoEffect")]),
        (location("l", "n1", "5", rsc="X"), [("l", "ReferenceNotFound")]),
        (location("p", "n1", "INFINITY") + location("m", "n1", "-INFINITY"), [("p", "Contradiction")]),
        (location("p", "n1", "INFINITY") + location("m", "n2", "-INFINITY"), []),
        (
            '<rsc_location id="r" rsc="A"><rule id="rr" score="5"><expression id="e" attribute="rack" operation="eq" value="x"/>'
            "</rule></rsc_location>",
            [("r", "NeverMatches")],
        ),
        (
            '<rsc_location id="r" rsc="A"><rule id="rr" score="5"><expression id="e" attribute="rack" operation="eq"'
            ' value="left"/></rule></rsc_location>',
            [],
        ),
        (
            '<rsc_location id="r" rsc="A"><rule id="rr" score="5"><date_expression id="e" operation="lt" end="2001-01-01"/>'
            "</rule></rsc_location>",
            [],
        ),
        (
            '<rsc_colocation id="t" rsc="A" with-rsc="B" score="INFINITY"/>'
            '<rsc_colocation id="s" rsc="B" with-rsc="A" score="-INFINITY"/>',
            [("t", "Contradiction")],
        ),
        ('<rsc_colocation id="t" rsc="A" with-rsc="A" score="INFINITY"/>', [("t", "JoinsItself")]),
        (
            '<rsc_order id="o1" first="A" then="B"/><rsc_order id="o2" first="B" then="C"/>'
            '<rsc_order id="o3" first="C" then="A"/>',
            [("o1", "OrderCircle")],
        ),
        (
            '<rsc_order id="o1" first="A" then="B"/><rsc_order id="o2" first="B" then="A" kind="Optional"/>',
            [],
        ),
        (
            '<rsc_order id="o1" first="A" then="B"/><rsc_order id="o2" first="A" then="B"/>',
            [("o2", "Repeated")],
        ),
    ],
)
def test_constraints_that_cannot_work_are_found(constraints: str, expected: list[tuple[str, str]]) -> None:
    cluster = state(resources=AB, constraints=constraints, node_attributes={"n1": pair("rack", "left")})
    assert codes(cluster) == expected


def test_a_rule_on_what_an_agent_will_set_is_no_fault() -> None:
    rule = (
        '<rsc_location id="r" rsc="A"><rule id="rr" score="5"><expression id="e" attribute="pingd" operation="gt" value="0"/>'
        "</rule></rsc_location>"
    )
    assert codes(state(resources=AB, constraints=rule)) == [("r", "NeverMatches")]
    assert codes(state(resources=AB + primitive("P", "ping"), constraints=rule)) == []


def test_members_of_a_group_that_must_be_apart_are_an_error() -> None:
    cluster = state(
        resources=f'<group id="G">{primitive("A")}{primitive("B")}</group>',
        constraints='<rsc_colocation id="apart" rsc="A" with-rsc="B" score="-INFINITY"/>',
    )
    (fault,) = check_constraints(cluster)
    assert (fault.code, fault.severity) == ("Contradiction", "error")
    assert "group G" in fault.message


WATCHED = '<op id="{0}-o" name="monitor" interval="10s"/>'


def watched(name: str, kind: str = "Dummy", *, meta: str = "") -> str:
    return primitive(name, kind, meta=meta, ops=WATCHED.format(name))


FENCED = pair("stonith-enabled", "true")
DEVICE = '<primitive id="F" class="stonith" type="fence_xvm"/>'


@pytest.mark.parametrize(
    ("resources", "options", "expected"),
    [
        (watched("A"), "", []),
        (primitive("A"), "", ["NotWatched"]),
        (watched("A", "Filesystem"), "", ["NoFencing"]),
        (watched("A", "Filesystem") + DEVICE, FENCED, []),
        (watched("A"), FENCED, ["NoFenceDevice"]),
        (watched("A", "LVM", meta=pair("requires", "quorum")) + DEVICE, FENCED, ["UnsafeRequires"]),
        (watched("A"), pair("no-quorum-policy", "ignore"), ["QuorumIgnored"]),
        (watched("A"), pair("maintenance-mode", "true"), ["Maintenance"]),
        (watched("A"), pair("stop-all-resources", "true"), ["AllStopped"]),
    ],
)
def test_what_endangers_data_or_availability_is_found(
    resources: str, options: str, expected: list[str]
) -> None:
    cluster = state(resources=resources, options=options)
    assert [fault.code for fault in check_safety(cluster)] == expected


def test_a_file_system_over_the_network_needs_no_fencing() -> None:
    nfs = watched("A", "Filesystem").replace(
        "<operations>",
        '<instance_attributes id="i"><nvpair id="f" name="fstype" value="nfs"/></instance_attributes><operations>',
    )
    assert list(check_safety(state(resources=nfs))) == []


def test_what_is_tied_to_something_disabled_is_found() -> None:
    cluster = state(
        resources=watched("A") + watched("B", meta=pair("target-role", "Stopped")),
        constraints='<rsc_colocation id="tie" rsc="A" with-rsc="B" score="INFINITY"/>',
    )
    assert [(fault.subject, fault.code) for fault in check_safety(cluster)] == [("tie", "TiedToDisabled")]


def test_findings_name_object_and_field() -> None:
    from backstay.cib.exporting.objects import configuration_of

    api = {"apiVersion": "ha.backstay.io/v1alpha1"}
    resource = {"agent": "ocf:heartbeat:Dummy", "resourceId": "A"}
    place = {"location": {"resource": "A", "node": "nowhere", "score": 5}}
    objects = objects_of(
        [
            {**api, "kind": "HACluster", "metadata": {"name": "c"}, "spec": {}},
            {**api, "kind": "HAResource", "metadata": {"name": "a", "namespace": "web"}, "spec": resource},
            {**api, "kind": "HAConstraint", "metadata": {"name": "l", "namespace": "web"}, "spec": place},
        ]
    )
    assembly = configuration_of(objects, now=0.0)
    faults: list[Fault] = [*check_constraints(assembly.state), *check_safety(assembly.state)]
    found = [
        (one.kind, one.name, one.field, one.code) for one in problems_of(faults, objects, assembly.index)
    ]
    assert found == [
        ("HAConstraint", "l", "spec.location.node", "UnknownNode"),
        ("HACluster", "c", "spec.properties.stonithEnabled", "NoFenceDevice"),
        ("HAResource", "a", "spec.operations", "NotWatched"),
    ]

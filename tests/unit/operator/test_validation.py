"""How findings reach people: conditions that name code, field and fix; one Event for each; nothing stopped on a misreading."""

from __future__ import annotations

from backstay.api import HACluster, HANode, HAResource
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay_operator.validation import (
    cautious,
    conditions_of,
    first_error,
    key_of,
    problems_by_object,
    stray,
    untold,
    valid_condition,
)

NOW = 1_790_000_000.0


def resource(*conditions: dict[str, object]) -> HAResource:
    return HAResource.parse(
        {
            "metadata": {"name": "ip", "namespace": "default", "generation": 3},
            "spec": {"agent": "ocf:heartbeat:IPaddr2"},
            "status": {"conditions": list(conditions)},
        }
    )


def problem(code: str, *, warning: bool = False, kind: str = "HAResource", message: str = "") -> Problem:
    return Problem(
        kind=kind,
        namespace="default",
        name="ip",
        code=code,
        message=message or f"spec.{code}: wrong",
        severity="warning" if warning else "error",
    )


def cluster(**properties: object) -> HACluster:
    return HACluster.parse({"metadata": {"name": "c"}, "spec": {"properties": properties}})


def test_first_error_is_told_by_ready_and_the_rest_by_valid() -> None:
    item = resource()
    problems = [problem("Odd", warning=True), problem("Wrong"), problem("Other", kind="HANode")]
    found = problems_by_object(problems)[key_of(item)]
    told = first_error(found)
    assert told is not None
    assert told.code == "Wrong"
    valid = valid_condition(item, [], problems=found, verifying=False, now=NOW)
    assert (valid["status"], valid["reason"], valid["message"]) == ("False", "Wrong", "spec.Odd: wrong")


def test_warning_leaves_ready_alone_and_shows_in_valid() -> None:
    item = resource()
    found = problems_by_object([problem("Odd", warning=True)])[key_of(item)]
    assert first_error(found) is None
    valid = valid_condition(item, [], problems=found, verifying=False, now=NOW)
    assert (valid["status"], valid["message"]) == ("False", "spec.Odd: wrong")


def test_resource_that_waits_for_verification_says_so() -> None:
    valid = valid_condition(resource(), [], problems=[], verifying=True, now=NOW)
    assert (valid["status"], valid["reason"]) == ("Unknown", "Verifying")


def test_condition_keeps_its_time_while_its_status_stays() -> None:
    first = valid_condition(resource(), [], problems=[], verifying=False, now=NOW)
    item = resource(first)
    again = valid_condition(item, item.status.conditions, problems=[], verifying=False, now=NOW + 60)
    assert again["lastTransitionTime"] == first["lastTransitionTime"]


def test_finding_that_the_object_shows_already_is_not_told_by_the_next_dc() -> None:
    odd, wrong = problem("Odd", warning=True), problem("Wrong")
    objects = Objects(cluster=cluster(), resources=(resource(),))
    assert untold([wrong, odd], conditions_of(objects)) == [odd, wrong]
    shown = valid_condition(resource(), [], problems=[odd], verifying=False, now=NOW)
    objects = Objects(cluster=cluster(), resources=(resource(shown),))
    assert untold([odd, wrong], conditions_of(objects)) == [wrong]


def test_nothing_is_stopped_as_an_orphan_while_a_resource_cannot_be_read() -> None:
    objects = Objects(cluster=cluster(stopOrphanResources=True))
    assert cautious(objects, []).cluster.spec.properties.stop_orphan_resources
    assert cautious(
        objects, [problem("Invalid", kind="HANode")]
    ).cluster.spec.properties.stop_orphan_resources
    careful = cautious(objects, [problem("Invalid")])
    assert not careful.cluster.spec.properties.stop_orphan_resources


def test_manifest_for_a_node_that_is_no_member_tells_how_to_make_it_one() -> None:
    node = HANode.parse({"metadata": {"name": "n9"}})
    absent = stray(node, selector=None, cluster="c", kubernetes_nodes=["n2", "n1"])
    assert "there is no Node 'n9'; there are n1 n2" in absent.problem.message
    unselected = stray(node, selector={"ha": "yes"}, cluster="c", kubernetes_nodes=["n9"])
    assert "kubectl label node n9 ha=yes" in unselected.problem.message

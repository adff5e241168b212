"""From objects to the scheduler's input; what is wrong becomes a finding that names object, field and fix."""

from __future__ import annotations

from backstay.api import HACluster, HAConstraint, HANode, HANodePlan, HAResource, ResourceGroup
from backstay.api.plan import Absences, OperationRecord
from backstay.scheduler import schedule
from backstay.state import Group, Location, Primitive, Requires
from backstay.state.assemble import Assembly, NodeJudgement, Objects, assemble
from backstay.state.history import Absence


def resource(name: str, *, created: str = "2026-01-01T00:00:00Z", **spec: object) -> HAResource:
    body = {"agent": "ocf:heartbeat:Dummy", **spec}
    metadata = {"name": name, "namespace": "default", "creationTimestamp": created}
    return HAResource.parse({"metadata": metadata, "spec": body})


def group(name: str, *members: dict[str, object]) -> ResourceGroup:
    return ResourceGroup.parse(
        {"metadata": {"name": name, "namespace": "default"}, "spec": {"members": list(members)}}
    )


def constraint(name: str, **spec: object) -> HAConstraint:
    return HAConstraint.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def assembled(*, released: bool = False, **objects: object) -> Assembly:
    cluster = HACluster.parse({"metadata": {"name": "c"}, "spec": {}})
    node = HANode.parse({"metadata": {"name": "n1"}})
    judgement = NodeJudgement(name="n1", online=not released, unclean=released, released=released)
    whole = Objects(cluster=cluster, nodes=(node,), **objects)  # type: ignore[arg-type]
    return assemble(whole, judgements={"n1": judgement}, now=0.0, quorum=True)


def test_group_takes_referenced_resources_out_of_the_top_level() -> None:
    made = assembled(resources=(resource("fs"), resource("ip")), groups=(group("app", {"resource": "fs"}),))
    kinds = {item.id: type(item) for item in made.state.resources}
    assert kinds == {"ip": Primitive, "app": Group}


def test_second_resource_with_the_same_id_is_left_out_and_told() -> None:
    made = assembled(
        resources=(
            resource("new", created="2026-02-01T00:00:00Z", resourceId="IP"),
            resource("old", created="2026-01-01T00:00:00Z", resourceId="IP"),
        )
    )
    assert len(made.state.resources) == 1
    (problem,) = made.problems
    assert (problem.name, problem.code, problem.field) == ("new", "DuplicateId", "spec.resourceId")
    assert "default/old" in problem.message


def test_member_that_does_not_exist_is_named_with_its_index() -> None:
    made = assembled(groups=(group("app", {"resource": "ghost"}),))
    (problem,) = made.problems
    assert problem.code == "MemberNotFound"
    assert "spec.members[0]" in problem.message
    assert "ghost" in problem.message


def test_resource_in_two_groups_stays_in_the_first() -> None:
    made = assembled(
        resources=(resource("fs"),), groups=(group("a", {"resource": "fs"}), group("b", {"resource": "fs"}))
    )
    assert [problem.code for problem in made.problems] == ["MemberInTwoGroups"]
    assert made.index.group_of["fs"] == "a"


def test_constraint_on_nothing_is_told_and_ignored() -> None:
    made = assembled(constraints=(constraint("l", location={"resource": "ghost", "node": "n1", "score": 5}),))
    assert made.state.constraints == ()
    assert [problem.code for problem in made.problems] == ["ReferenceNotFound"]


def test_constraint_may_name_a_pacemaker_id() -> None:
    made = assembled(
        resources=(resource("cluster-ip", resourceId="ClusterIP"),),
        constraints=(constraint("l", location={"resource": "ClusterIP", "node": "n1", "score": "INFINITY"}),),
    )
    (found,) = made.state.constraints
    assert isinstance(found, Location)
    assert (found.resource, found.score) == ("ClusterIP", 1_000_000)


def test_requires_is_inherited_from_the_group_and_defaults_to_fencing() -> None:
    free = ResourceGroup.parse(
        {
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {"members": [{"resource": "fs"}], "meta": {"requires": "quorum"}},
        }
    )
    made = assembled(resources=(resource("fs"), resource("db")), groups=(free,))
    assert made.requires == {"fs": Requires.QUORUM, "db": Requires.FENCING}


def _plan(*resources: str) -> HANodePlan:
    plan = HANodePlan.parse({"metadata": {"name": "n1"}})
    plan.status.history = [
        OperationRecord(resource=name, operation="start", agent="ocf:heartbeat:Dummy", call_id=1, rc=0)
        for name in resources
    ]
    return plan


def test_absence_is_a_probe_that_found_nothing_unless_more_is_known() -> None:
    plan = _plan("fs")
    plan.status.absences = [Absences(agent="ocf:heartbeat:Dummy", resources=["ip", "fs"])]
    made = assembled(resources=(resource("ip"), resource("fs")), plans={"n1": plan})
    known = {one.resource: one for one in made.state.histories}
    assert list(known) == ["fs", "ip"]
    assert isinstance(known["ip"].operations, Absence)
    assert [(one.operation, one.interval_ms, one.rc) for one in known["ip"].operations] == [("monitor", 0, 7)]
    assert [one.operation for one in known["fs"].operations] == ["start"]
    assert schedule(made.state).graph.actions, "what was probed may be started"


def test_cut_off_node_counts_as_having_stopped_what_needs_no_fencing() -> None:
    made = assembled(
        released=True,
        resources=(resource("ip", meta={"requires": "quorum"}), resource("fs")),
        plans={"n1": _plan("ip", "fs")},
    )
    known = {one.resource: one.operations[0] for one in made.state.histories}
    assert (known["ip"].operation, known["ip"].rc) == ("monitor", 7)
    assert known["fs"].operation == "start"


def test_secret_values_never_enter_the_state() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    made = assembled(resources=(resource("db", paramsFrom={"password": source}),))
    (primitive,) = made.state.resources
    assert isinstance(primitive, Primitive)
    assert primitive.params["password"] == "secret:s/k"

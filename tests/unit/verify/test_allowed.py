"""What a cluster lets a namespace run."""

from __future__ import annotations

import pytest

from backstay.api import HACluster
from backstay.state.assemble import Objects
from backstay.verify import AgentBook, verify
from unit.verify.definitions import group, index_of, plan, resource

SYSTEMD = {"namespaces": ["*"], "agents": ["systemd:*"]}
DUMMIES = {"namespaces": ["default"], "agents": ["ocf:heartbeat:IPaddr2", "ocf:pacemaker:*"]}


def codes(agent: str, *entries: dict[str, list[str]]) -> list[str]:
    cluster = HACluster.parse({"metadata": {"name": "c"}, "spec": {"allowedAgents": list(entries)}})
    inline = group("g", {"name": "inside", "template": {"agent": agent}})
    objects = Objects(cluster=cluster, resources=(resource("alone", agent),), groups=(inline,))
    verification = verify(objects, AgentBook(), index=index_of(objects))
    return [one.problem.code for one in verification.findings if one.problem.code == "AgentNotAllowed"]


@pytest.mark.parametrize("agent", ["ocf:heartbeat:IPaddr2", "lsb:anything"])
def test_without_a_list_everything_is_allowed(agent: str) -> None:
    assert codes(agent) == []


@pytest.mark.parametrize("agent", ["ocf:heartbeat:IPaddr2", "ocf:pacemaker:Dummy", "systemd:nginx"])
def test_what_an_entry_of_the_namespace_names_is_allowed(agent: str) -> None:
    assert codes(agent, SYSTEMD, DUMMIES) == []


@pytest.mark.parametrize("agent", ["ocf:heartbeat:IPaddr22", "lsb:x", "ocf:heartbeat:apache"])
def test_what_no_entry_names_is_refused_alone_and_in_a_group(agent: str) -> None:
    assert codes(agent, SYSTEMD, DUMMIES) == ["AgentNotAllowed", "AgentNotAllowed"]


def test_entries_of_other_namespaces_allow_nothing() -> None:
    assert len(codes("ocf:heartbeat:IPaddr2", {"namespaces": ["team"], "agents": ["*"]})) == 2


def test_having_been_started_once_allows_nothing() -> None:
    """Other findings are softened by proof that it can run; whether it may is another question."""
    cluster = HACluster.parse({"metadata": {"name": "c"}, "spec": {"allowedAgents": [SYSTEMD]}})
    one = resource("alone", params={"ip": "10.0.0.1"})
    objects = Objects(cluster=cluster, resources=(one,))
    from backstay.api.plan import OperationRecord
    from backstay.state.assemble_resources import params_of
    from backstay.state.digest import params_digest

    ran = plan("n1")
    ran.status.history = [
        OperationRecord(
            resource="alone",
            operation="start",
            agent="ocf:heartbeat:IPaddr2",
            rc=0,
            digest=params_digest(params_of(one.spec)),
        )
    ]
    book = AgentBook()
    findings = verify(objects, book, index=index_of(objects)).conclude({"n1": ran})
    assert findings.faulty == {"alone": "AgentNotAllowed"}

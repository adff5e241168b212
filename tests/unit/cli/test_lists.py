"""agents, constraints, fence devices: lists in words; and meta-data that cannot be trusted."""

from __future__ import annotations

import base64
import gzip

import pytest

from backstay.api import HAConstraint
from backstay.api.plan import AgentMetadata
from backstay_cli.build.agents import catalogue, full_name, resolve
from backstay_cli.errors import CliError
from backstay_cli.metadata_source import XML_LIMIT, parsed, unpack
from backstay_cli.render.constraints import sentence
from unit.cli.cluster import cluster, made, node, plan, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import run


async def test_agents_say_where_they_are_missing() -> None:
    api = FakeApi(*tutorial())
    assert (await run(api, "resource", "agents", "ocf:pacemaker")).out == "Dummy  (not on n1, n2)\n"
    assert (await run(api, "resource", "agents", "ocf:heartbeat")).out == "Filesystem\nIPaddr2\nLVM\napache\n"
    assert (await run(api, "resource", "standards")).out == "ocf\nsystemd  (not on n1, n2)\n"
    assert (await run(api, "resource", "providers")).out == "heartbeat\npacemaker\n"
    assert "did you mean ocf:heartbeat?" in (await run(api, "resource", "agents", "ocf:hartbeat")).hint


async def test_without_capabilities_the_error_points_to_the_agents() -> None:
    api = FakeApi(cluster(), node("n1"), plan("n1"))
    outcome = await run(api, "resource", "agents")
    assert "no node of tutorial has said yet" in outcome.error


def test_short_names_are_resolved_only_when_one_agent_is_meant() -> None:
    from backstay.api import HANodePlan

    names = ["ocf:heartbeat:Dummy", "ocf:pacemaker:Dummy", "ocf:heartbeat:IPaddr2", "systemd:cron"]
    known = catalogue([HANodePlan.parse(plan("n1", agents=names))])
    assert resolve("ipaddr2", known) == "ocf:heartbeat:IPaddr2"
    assert resolve("cron", known) == "systemd:cron"
    with pytest.raises(
        CliError, match="several agents are called 'Dummy': ocf:heartbeat:Dummy, ocf:pacemaker:Dummy"
    ):
        resolve("Dummy", known)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("ocf::heartbeat:IPaddr2", "ocf:heartbeat:IPaddr2"),
        ("heartbeat:IPaddr2", "ocf:heartbeat:IPaddr2"),
        ("systemd:nginx", "systemd:nginx"),
        ("IPaddr2", ""),
    ],
)
def test_full_names_are_written_our_way(word: str, name: str) -> None:
    assert full_name(word) == name


def packed(xml: bytes) -> str:
    return base64.b64encode(gzip.compress(xml)).decode()


@pytest.mark.parametrize(
    "copy",
    [
        AgentMetadata(agent="ocf:a:b", rc=1),
        AgentMetadata(agent="ocf:a:b"),
        AgentMetadata(agent="ocf:a:b", xml_gz="%%%"),
        AgentMetadata(agent="ocf:a:b", xml_gz=base64.b64encode(b"plain").decode()),
        AgentMetadata(agent="ocf:a:b", xml_gz=packed(b"<not-an-agent/>")),
    ],
)
def test_broken_meta_data_is_an_error_that_names_the_agent(copy: AgentMetadata) -> None:
    with pytest.raises(CliError, match="ocf:a:b"):
        parsed(copy)


def test_meta_data_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(CliError, match="larger than"):
        unpack(AgentMetadata(agent="ocf:a:b", xml_gz=packed(b" " * (XML_LIMIT + 10))))


def test_constraints_are_told_in_sentences() -> None:
    def told(**spec: object) -> str:
        return sentence(HAConstraint.parse(made("HAConstraint", "c", namespace="default", spec=spec)))

    assert told(location={"resource": "a", "node": "n1", "score": 50}) == "a prefers n1 with 50"
    assert told(location={"resource": "a", "node": "n1", "score": "-INFINITY"}) == "a avoids n1 with INFINITY"
    rule = {
        "score": 100,
        "booleanOp": "or",
        "expressions": [
            {"attribute": "rack", "operation": "eq", "value": "2"},
            {"attribute": "ssd", "operation": "defined"},
            {"operation": "date_spec", "dateSpec": {"hours": "9-16"}},
        ],
    }
    assert told(location={"resourcePattern": "^web", "rules": [rule]}) == (
        "/^web/: score 100 where rack eq 2 or ssd defined or date hours=9-16"
    )
    assert told(colocation={"resource": "a", "withResource": "b", "withRole": "Promoted"}) == (
        "a with Promoted b (score INFINITY)"
    )
    assert told(order={"first": "a", "then": "b", "firstAction": "promote", "thenAction": "start"}) == (
        "promote a then start b (Mandatory)"
    )
    sets = [{"resources": ["a", "b"], "sequential": False}, {"resources": ["c"]}]
    assert (
        told(order={"sets": sets, "kind": "Optional"})
        == "in order: set a b (unordered) then set c (Optional)"
    )
    assert (
        told(ticket={"ticket": "T1", "resource": "a", "lossPolicy": "stop"})
        == "a needs ticket T1, on loss stop"
    )


async def test_fence_devices_are_listed_by_level() -> None:
    spec = {"cluster": "tutorial", "agent": "stonith:fence_sandbox", "params": {"ip": "10.0.0.1"}}
    api = FakeApi(
        *tutorial(),
        made("FenceDevice", "backup", spec={**spec, "level": 2}),
        made("FenceDevice", "pdu", spec={**spec, "targets": {"nodes": ["n1", "n2"]}}),
    )
    lines = (await run(api, "fence", "list")).out.splitlines()
    assert [line.split()[0] for line in lines] == ["DEVICE", "pdu", "backup"]
    assert "n1 n2" in lines[1]
    assert "all nodes" in lines[2]

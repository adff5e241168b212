"""Bad input on real hosts: agents that hang, flood their output and exit with rubbish; definitions that cannot be. Each is told,
and the healthy resource beside it is never touched."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import ClusterUnderTest

pytestmark = pytest.mark.hosts

META = """cat <<END
<?xml version="1.0"?><resource-agent name="test"><version>1.0</version>
<parameters><parameter name="word" required="1"><shortdesc>a word</shortdesc><content type="string"/></parameter></parameters>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/></actions></resource-agent>
END
exit 0"""
STATE = 'state="/run/test-$OCF_RESOURCE_INSTANCE"'
PLAIN = {
    "meta-data": META,
    "start": 'touch "$state"; exit 0',
    "stop": 'rm -f "$state"; exit 0',
    "monitor": '[ -e "$state" ] && exit 0; exit 7',
}
AGENTS = {
    "hang": {**PLAIN, "start": "sleep 613 & sleep 613"},
    "flood": {
        **PLAIN,
        "start": 'touch "$state"; head -c 60000000 /dev/zero | tr "\\\\0" x; head -c 60000000 /dev/zero | tr "\\\\0" y >&2; exit 0',
    },
    "rubbish": {
        **PLAIN,
        "meta-data": "printf '\\\\377\\\\000<<<no xml'; exit 0",
        "start": "head -c 300 /dev/urandom; exit 213",
    },
    "sound": PLAIN,
}


def script(cases: dict[str, str]) -> str:
    body = "\n".join(f"{name}) {what} ;;" for name, what in cases.items())
    return f'#!/bin/sh\n{STATE}\ncase "$1" in\n{body}\n*) exit 3 ;;\nesac\n'


def install_agents(sandbox: SandboxUnderTest) -> None:
    """Into each host's own view of the agents' directory."""
    for node in sandbox.layout.nodes:
        setup = (
            "mkdir -p /run/agents/upper/test /run/agents/work && "
            "mount -t overlay overlay /usr/lib/ocf/resource.d "
            "-o lowerdir=/usr/lib/ocf/resource.d,upperdir=/run/agents/upper,workdir=/run/agents/work"
        )
        done = sandbox.on_host(node, "sh", "-c", setup)
        assert done.returncode == 0, done.stderr
        for name, cases in AGENTS.items():
            path = f"/usr/lib/ocf/resource.d/test/{name}"
            text = script(cases).replace("\\\\", "\\")
            done = sandbox.on_host(
                node,
                "sh",
                "-c",
                f'printf %s "$TEXT" > {path} && chmod 755 {path}',
                environment={"TEXT": text},
            )
            assert done.returncode == 0, done.stderr


def plans(cluster: ClusterUnderTest) -> list[dict[str, Any]]:
    got = cluster.run("kubectl", "get", "hanodeplans", "-o", "json")
    assert got.returncode == 0, got.stderr
    return list(json.loads(got.stdout)["items"])


def all_know(cluster: ClusterUnderTest, agent: str) -> bool:
    """Agents look again when a directory has changed."""
    return all(agent in plan["status"]["capabilities"]["agents"] for plan in plans(cluster))


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterUnderTest]:
    """Three hosts with odd agents, and one healthy address whose every outage is noticed."""
    options = SandboxOptions(name=sandbox_name("bad"), nodes=3)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url="http://10.0.1.100/", address="10.0.0.3") as watch:
            made = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            install_agents(made.sandbox)
            apply(made, "good", "ocf:heartbeat:IPaddr2", params={"ip": "10.0.0.3", "cidr_netmask": "24"})
            assert watch.wait_up("address", timeout_s=20.0)
            wait_for(
                lambda: all_know(made, "ocf:test:sound"), timeout_s=20.0, what="nodes list the new agents"
            )
            yield made
    finally:
        background.stop(options.layout)


@pytest.fixture(autouse=True)
def _healthy_resource_is_never_touched(cluster: ClusterUnderTest) -> Iterator[None]:
    since, boots = time.monotonic(), cluster.boots()
    yield
    assert cluster.watch.outages("address", since=since) == []
    assert cluster.watch.is_up("address")
    assert cluster.boots() == boots


def apply(cluster: ClusterUnderTest, name: str, agent: str, **spec: object) -> str:
    """What kubectl says to it."""
    manifest = {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "HAResource",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"agent": agent, "operations": [{"name": "monitor", "interval": "10s"}], **spec},
    }
    path = cluster.sandbox.layout.state_dir / f"{name}.json"
    path.write_text(json.dumps(manifest))
    done = cluster.run("kubectl", "apply", "-f", str(path))
    return done.stdout + done.stderr


def conditions(cluster: ClusterUnderTest, name: str) -> dict[str, tuple[str, str, str]]:
    found = cluster.status_of(f"haresource/{name}").get("conditions") or []
    return {one["type"]: (one["status"], one["reason"], one.get("message", "")) for one in found}


def await_reason(
    cluster: ClusterUnderTest, name: str, type_: str, reason: str, *, timeout_s: float = 20.0
) -> str:
    wait_for(
        lambda: conditions(cluster, name).get(type_, ("", "", ""))[1] == reason,
        timeout_s=timeout_s,
        what=f"{name} has {type_} with reason {reason}",
    )
    return conditions(cluster, name)[type_][2]


def records(cluster: ClusterUnderTest, name: str) -> list[dict[str, Any]]:
    """All nodes' records of a resource."""
    return [
        record
        for plan in plans(cluster)
        for record in plan["status"].get("history") or []
        if record["resource"] == name
    ]


def remove(cluster: ClusterUnderTest, name: str) -> None:
    cluster.run("kubectl", "delete", f"haresource/{name}", "--wait=false")


def test_unknown_agent_is_a_condition_and_one_event_and_starts_nothing(cluster: ClusterUnderTest) -> None:
    apply(cluster, "no-agent", "ocf:test:soudn")
    message = await_reason(cluster, "no-agent", "Ready", "UnknownAgent")
    assert "spec.agent" in message
    assert "did you mean 'ocf:test:sound'?" in message
    time.sleep(1.0)
    assert records(cluster, "no-agent") == []
    events = cluster.run(
        "kubectl", "get", "events", "-o", "json", "--field-selector", "involvedObject.name=no-agent"
    )
    told = [one for one in json.loads(events.stdout)["items"] if one["reason"] == "ConfigurationProblem"]
    assert [one["message"] for one in told] == [message]
    remove(cluster, "no-agent")


def test_missing_parameter_is_found_by_the_agents_own_meta_data_and_mending_it_starts(
    cluster: ClusterUnderTest,
) -> None:
    apply(cluster, "no-word", "ocf:test:sound", params={"wrod": "x"})
    message = await_reason(cluster, "no-word", "Ready", "MissingParameter")
    assert "spec.params.word" in message
    assert "'wrod' is none of its parameters" in message
    assert records(cluster, "no-word") == []
    apply(cluster, "no-word", "ocf:test:sound", params={"word": "x"})
    await_reason(cluster, "no-word", "Ready", "Started")
    remove(cluster, "no-word")


def test_bad_interval_is_refused_by_the_api_with_the_fields_name(cluster: ClusterUnderTest) -> None:
    monitor = {"name": "monitor", "interval": "10 parsecs"}
    said = apply(cluster, "bad-interval", "ocf:test:sound", params={"word": "x"}, operations=[monitor])
    assert "spec.operations[0].interval" in said


def test_agent_that_hangs_is_killed_with_all_it_started(cluster: ClusterUnderTest) -> None:
    start = {"name": "start", "timeout": "2s"}
    apply(cluster, "hangs", "ocf:test:hang", params={"word": "x"}, operations=[start])
    wait_for(
        lambda: (
            cluster.status_of("haresource/hangs").get("failures", 0) > 0
            and not [
                one
                for one in cluster.status_of("haresource/hangs").get("role", "").split()
                if one == "Starting"
            ]
        ),
        timeout_s=60.0,
        what="the start was given up",
    )
    assert any(
        one["operation"] == "start"
        and one["status"] == "Timeout"
        and "timed out after 2 s" in str(one["reason"])
        for one in records(cluster, "hangs")
    )
    remove(cluster, "hangs")
    wait_for(
        lambda: (
            not any(
                cluster.sandbox.on_host(node, "pgrep", "-f", "^sleep 613").returncode == 0
                for node in cluster.sandbox.layout.nodes
            )
        ),
        timeout_s=20.0,
        what="nothing of the agent is left",
    )


def test_agent_that_floods_its_output_starts_and_is_quoted_briefly(cluster: ClusterUnderTest) -> None:
    apply(cluster, "floods", "ocf:test:flood", params={"word": "x"})
    await_reason(cluster, "floods", "Ready", "Started", timeout_s=40.0)
    (start,) = [one for one in records(cluster, "floods") if one["operation"] == "start"]
    assert len(str(start.get("output", ""))) <= 4096
    assert len(json.dumps(plans(cluster))) < 1_000_000
    remove(cluster, "floods")


def test_agent_that_exits_with_rubbish_fails_in_its_own_words_and_its_meta_data_is_told(
    cluster: ClusterUnderTest,
) -> None:
    apply(cluster, "rubbish", "ocf:test:rubbish", params={"word": "x"})
    await_reason(cluster, "rubbish", "Valid", "AgentUnreadable")
    wait_for(
        lambda: cluster.status_of("haresource/rubbish").get("failures", 0) > 0,
        timeout_s=30.0,
        what="it failed",
    )
    assert any(one["operation"] == "start" and one["rc"] == 213 for one in records(cluster, "rubbish"))
    remove(cluster, "rubbish")


def test_manifest_for_a_node_that_is_no_member_is_told_and_counts_for_nothing(
    cluster: ClusterUnderTest,
) -> None:
    manifest = {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "HANode",
        "metadata": {"name": "n9"},
        "spec": {"standby": True},
    }
    path = cluster.sandbox.layout.state_dir / "n9.json"
    path.write_text(json.dumps(manifest))
    assert cluster.run("kubectl", "apply", "-f", str(path)).returncode == 0
    wait_for(
        lambda: cluster.status_of("hanode/n9").get("state") == "NotAMember", timeout_s=10.0, what="n9 is told"
    )
    assert "there is no Node 'n9'" in cluster.status_of("hanode/n9")["reason"]
    assert cluster.status_of("hacluster/sandbox")["nodes"]["total"] == 3
    cluster.run("kubectl", "delete", "hanode/n9")

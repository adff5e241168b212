"""What people and controllers do to a Node of the active host: its label removed, the Node deleted, the selector edited, alone and with
a power cut behind it. Never two hosts hold anything, by their kernels' own tables, and the member leaves by proof."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from faults.checkers import GROUP_ADDRESS, SINGLE_ADDRESS
from faults.lookout import Lookout
from faults.sight import look
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import GROUP, ClusterUnderTest
from harness.quiet import telling_what_happened

pytestmark = pytest.mark.hosts
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
LABEL = "backstay.io/sandbox-host"
CHOSEN = "example.com/chosen"
SELECTOR = {LABEL: "true"}


@dataclass(frozen=True, slots=True)
class Members:
    """The tutorial's cluster, under eyes that look at every host's kernel many times a second."""

    cluster: ClusterUnderTest
    lookout: Lookout

    def kubectl(self, *words: str, given: str = "") -> str:
        done = self.cluster.run("kubectl", *words, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def is_there(self, kind: str, name: str) -> bool:
        return self.cluster.run("kubectl", "get", kind, name).returncode == 0

    def select(self, selector: dict[str, str]) -> None:
        change = [{"op": "replace", "path": "/spec/nodeSelector", "value": selector}]
        self.kubectl("patch", "hacluster", "sandbox", "--type=json", "-p", json.dumps(change))

    def node(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "node", name, "-o", "json"))
        metadata = {key: found["metadata"][key] for key in ("name", "labels")}
        return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": found["status"]}

    def restore_node(self, node: dict[str, Any]) -> None:
        name = node["metadata"]["name"]
        if not self.is_there("node", name):
            self.kubectl("create", "-f", "-", given=json.dumps(node))
            status = json.dumps({"status": node["status"]})
            self.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", status)


@pytest.fixture(scope="module")
def started() -> Iterator[Members]:
    options = SandboxOptions(name=sandbox_name("members"), nodes=3)
    background.start(options, progress=lambda _step: None)
    try:
        layout = options.layout
        with (
            OutageWatch(layout, url=f"http://{GROUP_ADDRESS}/", address=SINGLE_ADDRESS) as watch,
            Lookout(lambda: look(layout)) as lookout,
        ):
            made = Members(ClusterUnderTest(SandboxUnderTest(layout), watch), lookout)
            made.kubectl("apply", "-f", str(TUTORIAL))
            made.cluster.settle()
            yield made
    finally:
        background.stop(options.layout)


@pytest.fixture
def members(started: Members) -> Iterator[Members]:
    """With every Node as it was, and everything whole, before and after."""
    nodes = [started.node(name) for name in started.cluster.sandbox.layout.nodes]
    started.cluster.settle()
    with telling_what_happened(started.cluster):
        yield started
    started.select(SELECTOR)
    for node in nodes:
        started.restore_node(node)
        started.kubectl(
            "label", "node", node["metadata"]["name"], f"{LABEL}=true", f"{CHOSEN}-", "--overwrite"
        )
    started.cluster.settle()


def has_left(members: Members, node: str) -> bool:
    return not members.is_there("hanode", node) and not members.is_there("hanodeplan", node)


def await_left(members: Members, home: str) -> None:
    """The group runs elsewhere, the member's objects are gone, and at no look two hosts held anything."""
    cluster = members.cluster
    wait_for(lambda: has_left(members, home), timeout_s=60.0, what=f"HANode and plan of {home} are gone")
    cluster.await_started(away_from=home, timeout_s=60.0)
    cluster.await_answers()
    time.sleep(1.0)
    assert has_left(members, home)
    assert members.lookout.violations() == []
    nodes = cluster.status_of("hacluster/sandbox")["nodes"]
    assert nodes == {"total": 2, "online": 2}


def remove_label(members: Members, node: str) -> None:
    members.kubectl("label", "node", node, f"{LABEL}-")


def delete_node(members: Members, node: str) -> None:
    members.kubectl("delete", "node", node, "--wait=false")


def edit_selector(members: Members, node: str) -> None:
    for other in members.cluster.sandbox.layout.nodes:
        if other != node:
            members.kubectl("label", "node", other, f"{CHOSEN}=true")
    members.select({**SELECTOR, CHOSEN: "true"})


def leave_in_health(members: Members, do: Callable[[Members, str], None]) -> None:
    home, boots = members.cluster.node_of(GROUP), members.cluster.boots()
    do(members, home)
    await_left(members, home)
    assert members.cluster.boots() == boots, "a healthy host was fenced"


def leave_and_die(members: Members, do: Callable[[Members, str], None], *, after_s: float) -> None:
    home = members.cluster.node_of(GROUP)
    do(members, home)
    time.sleep(after_s)
    members.cluster.sandbox.ask("crash", node=home)
    await_left(members, home)


def test_label_removed_drains_the_host_and_lets_it_go(members: Members) -> None:
    leave_in_health(members, remove_label)


def test_node_deleted_drains_the_host_and_lets_it_go(members: Members) -> None:
    leave_in_health(members, delete_node)


def test_selector_edited_drains_the_host_and_lets_it_go(members: Members) -> None:
    leave_in_health(members, edit_selector)


def test_node_deleted_and_power_cut_a_second_later_runs_on_one_host_only(members: Members) -> None:
    leave_and_die(members, delete_node, after_s=1.0)


def test_label_removed_and_power_cut_at_once_runs_on_one_host_only(members: Members) -> None:
    leave_and_die(members, remove_label, after_s=0.2)


def test_selector_that_matches_no_node_stops_nothing(members: Members) -> None:
    home, boots = members.cluster.node_of(GROUP), members.cluster.boots()
    members.select({"example.com/mistyped": "true"})
    time.sleep(5.0)
    assert members.cluster.node_of(GROUP) == home
    assert members.cluster.boots() == boots
    assert all(members.is_there("hanode", name) for name in boots)
    assert members.lookout.violations() == []

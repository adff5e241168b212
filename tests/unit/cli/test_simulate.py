"""`simulate` on the live cluster's objects, and on a saved input."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from backstay.api.quantities import timestamp
from backstay.state.cluster import ClusterState
from backstay.state.codec import dump_state
from backstay.state.node import Node
from unit.cli.cluster import NOW, cluster, lease, made, node, plan, resource
from unit.cli.fake_api import FakeApi
from unit.cli.program import run


def done(id_: str, operation: str, *, rc: int = 0, interval_ms: int = 0, call: int = 1) -> dict:
    return {
        "resource": id_,
        "operation": operation,
        "intervalMs": interval_ms,
        "agent": "ocf:heartbeat:IPaddr2",
        "callId": call,
        "rc": rc,
        "targetRc": rc,
        "lastRun": timestamp(NOW - 60),
        "lastChange": timestamp(NOW - 60),
    }


def live() -> FakeApi:
    """Two nodes without fencing, ClusterIP on n1, probed everywhere."""
    named = cluster()
    named["spec"] = {"properties": {"stonithEnabled": False}}
    nodes = [node(name, bootId=f"boot-{name}") for name in ("n1", "n2", "n3")]
    plans = [
        plan("n1", bootId="boot-n1", history=[done("ClusterIP", "start")]),
        plan("n2", bootId="boot-n2", history=[done("ClusterIP", "monitor", rc=7)]),
        plan("n3", bootId="boot-n3", history=[done("ClusterIP", "monitor", rc=7)]),
    ]
    leases = [lease("dc-tutorial", holder="operator-a")]
    return FakeApi(
        named, *nodes, *plans, *leases, resource("ClusterIP", "cluster-ip", "ocf:heartbeat:IPaddr2", "n1")
    )


async def test_a_cluster_at_rest_would_do_nothing() -> None:
    report = json.loads((await run(live(), "simulate", "-o", "json")).out)
    assert report["summary"] == []
    assert report["current"] == report["revised"]
    assert any("ClusterIP" in line and "Started n1" in line for line in report["current"])


async def test_what_if_its_node_dies_the_resource_starts_elsewhere() -> None:
    outcome = await run(live(), "simulate", "--node-fail", "n1")
    assert outcome.code == 0
    assert "Performing Requested Modifications:\n  * Failing node n1\n" in outcome.out
    summary = outcome.out.split("Transition Summary:\n")[1].split("\n\n")[0]
    assert summary.split() == ["*", "Start", "ClusterIP", "(", "n2", ")"]


async def test_what_if_its_node_goes_into_standby_the_resource_moves() -> None:
    report = json.loads((await run(live(), "simulate", "--node-standby", "n1", "-o", "json")).out)
    assert [line.split() for line in report["summary"]] == [
        ["*", "Move", "ClusterIP", "(", "n1", "->", "n2", ")"]
    ]


async def test_quorum_is_counted_anew_unless_it_is_given() -> None:
    argv = ["simulate", "--node-fail", "n1", "--node-fail", "n2", "-o", "json"]
    lost = await run(live(), *argv)
    assert "assuming that quorum is lost" in lost.err
    assert not any("Started n3" in line for line in json.loads(lost.out)["revised"])
    kept = await run(live(), *argv, "--quorum", "true")
    assert any("Started n3" in line for line in json.loads(kept.out)["revised"])


async def test_what_runs_on_another_boot_than_the_nodes_does_not_count() -> None:
    api = live()
    api.status("HANodePlan", "n1", bootId="an-older-boot")
    report = json.loads((await run(api, "simulate", "-o", "json")).out)
    assert any("ClusterIP" in line and "Stopped" in line for line in report["current"])


async def test_a_wrong_node_is_named_with_the_nearest() -> None:
    outcome = await run(live(), "simulate", "--node-fail", "n11")
    assert "'n11'" in outcome.error
    assert "n1" in outcome.hint


async def test_nothing_is_written() -> None:
    api = live()
    await run(api, "simulate", "--node-fail", "n1")
    assert api.writes == []


async def test_an_unusable_object_is_said_and_the_rest_simulated() -> None:
    api = live()
    spec = {"location": {"resource": "nobody", "node": "n1", "score": 5}}
    api.put(made("HAConstraint", "dangling", namespace="default", spec=spec))
    outcome = await run(api, "simulate")
    assert outcome.code == 0
    assert "warning: HAConstraint default/dangling: " in outcome.err


def saved(text: str) -> FakeApi:
    spec = {"cluster": "tutorial", "number": 41, "input": text}
    return FakeApi(cluster(), made("HATransition", "tutorial-41", spec=spec))


async def test_a_saved_input_is_replayed() -> None:
    state = ClusterState(now=NOW, nodes=(Node(name="old1"), Node(name="old2")))
    packed = base64.b64encode(gzip.compress(dump_state(state).encode())).decode()
    outcome = await run(saved(packed), "simulate", "--transition", "41")
    assert "Online: [ old1 old2 ]" in outcome.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no input to replay"),
        ("not base64!", "cannot be read"),
        (base64.b64encode(b"not gzip").decode(), "cannot be read"),
        (base64.b64encode(gzip.compress(b"{}")).decode(), "cannot be read"),
        (base64.b64encode(gzip.compress(b"\xff\xfe")).decode(), "cannot be read"),
        (base64.b64encode(gzip.compress(b" " * ((64 << 20) + 1))).decode(), "larger than"),
    ],
)
async def test_a_broken_saved_input_is_an_error_and_not_a_crash(text: str, said: str) -> None:
    outcome = await run(saved(text), "simulate", "--transition", "41")
    assert outcome.code == 1
    assert said in outcome.error

"""The executor and a real IPaddr2 in a network namespace of its own: every answer that the agent's protocol rests on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        not Path("/usr/lib/ocf/resource.d/heartbeat/IPaddr2").exists(), reason="needs OCF agents"
    ),
]
STORY = """
import asyncio, json, os
from backstay_nodeagent.executor import Executor
from backstay_nodeagent.host_process import ProcessControl
from backstay_nodeagent.invocation import Invoker
from backstay_nodeagent.operation import Instant, Operation, Origin
from backstay_nodeagent.orders import Order, Verb

async def main():
    executor = Executor(Invoker(node="n1"), boot_id="b")
    params = {"ip": "10.77.0.3", "cidr_netmask": "24", "nic": "lan", "arp_count": "1"}
    told = []
    async def run(verb, interval_ms=0, **more):
        order = Order(id="1", verb=Verb(verb), resource="vip", agent="ocf:heartbeat:IPaddr2", interval_ms=interval_ms,
                      params={**params, **more})
        now = Instant(0.0, 0.0)
        operation = Operation(call_id=len(told) + 1, order=order, origin=Origin.ORDER, ready=now, started=now)
        outcome = await executor.run(operation, order.params, ProcessControl())
        told.append([verb, outcome.rc, outcome.status.value, outcome.reason])
    await run("monitor")
    await run("start")
    await run("start")
    await run("monitor", 10000)
    os.system("ip addr del 10.77.0.3/24 dev lan")
    await run("monitor", 10000)
    await run("stop")
    await run("stop")
    await run("start", ip="nonsense")
    print(json.dumps(told))

asyncio.run(main())
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"agent-test-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
    try:
        for words in (
            "link set lo up",
            "link add lan type veth peer name far",
            "link set far up",
            "link set lan up",
            "addr add 10.77.0.1/24 dev lan",
        ):
            subprocess.run(["ip", "-n", name, *words.split()], check=True, timeout=10)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True, timeout=10)


def test_address_is_brought_up_watched_missed_and_taken_down(namespace: str) -> None:
    Path("/run/resource-agents").mkdir(exist_ok=True)
    run = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", STORY],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = json.loads(run.stdout)
    assert [(verb, rc) for verb, rc, _, _ in told[:7]] == [
        ("monitor", 7),
        ("start", 0),
        ("start", 0),
        ("monitor", 0),
        ("monitor", 7),
        ("stop", 0),
        ("stop", 0),
    ]
    _, rc, status, reason = told[7]
    assert (rc, status) == (6, "Error")
    assert "findif" in reason, "the agent's own words"

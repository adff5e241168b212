"""`python -m backstay_operator.uninstall`: what the chart's pre-delete Job does while there are still agents to do it.

It shuts every HACluster down (`spec.shutdown`; to leave what runs, in maintenance mode), and waits until nothing runs and every node
that answers has been let go: its watchdog is disarmed, its heartbeat will end with its agent. It says what is left. It never fails
and never waits longer than it was told: an uninstallation must not hang on a node that is down.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from backstay_kube import kinds
from backstay_kube.client import Obj, ObjectList
from backstay_kube.errors import ApiError, ApiNotFound
from backstay_kube.kinds import Kind

PAUSE_S = 1.0
WISHES: Mapping[str, tuple[Obj, str]] = {
    "stop": ({"shutdown": True}, "stops all resources (spec.shutdown: true)"),
    "leave": (
        {"shutdown": True, "properties": {"maintenanceMode": True}},
        "leaves everything as it is, unwatched (spec.shutdown, spec.properties.maintenanceMode: true)",
    ),
}
SILENT = ("Unclean", "Offline")
"""States of nodes that cannot be told anything."""


class Api(Protocol):
    """What is needed of the client."""

    async def list(self, kind: Kind) -> ObjectList: ...

    async def patch(self, kind: Kind, name: str, body: Obj) -> Obj: ...


Sleep = Callable[[float], Awaitable[Any]]


async def release(
    api: Api,
    *,
    wish: str,
    timeout_s: float,
    say: Callable[[str], None],
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Ask, wait, tell. True if everything is as wished; False when the time was up."""
    spec, words = WISHES[wish]
    deadline = clock() + timeout_s
    asked: set[str] = set()
    left: list[str] = ["no answer of the API server yet"]
    nodes: list[Obj] = []
    while True:
        try:
            clusters = (await api.list(kinds.HACLUSTER)).items
            for name in sorted(one["metadata"]["name"] for one in clusters):
                if name not in asked:
                    await api.patch(kinds.HACLUSTER, name, {"spec": spec})
                    asked.add(name)
                    say(f"HACluster {name} {words}")
            nodes = (await api.list(kinds.HANODE)).items
            active = [text for one in clusters if (text := still_active(one))] if wish == "stop" else []
            left = [*active, *(text for one in nodes if (text := still_held(one)))]
        except ApiNotFound:
            say("there are no definitions of ha.backstay.io: nothing to do")
            return True
        except ApiError as error:
            left = [f"the API server: {error}"]
        if not left or clock() >= deadline:
            break
        await sleep(PAUSE_S)
    for line in warnings(nodes):
        say(line)
    if left:
        say(f"not within {timeout_s:g} s: {'; '.join(left)}. Going on all the same.")
    return not left


def still_active(cluster: Obj) -> str:
    """What the DC says still runs; empty if nothing does, or if no DC has ever looked."""
    counts = (cluster.get("status") or {}).get("resources") or {}
    started = int(counts.get("started") or 0)
    return f"{started} resources of {cluster['metadata']['name']} are active" if started else ""


def still_held(node: Obj) -> str:
    """What the DC says of a node that answers, and is not let go yet; empty otherwise, and where no DC has ever looked."""
    status = node.get("status") or {}
    if status.get("dismissed") or status.get("state") in (None, "", *SILENT):
        return ""
    return f"node {node['metadata']['name']} is not let go yet"


def warnings(nodes: Iterable[Obj]) -> Iterable[str]:
    """What becomes of hosts whose watchdog is armed still, or that cannot be told."""
    for node in nodes:
        status, name = node.get("status") or {}, node["metadata"]["name"]
        if status.get("state") in SILENT:
            yield f"node {name} is {status['state']}: what it runs, if it is up, is not known, and it cannot be told"
        elif str(status.get("watchdog") or "").startswith("armed"):
            yield f"node {name} has an armed watchdog: it is reset a minute after its agent has gone"


def main(argv: list[str] | None = None) -> int:
    """Always 0."""
    parser = argparse.ArgumentParser(prog="backstay_operator.uninstall", description=__doc__)
    parser.add_argument("--resources", choices=tuple(WISHES), default="stop")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds")
    parser.add_argument("--kubeconfig")
    options = parser.parse_args(argv)
    asyncio.run(_run(options))
    return 0


async def _run(options: argparse.Namespace) -> None:
    from backstay_kube.client import KubeClient

    def say(line: str) -> None:
        print(line, flush=True)  # noqa: T201 (a Job's log)

    try:
        async with await KubeClient.connect(options.kubeconfig, timeout_s=5.0) as client:
            await release(client, wish=options.resources, timeout_s=options.timeout, say=say)
    except ApiError as error:
        say(f"cannot speak with the API server: {error}. Going on all the same.")


if __name__ == "__main__":
    raise SystemExit(main())

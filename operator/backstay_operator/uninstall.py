"""`python -m backstay_operator.uninstall`: what the chart's pre-delete Job does while there are still agents to do it.

It asks every HACluster to stop all its resources (or to leave them alone for good), waits until that is so, and says what is left. It
never fails and never waits longer than it was told: an uninstallation must not hang on a node that is down.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from backstay_kube import kinds
from backstay_kube.client import Obj, ObjectList
from backstay_kube.errors import ApiError, ApiNotFound
from backstay_kube.kinds import Kind

PAUSE_S = 1.0
WISHES: Mapping[str, tuple[str, str]] = {
    "stop": ("stopAllResources", "stops all resources"),
    "leave": ("maintenanceMode", "leaves everything as it is, unwatched"),
}


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
    field, words = WISHES[wish]
    deadline = clock() + timeout_s
    asked: set[str] = set()
    left: list[str] = ["no answer of the API server yet"]
    while True:
        try:
            clusters = (await api.list(kinds.HACLUSTER)).items
            for name in sorted(one["metadata"]["name"] for one in clusters):
                if name not in asked:
                    await api.patch(kinds.HACLUSTER, name, {"spec": {"properties": {field: True}}})
                    asked.add(name)
                    say(f"HACluster {name} {words} (spec.properties.{field}: true)")
            left = [text for one in clusters if (text := still_active(one))] if wish == "stop" else []
        except ApiNotFound:
            say("there are no definitions of ha.backstay.io: nothing to do")
            return True
        except ApiError as error:
            left = [f"the API server: {error}"]
        if not left:
            return True
        if clock() >= deadline:
            say(f"not within {timeout_s:g} s: {'; '.join(left)}. Going on all the same.")
            return False
        await sleep(PAUSE_S)


def still_active(cluster: Obj) -> str:
    """What the DC says still runs; empty if nothing does, or if no DC has ever looked."""
    counts = (cluster.get("status") or {}).get("resources") or {}
    started = int(counts.get("started") or 0)
    return f"{started} resources of {cluster['metadata']['name']} are active" if started else ""


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

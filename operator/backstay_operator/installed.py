"""`python -m backstay_operator.installed`: what `helm test` runs, with the operator's own rights.

Passes when the definitions are served, every HACluster has a DC that its status names, and every member has an agent that reported.
Waits a while for that, because it may be asked right after the installation.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from backstay_kube import kinds
from backstay_kube.client import ObjectList
from backstay_kube.errors import ApiError
from backstay_kube.kinds import Kind

PAUSE_S = 1.0


class Api(Protocol):
    """What is needed of the client."""

    async def list(self, kind: Kind) -> ObjectList: ...


async def findings(api: Api) -> list[str]:
    """What is not as it should be, one line each."""
    try:
        clusters = (await api.list(kinds.HACLUSTER)).items
        nodes = (await api.list(kinds.HANODE)).items
        plans = {one["metadata"]["name"]: one for one in (await api.list(kinds.HANODEPLAN)).items}
    except ApiError as error:
        return [f"the definitions of ha.backstay.io cannot be read: {error}"]
    found = []
    for cluster in clusters:
        if not (cluster.get("status") or {}).get("dc"):
            found.append(f"HACluster {cluster['metadata']['name']} has no DC")
    for node in nodes:
        name = node["metadata"]["name"]
        status = (plans.get(name) or {}).get("status") or {}
        if not status.get("agentVersion"):
            found.append(f"the node agent of {name} has not reported")
    return found


async def check(
    api: Api,
    *,
    timeout_s: float,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[str]:
    """Findings that are still there when the time is up."""
    deadline = clock() + timeout_s
    while (found := await findings(api)) and clock() < deadline:
        await sleep(PAUSE_S)
    return found


def main(argv: list[str] | None = None) -> int:
    """0 when all is well."""
    parser = argparse.ArgumentParser(prog="backstay_operator.installed", description=__doc__)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds")
    parser.add_argument("--kubeconfig")
    options = parser.parse_args(argv)
    found = asyncio.run(_run(options))
    print("\n".join(found) or "Backstay is installed and answers")  # noqa: T201 (a test pod's log)
    return 1 if found else 0


async def _run(options: argparse.Namespace) -> list[str]:
    from backstay_kube.client import KubeClient

    try:
        async with await KubeClient.connect(options.kubeconfig, timeout_s=5.0) as client:
            return await check(client, timeout_s=options.timeout)
    except ApiError as error:
        return [f"cannot speak with the API server: {error}"]


if __name__ == "__main__":
    raise SystemExit(main())

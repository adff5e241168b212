"""What the API says of a cluster, asked for in a thread of its own: much cheaper than a kubectl for every look."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError
from backstay_kube.kinds import Kind

ANSWER_TIMEOUT_S = 5.0
COUNTED = (
    kinds.HATRANSITION,
    kinds.HANODEPLAN,
    kinds.HANODE,
    kinds.HACLUSTER,
    kinds.HARESOURCE,
    kinds.RESOURCEGROUP,
    kinds.FENCEDEVICE,
    kinds.EVENT,
    kinds.LEASE,
    kinds.SECRET,
)
IN_MOTION = ("Running", "Aborting")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One answer to all questions."""

    cluster: dict[str, Any]
    """Status of the HACluster."""
    nodes: dict[str, str]
    """State by node."""
    plans: frozenset[str]
    """Nodes that have one."""
    running: dict[str, tuple[str, str]]
    """By object (`appgroup`, `cluster-ip`): role and node."""
    failures: int

    @property
    def dc(self) -> str:
        """The host of the DC; empty if there is none."""
        return str(self.cluster.get("dc") or "").rsplit("_", 1)[0]

    def lacks(self) -> str:
        """What is missing until the cluster is whole and at rest, in words; empty when nothing is."""
        if not self.dc:
            return "a DC"
        for node, state in sorted(self.nodes.items()):
            if state != "Online":
                return f"{node} to be online (it is {state})"
        for name, (role, node) in sorted(self.running.items()):
            if role != "Started" or not node:
                return f"{name} to be started (it is {role or 'unknown'})"
        if (self.cluster.get("lastTransition") or {}).get("phase") in IN_MOTION:
            return "the transition under way"
        return ""


@dataclass(frozen=True, slots=True)
class Volume:
    """How much the API holds, by kind: objects, and bytes of JSON."""

    objects: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)


class ClusterView:
    """A context; every question is bounded, and answered with None while the API is away."""

    def __init__(self, kubeconfig: Path, *, cluster: str = "sandbox") -> None:
        self._kubeconfig = kubeconfig
        self._cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._client: KubeClient | None = None

    def __enter__(self) -> ClusterView:
        self._thread.start()
        self._client = self._answer(KubeClient.connect(str(self._kubeconfig), timeout_s=ANSWER_TIMEOUT_S))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._answer(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_TIMEOUT_S)

    def snapshot(self) -> Snapshot | None:
        return self._answer(self._snapshot())

    def volume(self) -> Volume | None:
        return self._answer(self._volume())

    def _answer(self, question: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return future.result(3 * ANSWER_TIMEOUT_S)
        except (ApiError, FutureTimeoutError):
            future.cancel()
            return None

    async def _items(self, kind: Kind) -> list[dict[str, Any]]:
        assert self._client is not None
        return (await self._client.list(kind)).items

    async def _snapshot(self) -> Snapshot:
        assert self._client is not None
        cluster = await self._client.get(kinds.HACLUSTER, self._cluster)
        nodes = await self._items(kinds.HANODE)
        plans = await self._items(kinds.HANODEPLAN)
        resources = await self._items(kinds.HARESOURCE)
        groups = await self._items(kinds.RESOURCEGROUP)
        statuses = {one["metadata"]["name"]: one.get("status") or {} for one in (*resources, *groups)}
        return Snapshot(
            cluster=cluster.get("status") or {},
            nodes={
                one["metadata"]["name"]: str((one.get("status") or {}).get("state") or "unknown")
                for one in nodes
            },
            plans=frozenset(one["metadata"]["name"] for one in plans),
            running={
                name: (str(one.get("role") or ""), str(one.get("node") or ""))
                for name, one in statuses.items()
            },
            failures=sum(int(one.get("failures") or 0) for one in statuses.values()),
        )

    async def _volume(self) -> Volume:
        found = {kind.plural: await self._items(kind) for kind in COUNTED}
        return Volume(
            {name: len(items) for name, items in found.items()},
            {name: len(json.dumps(items)) for name, items in found.items()},
        )

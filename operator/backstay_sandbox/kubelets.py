"""Heartbeats of the hosts' Node objects, as kubelets and the node controller would write them.

Backstay does not look at them (it has leases of its own); `kubectl get nodes` does.  A host that is on and connected
posts every HEARTBEAT_S; one that has been silent for GRACE_S becomes NotReady, as in a stock cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from backstay_kube.errors import ApiError
from backstay_kube.kinds import NODE
from backstay_sandbox.hosts import Host
from backstay_sandbox.layout import Layout
from backstay_sandbox.objects import node_status

if TYPE_CHECKING:
    from backstay_kube.client import KubeClient

HEARTBEAT_S = 10.0
GRACE_S = 40.0
LOG = logging.getLogger(__name__)


class Kubelets:
    """One task for all hosts; the client is the caller's."""

    def __init__(self, layout: Layout, hosts: Mapping[str, Host], client: KubeClient) -> None:
        self._layout = layout
        self._hosts = hosts
        self._client = client
        self._task: asyncio.Task[None] | None = None
        self._heard_at: dict[str, float] = {}
        self._ready: dict[str, bool] = {}
        self._since: dict[str, str] = {}

    async def start(self) -> None:
        """Post once for every host, so that Nodes are Ready when this returns, then keep on."""
        await self._post_all()
        self._task = asyncio.create_task(self._keep_posting())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_posting(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await self._post_all()
            except ApiError as error:
                LOG.info("node heartbeat: %s", error)

    async def _post_all(self) -> None:
        now = time.monotonic()
        for name, host in self._hosts.items():
            heard = host.pid is not None and not host.link_cut
            if heard:
                self._heard_at[name] = now
            ready = name in self._heard_at and now - self._heard_at[name] < GRACE_S
            if heard or ready != self._ready.get(name):
                await self._post(name, ready=ready)

    async def _post(self, name: str, *, ready: bool) -> None:
        wall = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._ready.get(name) != ready:
            self._ready[name], self._since[name] = ready, wall
        status = node_status(self._layout, name, ready=ready, time=wall, since=self._since[name])
        await self._client.patch(NODE, name, status, subresource="status")

"""Follows this node's plan: a list, a watch, and a list again every few seconds, because a watch can go silent.

An outage of the API is nothing special here: it is waited out with bounded, jittered pauses. Reads that are known to be fresh
carry the time at which they were sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from backstay_kube import kinds
from backstay_kube.client import KubeClient, WatchEvent
from backstay_kube.errors import ApiError, ApiGone, ApiNotFound

log = logging.getLogger(__name__)
RELIST_S = 10.0
READ_TIMEOUT_S = 3.0
PAUSE_MAX_S = 2.0

OnPlan = Callable[[dict[str, Any] | None, float | None], None]
"""Called with the plan (None: there is none) and when the read was sent (CLOCK_BOOTTIME; None for an event of the watch)."""


class PlanWatch:
    """`run` for ever. `refresh` asks for a fresh read now."""

    def __init__(self, client: KubeClient, node: str, on_plan: OnPlan) -> None:
        self._client = client
        self._node = node
        self._on_plan = on_plan
        self._refresh = asyncio.Event()

    def refresh(self) -> None:
        self._refresh.set()

    async def run(self) -> None:
        """Cancelled from outside."""
        failures = 0
        while True:
            self._refresh.clear()
            try:
                version = await self._read()
                failures = 0
                await self._follow(version)
            except ApiGone:
                continue
            except (ApiError, ValueError, KeyError, TypeError) as error:
                # Anything that is no answer of an API server (a proxy's page, half a line) is an outage like any other.
                failures += 1
                if failures == 1:
                    log.warning(
                        "plan can't be followed", extra={"fields": {"error": str(error) or repr(error)}}
                    )
                pause_s = min(PAUSE_MAX_S, 0.1 * 2.0 ** min(failures, 6)) * random.uniform(0.5, 1.0)
                await self._pause(error.pause_s(pause_s) if isinstance(error, ApiError) else pause_s)

    async def _read(self) -> str:
        """List the one plan; returns the version to watch from."""
        sent_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        try:
            listed = await self._client.request(
                "GET",
                kinds.HANODEPLAN.path(),
                query={"fieldSelector": f"metadata.name={self._node}"},
                timeout_s=READ_TIMEOUT_S,
            )
        except ApiNotFound:
            # The CRD is not there (yet).
            self._on_plan(None, None)
            raise
        mine = [item for item in listed["items"] if item["metadata"]["name"] == self._node]
        self._on_plan(mine[0] if mine else None, sent_at)
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        """Watch for RELIST_S at most, or until a refresh is asked for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RELIST_S
        events = self._client.watch(
            kinds.HANODEPLAN,
            resource_version=version,
            field_selector=f"metadata.name={self._node}",
            timeout_s=round(RELIST_S) + 1,
        )
        refresh = asyncio.ensure_future(self._refresh.wait())
        upcoming: asyncio.Future[WatchEvent] | None = None
        try:
            while (left_s := deadline - loop.time()) > 0:
                upcoming = upcoming or asyncio.ensure_future(anext(events))
                await asyncio.wait((upcoming, refresh), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if self._refresh.is_set() or not upcoming.done():
                    return
                try:
                    event = upcoming.result()
                except StopAsyncIteration:
                    return
                upcoming = None
                self._take(event)
        finally:
            refresh.cancel()
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.wait((upcoming,), timeout=1.0)
            await events.aclose()  # type: ignore[attr-defined]

    def _take(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK" or event.object["metadata"].get("name") != self._node:
            return
        self._on_plan(None if event.type == "DELETED" else event.object, None)

    async def _pause(self, pause_s: float) -> None:
        """Refreshes don't hurry a server that is in trouble."""
        await asyncio.sleep(pause_s)

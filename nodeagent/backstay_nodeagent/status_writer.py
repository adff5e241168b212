"""Writes the plan's status: one write in flight, always the latest state, only the sections that changed.

A section counts as written when the API server acknowledged it; after a failure of any kind it is written again. Failures are
waited out with bounded, jittered pauses; nothing queues up meanwhile, since only the latest state matters.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError, ApiNotFound

log = logging.getLogger(__name__)
PAUSE_MAX_S = 2.0
REQUEST_TIMEOUT_S = 3.0

Snapshot = Callable[[], dict[str, Any]]
OnWritten = Callable[[dict[str, Any]], None]


class StatusWriter:
    """`run` for ever; `kick` says that there is something new."""

    def __init__(self, client: KubeClient, node: str, *, snapshot: Snapshot, on_written: OnWritten) -> None:
        self._client = client
        self._node = node
        self._snapshot = snapshot
        self._on_written = on_written
        self._written: dict[str, Any] = {}
        self._news = asyncio.Event()

    def kick(self) -> None:
        self._news.set()

    def forget(self) -> None:
        """What the API holds is not ours any more (the plan was created anew): write all of it."""
        if self._written:
            self._written = {}
            self.kick()

    async def run(self) -> None:
        """Cancelled from outside."""
        failures = 0
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._write()
                failures = 0
            except ApiError as error:
                failures += 1
                self._news.set()
                quiet = isinstance(error, ApiNotFound) or failures > 1
                log.log(
                    logging.DEBUG if quiet else logging.WARNING,
                    "status can't be written",
                    extra={"fields": {"error": str(error)}},
                )
                pause_s = min(PAUSE_MAX_S, 0.05 * 2.0 ** min(failures, 8)) * random.uniform(0.5, 1.0)
                await asyncio.sleep(error.pause_s(pause_s))

    async def _write(self) -> None:
        status = self._snapshot()
        changed = {name: value for name, value in status.items() if self._written.get(name, _NEVER) != value}
        if not changed:
            return
        for name in changed:
            self._written.pop(name, None)  # until acknowledged nobody knows what is there
        await self._client.patch(
            kinds.HANODEPLAN,
            self._node,
            {"status": changed},
            subresource="status",
            timeout_s=REQUEST_TIMEOUT_S,
        )
        self._written.update(changed)
        self._on_written(status)


_NEVER = object()

"""Writes the plan's status: one write in flight, always the latest state, only the sections that changed.

A section counts as written when the API server acknowledged it; after a failure of any kind it is written again, and so is all of it
when a later read shows that the API has lost something (a restored etcd). Failures are waited out with bounded, jittered pauses;
nothing queues up meanwhile, since only the latest state matters.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError, ApiNotFound

log = logging.getLogger(__name__)
PAUSE_MAX_S = 2.0
SMALL = 64
PER_ENTRY_S = 0.001
REST_PER_WRITE = 2.0
"""A status of no more than SMALL entries is written as often as it changes. A larger one is checked and stored as a whole each time,
whatever of it is new: then the API server is spared for a while, and for longer when it is slow to answer."""
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
        self._acknowledged_at = float("-inf")
        self._given_up: dict[str, Any] = {}
        """Sections that the API does not keep as we write them: what differs after it was written twice is not written again."""
        self._news = asyncio.Event()

    def kick(self) -> None:
        self._news.set()

    def forget(self) -> None:
        """What the API holds is not ours any more (the plan was created anew): write all of it."""
        if self._written:
            self._written = {}
            self.kick()

    def compare(self, plan: dict[str, Any], read_at: float) -> None:
        """With what a fresh read shows, sent at `read_at` (CLOCK_BOOTTIME): write all of it again if the API has lost what it
        acknowledged before. Nobody may take the rest of the status for an answer until then."""
        if read_at > self._acknowledged_at:
            self._compare(plan.get("status") or {})

    def _compare(self, kept: dict[str, Any]) -> None:
        differing = {
            name: value for name, value in self._written.items() if not _keeps(kept.get(name), value)
        }
        lost = {name: value for name, value in differing.items() if self._given_up.get(name, _NEVER) != value}
        self._given_up = {name: value for name, value in self._given_up.items() if name in differing}
        if lost:
            log.warning(
                "the API has lost what this node had reported; reporting all of it again",
                extra={"fields": {"sections": ",".join(sorted(lost))}},
            )
            self._given_up.update(lost)
            self.forget()

    async def run(self) -> None:
        """Cancelled from outside."""
        failures = 0
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await asyncio.sleep(await self._write())
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

    async def _write(self) -> float:
        """Returns for how long the API server is to be spared (seconds)."""
        status = self._snapshot()
        changed = {name: value for name, value in status.items() if self._written.get(name, _NEVER) != value}
        if not changed:
            return 0.0
        for name in changed:
            self._written.pop(name, None)  # until acknowledged nobody knows what is there
        began = time.monotonic()
        answer = await self._client.patch(
            kinds.HANODEPLAN,
            self._node,
            {"status": changed},
            subresource="status",
            timeout_s=REQUEST_TIMEOUT_S,
        )
        self._written.update(changed)
        self._acknowledged_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._on_written(status)
        if "status" in answer:
            # It shows the other sections too. A read that was under way meanwhile is too old to be compared.
            self._compare(answer["status"])
        entries = _entries(status)
        if entries <= SMALL:
            return 0.0
        took_s = time.monotonic() - began
        return min(PAUSE_MAX_S, max(PER_ENTRY_S * (entries - SMALL), REST_PER_WRITE * took_s))


def _entries(sections: dict[str, Any]) -> int:
    return sum(len(value) for value in sections.values() if isinstance(value, list))


def _keeps(kept: Any, written: Any) -> bool:
    """Whether what is there holds what was written; an API server may add defaults to it."""
    if isinstance(written, dict):
        return isinstance(kept, dict) and all(
            _keeps(kept.get(name), value) for name, value in written.items()
        )
    if isinstance(written, list):
        same = isinstance(kept, list) and len(kept) == len(written)
        return same and all(_keeps(one, other) for one, other in zip(kept, written, strict=True))
    return bool(kept == written)


_NEVER = object()

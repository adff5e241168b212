"""Which kinds this replica cannot read, for the log and the metrics. A replica that cannot read a kind leads no cluster."""

from __future__ import annotations

import asyncio
import logging
import time

from backstay_operator.metrics import Metrics
from backstay_operator.world import UNREAD_S_MAX, World

log = logging.getLogger(__name__)

LOOK_S = 0.5


class ReadingWatch:
    """Compares what can be read with what could be read before, and reports the difference once."""

    def __init__(self, world: World, metrics: Metrics) -> None:
        self._world = world
        self._metrics = metrics
        self._reported: dict[str, str] = {}

    async def run(self) -> None:
        """For ever. At first everything is unread, which is no news."""
        await asyncio.sleep(UNREAD_S_MAX)
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(LOOK_S)

    def look(self, now: float) -> None:
        """Set the gauge of every kind, log what has changed, and wake the loops then."""
        unread = self._world.unread(now)
        for kind in self._world.kinds_read:
            self._metrics.reads(kind, is_read=kind not in unread)
        for kind in sorted(unread.keys() - self._reported.keys()):
            log.warning(
                "cannot read %s: %s; this replica leads no cluster until it can",
                kind,
                unread[kind],
                extra={"kind": kind},
            )
        for kind in sorted(self._reported.keys() - unread.keys()):
            log.info("%s can be read again", kind, extra={"kind": kind})
        if unread.keys() != self._reported.keys():
            self._world.wake()
        self._reported = unread

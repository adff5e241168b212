"""Ends what a predecessor of this agent left running: waits for it as long as it had time, then kills its process group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable

from backstay_nodeagent import events as ev
from backstay_nodeagent.commands import EndOrphan
from backstay_nodeagent.host_process import KILL_WAIT_S, signal_group
from backstay_nodeagent.operation import Process
from backstay_nodeagent.process_table import find_call, runs

GRACE_S = 2.0
LOOK_AGAIN_S = 0.05


class OrphanKeeper:
    """Posts an OrphanEnded for each that was given to it."""

    def __init__(self, boot_id: str, *, post: Callable[[ev.Event], None]) -> None:
        self._boot_id = boot_id
        self._post = post
        self._at_once: dict[int, asyncio.Event] = {}

    def end(self, call_id: int) -> None:
        """Don't wait any longer for this one."""
        hurry = self._at_once.get(call_id)
        if hurry is not None:
            hurry.set()

    async def await_end(self, orphan: EndOrphan) -> None:
        hurry = self._at_once.setdefault(orphan.call_id, asyncio.Event())
        if orphan.at_once:
            hurry.set()
        process = orphan.process or find_call(self._boot_id, orphan.call_id, deadline=_now())
        there = process is not None and runs(process)
        if process is not None and there and not await self._ended_by(process, process.deadline, hurry):
            await self._kill(process)
        del self._at_once[orphan.call_id]
        self._post(ev.OrphanEnded(orphan.call_id))

    async def _kill(self, process: Process) -> None:
        for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, KILL_WAIT_S)):
            if runs(process):
                signal_group(process.pid, number)
            if await self._ended_by(process, _now() + wait_s, None):
                # Its children would be the group's rest; the group exists as long as one of them does.
                signal_group(process.pid, signal.SIGKILL)
                return

    async def _ended_by(self, process: Process, deadline: float, hurry: asyncio.Event | None) -> bool:
        """True if the process ended before the deadline, and before somebody was in a hurry."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process.pid)
            os.close(descriptor)
            while runs(process):
                if _now() >= deadline or (hurry is not None and hurry.is_set()):
                    return False
                await asyncio.sleep(LOOK_AGAIN_S)
        return True


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)

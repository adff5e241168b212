"""Asks a page and pings an address ten times a second from the client host, and counts every single attempt that got no answer.

Runs as a program of its own in the client's network namespace: ``python -m harness.miss_counter URL ADDRESS``. On SIGTERM it writes one
JSON object, ``{"page": [attempts, misses], "address": [attempts, misses]}``, and ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from backstay_nodeagent.urgency import prefer_thread
from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.layout import Layout
from backstay_sandbox.prober import Pinger, page_answers

INTERVAL_S = 0.1
PING_PATIENCE_S, PAGE_PATIENCE_S = 2.0, 4.0
"""A busy machine is no miss, an address that is gone is: it refuses at once, or stays silent for longer than this. The kernel answers a
ping, but a page waits until its server gets a turn."""


class Counter:
    """One target."""

    def __init__(self, attempt: Callable[[], Awaitable[bool]], patience_s: float) -> None:
        self._attempt = attempt
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[None]] = set()
        self.attempts = 0
        self.misses = 0

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            task = asyncio.create_task(self._one())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(INTERVAL_S)
        await asyncio.gather(*self._tasks)

    async def _one(self) -> None:
        self.attempts += 1
        try:
            async with asyncio.timeout(self._patience_s):
                answered = await self._attempt()
        except (OSError, TimeoutError, ValueError):
            answered = False
        self.misses += not answered


async def count(url: str, address: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pinger = Pinger(address)
    page = Counter(lambda: page_answers(url), PAGE_PATIENCE_S)
    ping = Counter(pinger.answers, PING_PATIENCE_S)
    await asyncio.gather(page.run(stop), ping.run(stop))
    print(json.dumps({"page": [page.attempts, page.misses], "address": [ping.attempts, ping.misses]}))


class MissWatch:
    """Counts as long as the context lasts; then `misses` and `attempts` by target."""

    def __init__(self, layout: Layout, *, url: str, address: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path[1:]]),
        }
        command = [sys.executable, "-m", "harness.miss_counter", url, address]
        self._process = subprocess.Popen(
            namespace_command(layout.netns_client, command),
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.attempts: dict[str, int] = {}
        self.misses: dict[str, int] = {}

    def __enter__(self) -> MissWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        out, _ = self._process.communicate(timeout=10.0)
        for target, (attempts, misses) in json.loads(out).items():
            self.attempts[target], self.misses[target] = attempts, misses


if __name__ == "__main__":
    prefer_thread()  # a measuring instrument must not wait for what it measures
    asyncio.run(count(*sys.argv[1:3]))

"""Measures outages from the client host: asks the page and pings the address every INTERVAL_S.

Runs as a file of its own in the client's network namespace (``python -I -S prober.py URL ADDRESS``), standard
library only.  Writes one JSON object per line to standard output:

    {"target": "page", "up_at": 11.02}                   the first answer ever
    {"target": "page", "down_at": 12.05}                 silent for SILENCE_S since this last answer
    {"target": "page", "from": 12.05, "to": 14.90}       the outage is over: last answer before, first after

Times are CLOCK_MONOTONIC in seconds, the same for every process of the machine.  Attempts overlap: one that hangs
does not delay the next, so an outage is measured to about an interval; one shorter than SILENCE_S is not told from
a busy machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

INTERVAL_S = 0.05
SILENCE_S = 0.25
PATIENCE_S = 1.0
ATTEMPTS_MAX = 64
ECHO_REQUEST, ECHO_REPLY = 8, 0


def main() -> None:
    url, address = sys.argv[1:3]
    os.nice(-5)  # a measuring instrument must not wait for what it measures
    asyncio.run(probe_both(url, address))


async def probe_both(url: str, address: str) -> None:
    pinger = Pinger(address)
    await asyncio.gather(
        Probe("page", lambda: page_answers(url)).run(),
        Probe("address", pinger.answers).run(),
    )


class Probe:
    """One target: when it last answered, and whether it is down now."""

    def __init__(self, target: str, attempt: Callable[[], Awaitable[bool]]) -> None:
        self._target = target
        self._attempt = attempt
        self._answered_at: float | None = None
        self._down = False
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Attempt for ever, at a steady rate."""
        while True:
            if len(self._running) < ATTEMPTS_MAX:
                task = asyncio.create_task(self._one())
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            await asyncio.sleep(INTERVAL_S)
            self._notice_silence(time.monotonic())

    async def _one(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                answered = await self._attempt()
        except (OSError, TimeoutError, ValueError):
            answered = False
        if answered:
            self._notice_answer(time.monotonic())

    def _notice_silence(self, now: float) -> None:
        if self._answered_at is not None and not self._down and now - self._answered_at > SILENCE_S:
            self._down = True
            say({"target": self._target, "down_at": self._answered_at})

    def _notice_answer(self, now: float) -> None:
        if self._answered_at is None:
            say({"target": self._target, "up_at": now})
        elif now - self._answered_at > SILENCE_S:
            self._down = False
            say({"target": self._target, "from": self._answered_at, "to": now})
        self._answered_at = now


def say(event: dict[str, object]) -> None:
    print(json.dumps(event), flush=True)


async def page_answers(url: str) -> bool:
    """Whether the URL gives a page with status 200."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.hostname}\r\n\r\n".encode())
        return b" 200 " in await reader.readline() and b"</html>" in await reader.read(65536)
    finally:
        writer.close()


class Pinger:
    """ICMP echo on one raw socket (the client host is root's)."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._identity = os.getpid() & 0xFFFF
        self._sequence = 0
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    async def answers(self) -> bool:
        self._sequence = (self._sequence + 1) & 0xFFFF
        sequence = self._sequence
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = answer
        try:
            self._socket.sendto(echo_request(self._identity, sequence), (self._address, 0))
            return await answer
        finally:
            self._waiting.pop(sequence, None)

    def _receive(self) -> None:
        try:
            packet = self._socket.recv(2048)
        except OSError:
            return
        header_length = (packet[0] & 0x0F) * 4
        kind, _, _, identity, sequence = struct.unpack_from("!BBHHH", packet, header_length)
        answer = self._waiting.get(sequence)
        if kind == ECHO_REPLY and identity == self._identity and answer is not None and not answer.done():
            answer.set_result(True)


def echo_request(identity: int, sequence: int) -> bytes:
    """An ICMP echo request with its checksum."""
    blank = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identity, sequence)
    total = sum(struct.unpack("!4H", blank))
    total = (total >> 16) + (total & 0xFFFF)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum, identity, sequence)


if __name__ == "__main__":
    main()

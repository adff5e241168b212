"""What a client sees, to a few milliseconds: pings an address every 5 ms, or asks for a page every 20 ms.

Runs as a file of its own in the client host's network namespace (``python -I -S prober.py ping ADDRESS`` or ``... page URL``),
standard library only.  Writes one JSON object per line:

    {"from": 12.051, "to": 12.190}      nobody answered in between, for longer than GAP_S: last answer before, first after
    {"tick": 13.0, "last": 12.998}      ten times a second: the present time, and when the last answer came (null: never)

Times are CLOCK_MONOTONIC in seconds, the same for every process of the machine.  An answer counts when it arrives, whichever
request it answers.  Requests never wait for answers: a silence is measured to one interval.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from urllib.parse import SplitResult, urlsplit

PING_EVERY_S = 0.005
PAGE_EVERY_S = 0.02
PAGE_PATIENCE_S = 0.4
PAGES_AT_ONCE_MAX = 64
GAP_S = 0.03
TICK_S = 0.1
ECHO_REQUEST, ECHO_REPLY = 8, 0


class Silence:
    """Knows when the last answer came, and tells of every gap."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._tick_at = 0.0

    def answered(self, now: float) -> None:
        if self._last is not None and now - self._last > GAP_S:
            say({"from": self._last, "to": now})
        self._last = now

    def tick(self, now: float) -> None:
        if now >= self._tick_at:
            self._tick_at = now + TICK_S
            say({"tick": now, "last": self._last})


def say(event: dict[str, float | None]) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    kind, target = sys.argv[1:3]
    os.nice(-10)  # a measuring instrument must not wait for what it measures
    if kind == "ping":
        ping(target)
    else:
        asyncio.run(ask_for_page(urlsplit(target)))


def ping(address: str) -> None:
    """For ever."""
    echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    echo.setblocking(False)
    identity, sequence, silence = os.getpid() & 0xFFFF, 0, Silence()
    next_at = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= next_at:
            sequence = (sequence + 1) & 0xFFFF
            send(echo, address, echo_request(identity, sequence))
            next_at = max(next_at + PING_EVERY_S, now)
        silence.tick(now)
        select.select([echo], [], [], max(0.0, next_at - time.monotonic()))
        while is_ours(receive(echo), identity):
            silence.answered(time.monotonic())


def send(echo: socket.socket, address: str, packet: bytes) -> None:
    with contextlib.suppress(OSError):  # no neighbour answers for the address: exactly what is being measured
        echo.sendto(packet, (address, 0))


def receive(echo: socket.socket) -> bytes | None:
    """The next packet; None when there is none."""
    try:
        return echo.recv(2048)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def is_ours(packet: bytes | None, identity: int) -> bool:
    if not packet:
        return False
    header_length = (packet[0] & 0x0F) * 4
    kind, _, _, whose, _ = struct.unpack_from("!BBHHH", packet, header_length)
    return bool(kind == ECHO_REPLY and whose == identity)


def echo_request(identity: int, sequence: int) -> bytes:
    """An ICMP echo request with its checksum."""
    blank = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identity, sequence)
    total = sum(struct.unpack("!4H", blank))
    total = (total >> 16) + (total & 0xFFFF)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum, identity, sequence)


async def ask_for_page(url: SplitResult) -> None:
    """For ever."""
    silence, running = Silence(), set[asyncio.Task[None]]()

    async def ask() -> None:
        try:
            async with asyncio.timeout(PAGE_PATIENCE_S):
                served = await page_is_served(url)
        except (OSError, TimeoutError, ValueError):
            served = False
        if served:
            silence.answered(time.monotonic())

    while True:
        if len(running) < PAGES_AT_ONCE_MAX:
            task = asyncio.create_task(ask())
            running.add(task)
            task.add_done_callback(running.discard)
        silence.tick(time.monotonic())
        await asyncio.sleep(PAGE_EVERY_S)


async def page_is_served(url: SplitResult) -> bool:
    """Whether the URL gives a whole page with status 200."""
    reader, writer = await asyncio.open_connection(url.hostname, url.port or 80)
    try:
        writer.write(f"GET {url.path or '/'} HTTP/1.0\r\nHost: {url.hostname}\r\n\r\n".encode())
        return b" 200 " in await reader.readline() and b"</html>" in await reader.read(65536)
    finally:
        writer.close()


if __name__ == "__main__":
    main()

"""Work that hurts a host: every core computing, memory short. Begun inside the host, and ended by number.

Each burden is a small program of the machine's own Python, in a session of its own; `burdens` leaves none behind.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from backstay_sandbox.control import ControlError
from harness.hosts import SandboxUnderTest

BURN = "while True: pass"
HOG = """
import mmap, random, time
def available_mb():
    with open("/proc/meminfo") as meminfo:
        return next(int(line.split()[1]) // 1024 for line in meminfo if line.startswith("MemAvailable"))
held, since = [], time.monotonic()
while True:
    beyond = time.monotonic() - since > 10.0  # now and then past the end, for the OOM killer
    if available_mb() > LEFT_MB or beyond:
        held.append(mmap.mmap(-1, 4 << 20))
        held[-1].write(random.randbytes(1 << 16) * 64)
    else:
        time.sleep(0.01)
"""
AGAIN = "while :; do python3 -c '%s'; sleep 1; done"


def burn_cores(count: int | None = None) -> list[str]:
    """Twice as many as there are cores compute for ever, at ordinary priority."""
    return [f"exec python3 -c '{BURN}'"] * (count or 2 * (os.cpu_count() or 1))


def hog_memory(left_mb: int) -> list[str]:
    """Memory is held until no more than `left_mb` is to be had, and every 10 s beyond: the OOM killer ends it, and it begins again."""
    return [AGAIN % HOG.replace("LEFT_MB", str(left_mb))]


@contextmanager
def burdens(sandbox: SandboxUnderTest, commands: list[str]) -> Iterator[None]:
    """The commands run on every host as long as the context lasts."""
    begun: dict[str, list[str]] = {}
    try:
        for node in sandbox.layout.nodes:
            begun[node] = [_begin(sandbox, node, command) for command in commands]
        yield
        for node, pids in begun.items():
            for pid in pids:
                assert sandbox.on_host(node, "kill", "-0", pid).returncode == 0, (
                    f"it burdened {node} to the end"
                )
    finally:
        for node, pids in begun.items():
            with contextlib.suppress(ControlError):  # a host that is off bears no burden
                sandbox.on_host(node, "sh", "-c", " ".join(f"kill -KILL -{pid};" for pid in pids))


def _begin(sandbox: SandboxUnderTest, node: str, command: str) -> str:
    """Returns the number of the session that runs it."""

    done = sandbox.on_host(
        node, "sh", "-c", 'setsid sh -c "$1" </dev/null >/dev/null 2>&1 & echo $!', "sh", command
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

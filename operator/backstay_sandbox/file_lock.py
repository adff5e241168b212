"""A lock that processes share: a file, held for as long as a block runs."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

POLL_S = 0.5


@contextlib.contextmanager
def held(path: Path, *, timeout_s: float, late: Exception) -> Iterator[None]:
    """Wait for it, and hold it. Raises ``late`` when another process still has it after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise late from None
            time.sleep(POLL_S)
        yield

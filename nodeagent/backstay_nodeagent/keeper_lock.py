"""The keeper's lock: one keeper per run directory, and which process it is. Standard library only; part of the keeper."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

LOCK_FILE = "keeper.lock"
LOCK_WAIT_S = 10.0


def take_lock(run_dir: Path) -> int | None:
    """The keeper's lock, waiting a moment for a predecessor to go; None if it stays."""
    descriptor = os.open(run_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.01)
        else:
            _sign(descriptor)
            return descriptor


def _sign(descriptor: int) -> None:
    """Write over what is there, which takes no space; a lock without a name on it is a lock all the same."""
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, f"{os.getpid():<20}\n".encode(), 0)

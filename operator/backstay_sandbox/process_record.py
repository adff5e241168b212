"""Which processes belong to a sandbox, written down so that a later `down` finds them after a crash of the daemon.

A record names a process by its id and its start time, since ids are used again.  Killing goes through a pidfd that
is opened before the start time is compared: between the two the process cannot be exchanged for another.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

KILL_WAIT_S = 10.0


def record(directory: Path, name: str, pid: int) -> None:
    """Note that process ``pid`` is the sandbox's ``name``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(f"{pid} {start_time_of(pid)}\n")


def forget(directory: Path, name: str) -> None:
    (directory / name).unlink(missing_ok=True)


def kill_recorded(directory: Path, only: str = "*") -> list[str]:
    """Kill every recorded process that still lives (or those that match ``only``) but the caller itself, wait until
    each is dead, drop the records; returns the names."""
    killed = []
    for path in sorted(directory.glob(only)):
        fields = path.read_text().split()
        if len(fields) != 2 or int(fields[0]) == os.getpid():
            continue
        if kill(int(fields[0]), started=fields[1]):
            killed.append(path.name)
        path.unlink(missing_ok=True)
    return killed


def kill(pid: int, *, started: str | None = None) -> bool:
    """SIGKILL one process and wait for its end; False if it is gone, or is not the one that ``started`` then."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if started is not None and start_time_of(pid) != started:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        ended, _, _ = select.select([pidfd], [], [], KILL_WAIT_S)
        return bool(ended)
    finally:
        os.close(pidfd)


def start_time_of(pid: int) -> str:
    """Start time in clock ticks since boot, "0" if there is no such process."""
    try:
        # The command, in parentheses, may hold spaces and parentheses itself.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        return "0"

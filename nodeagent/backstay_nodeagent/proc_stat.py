"""What /proc tells of a process: when it began, by which it is told from a later one with the same id, and whether it leads an
operation. Standard library only: the keeper uses it too."""

from __future__ import annotations

import os

CALL_VARIABLE = "BACKSTAY_CALL"
"""In the environment of every operation: which call of which boot it is. Daemons that an agent starts inherit it, so it identifies only
processes that still lead their group."""


def call_mark(boot_id: str, call_id: int) -> str:
    """Value of CALL_VARIABLE."""
    return f"{boot_id}/{call_id}"


def start_ticks(pid: int) -> int:
    """Start time in clock ticks since boot; 0 if there is no such process, or it has ended (a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The command, in parentheses, may hold spaces and parentheses itself.
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def leader_of(boot_id: str, call_id: int) -> int | None:
    """The process that leads a call that was not written down before its agent ended; looks at every process once."""
    wanted = f"{CALL_VARIABLE}={call_mark(boot_id, call_id)}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        pid = int(entry)
        try:
            if os.getpgid(pid) != pid:
                continue
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    return pid
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return None

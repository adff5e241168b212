"""When a process began, by which it is told from a later one with the same id. Standard library only: the keeper uses it too."""

from __future__ import annotations


def start_ticks(pid: int) -> int:
    """Start time in clock ticks since boot; 0 if there is no such process, or it has ended (a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The command, in parentheses, may hold spaces and parentheses itself.
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])

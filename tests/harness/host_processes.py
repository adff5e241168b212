"""Processes of a host, as the machine sees them: found by PID namespace, signalled from outside, whatever state the host is in."""

from __future__ import annotations

import os
import signal
from pathlib import Path

AGENT, OPERATOR = "backstay_nodeagent --node", "-m backstay_operator"
KEEPER = "backstay_nodeagent.heartbeat import main"
DAEMONS = {"keeper": KEEPER, "agent": AGENT, "operator": OPERATOR}
"""Each by what its command line holds, and no other's."""
FREEZE_ROUNDS_MAX = 20


def processes_of(pid1: int) -> dict[int, str]:
    """Pid to command line, words separated by blanks, of everything in the PID namespace of ``pid1``; nothing if that is dead."""
    try:
        namespace = os.readlink(f"/proc/{pid1}/ns/pid")
    except OSError:
        return {}
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns/pid") == namespace:
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue  # it ended while we looked
    return found


def signal_matching(pid1: int, pattern: str, number: signal.Signals) -> list[int]:
    """Signal those whose command line holds the pattern; returns their pids."""
    struck = [pid for pid, line in processes_of(pid1).items() if pattern in line]
    return [pid for pid in struck if _signal(pid, number)]


def freeze_all(pid1: int) -> list[int]:
    """SIGSTOP everything, until nothing new has come up; returns what is frozen."""
    frozen: set[int] = set()
    for _ in range(FREEZE_ROUNDS_MAX):
        fresh = set(processes_of(pid1)) - frozen
        if not fresh:
            break
        frozen |= {pid for pid in fresh if _signal(pid, signal.SIGSTOP)}
    return sorted(frozen)


def thaw(pids: list[int]) -> None:
    """SIGCONT what `freeze_all` has frozen, at once; what is dead meanwhile stays so."""
    for pid in pids:
        _signal(pid, signal.SIGCONT)


def thaw_all(pid1: int) -> None:
    """SIGCONT whatever is still in that PID namespace."""
    for pid in processes_of(pid1):
        _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True

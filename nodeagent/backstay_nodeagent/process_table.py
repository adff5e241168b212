"""The host's processes, as /proc tells: start times, and what an agent's predecessor left running."""

from __future__ import annotations

import os
from pathlib import Path

from backstay_nodeagent.operation import Process
from backstay_nodeagent.proc_stat import start_ticks

CALL_VARIABLE = "BACKSTAY_CALL"
"""In the environment of every operation: which call of which boot it is. Daemons that an agent starts inherit it, so it identifies only
processes that still lead their group."""


def runs(process: Process) -> bool:
    """Whether this very process still runs."""
    return process.start_ticks != 0 and start_ticks(process.pid) == process.start_ticks


def call_mark(boot_id: str, call_id: int) -> str:
    """Value of CALL_VARIABLE."""
    return f"{boot_id}/{call_id}"


def find_call(boot_id: str, call_id: int, *, deadline: float) -> Process | None:
    """The leader of a call that was not written down before its agent ended; looks at every process once."""
    wanted = f"{CALL_VARIABLE}={call_mark(boot_id, call_id)}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        pid = int(entry)
        try:
            leads = os.getpgid(pid) == pid
            if leads and wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                return Process(pid=pid, start_ticks=start_ticks(pid), deadline=deadline)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return None

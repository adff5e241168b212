"""The host's processes, as /proc tells: what an agent's predecessor left running."""

from __future__ import annotations

from backstay_nodeagent.operation import Process
from backstay_nodeagent.proc_stat import leader_of, start_ticks


def runs(process: Process) -> bool:
    """Whether this very process still runs."""
    return process.start_ticks != 0 and start_ticks(process.pid) == process.start_ticks


def find_call(boot_id: str, call_id: int, *, deadline: float) -> Process | None:
    """The leader of a call that was not written down before its agent ended; None if it does not run."""
    pid = leader_of(boot_id, call_id)
    return None if pid is None else Process(pid=pid, start_ticks=start_ticks(pid), deadline=deadline)

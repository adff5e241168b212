"""What the keeper asks of the kernel so that a busy or starved host does not make it late. Standard library only.

A heartbeat that is late costs a failover of healthy services, so the keeper stands before everything that it guards: its threads
run under the lowest real-time priority (above every ordinary process, whatever its niceness, cgroup or autogroup), its memory
is locked (a host that thrashes can't page its code out), and the OOM killer comes to it last. What it starts inherits none of
this. A keeper that ran wild under such a priority would hurt the host, so the kernel kills one that computes for RUNAWAY_S without
ever waiting; the agent then starts another.

Each function says in words what it got, for the log; a host that refuses (no capability, no real-time bandwidth left in its
cgroup) is served as well as it lets us.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import threading
from pathlib import Path

RUNAWAY_S = 5
STACK_BYTES = 512 * 1024
"""For each thread: locked memory counts in full, and the usual 8 MiB are never needed."""
MCL_CURRENT, MCL_FUTURE = 1, 2
OOM_LAST, OOM_LATE = -999, -998
OOM_ORDINARY = 0
DESCRIPTORS_MAX = 65536
_ordinary_descriptors: list[tuple[int, int]] = []
"""What a child is given; empty while this process has no more than that."""


def prefer_thread() -> str:
    """Give the calling thread the lowest real-time priority; else the best niceness to be had."""
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -20)
            return f"niceness -20 ({error.strerror} for real-time)"
        return f"ordinary ({error.strerror})"
    return "real-time"


def bound_runaway() -> None:
    """Let the kernel kill this process should it compute under real-time priority for RUNAWAY_S without a wait."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_RTTIME, (RUNAWAY_S * 1_000_000, RUNAWAY_S * 1_000_000))


def lock_memory() -> str:
    """Keep all of this process in memory from now on. Call it before the first thread begins."""
    threading.stack_size(STACK_BYTES)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
        return f"not locked ({os.strerror(ctypes.get_errno())})"
    return "locked"


def die_last() -> str:
    """Make this process the OOM killer's last choice."""
    return "last" if _set_oom_score("self", OOM_LAST) else "as others"


def die_late() -> str:
    """For the agent: after everything ordinary, before the keeper, which can do without it for a while."""
    return "late" if _set_oom_score("self", OOM_LATE) else "as others"


def make_ordinary(pid: int) -> None:
    """For a child: the OOM killer may choose it as any other process, and it has as many descriptors as ever."""
    _set_oom_score(str(pid), OOM_ORDINARY)
    if _ordinary_descriptors:
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _ordinary_descriptors[-1])


def raise_descriptor_limit() -> int:
    """Let this process have as many descriptors as the host allows it, not the 1024 of old; returns how many.

    Children are given those (make_ordinary): there are programs that take more for an invitation."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else DESCRIPTORS_MAX
    wanted = max(soft, min(wanted, DESCRIPTORS_MAX))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _ordinary_descriptors.append((soft, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _set_oom_score(process: str, score: int) -> bool:
    try:
        Path(f"/proc/{process}/oom_score_adj").write_text(str(score))
    except OSError:
        return False
    return True

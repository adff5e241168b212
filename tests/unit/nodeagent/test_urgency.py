"""What the keeper asks of the kernel, seen from outside, on a real process; and that its children inherit nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import backstay_nodeagent
from backstay_nodeagent import urgency

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PROGRAM = """
import subprocess, sys, threading
from backstay_nodeagent import urgency
urgency.bound_runaway()
print(urgency.lock_memory(), urgency.prefer_thread(), urgency.die_last())
child = subprocess.Popen(["sleep", "60"])
urgency.make_ordinary(child.pid)
go_on = threading.Event()
def other():
    urgency.prefer_thread()
    print(threading.get_native_id(), child.pid, flush=True)
    go_on.wait()
threading.Thread(target=other, daemon=True).start()
sys.stdin.readline()
child.kill()
child.wait()
"""


class Urgent:
    """A process that asked for all, its second thread, and a child of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(backstay_nodeagent.__file__).parents[1])},
        )
        assert self._process.stdout is not None
        self.words = self._process.stdout.readline().strip()
        self.thread, self.child = map(int, self._process.stdout.readline().split())
        self.pid = self._process.pid

    def end(self) -> None:
        self._process.communicate("\n", timeout=10)


@pytest.fixture(scope="module")
def urgent() -> Iterator[Urgent]:
    made = Urgent()
    if "real-time" not in made.words:
        made.end()
        pytest.skip(f"this kernel grants no real-time priority here: {made.words}")
    yield made
    made.end()


def test_every_thread_that_asks_runs_before_ordinary_processes(urgent: Urgent) -> None:
    for thread in (urgent.pid, urgent.thread):
        assert os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR


def test_memory_is_locked_and_stays_small(urgent: Urgent) -> None:
    status = Path(f"/proc/{urgent.pid}/status").read_text()
    locked_kb = int(status.split("VmLck:")[1].split()[0])
    assert 1_000 < locked_kb < 100_000


def test_oom_killer_comes_last(urgent: Urgent) -> None:
    if urgent.words.endswith("as others"):
        pytest.skip("this machine lets nobody lower oom_score_adj (no CAP_SYS_RESOURCE)")
    assert Path(f"/proc/{urgent.pid}/oom_score_adj").read_text().strip() == "-999"


def test_children_are_ordinary(urgent: Urgent) -> None:
    assert os.sched_getscheduler(urgent.child) == os.SCHED_OTHER
    assert int(Path(f"/proc/{urgent.child}/oom_score_adj").read_text()) >= 0
    assert "VmLck:\t       0 kB" in Path(f"/proc/{urgent.child}/status").read_text()


def test_runaway_is_killed_by_the_kernel() -> None:
    """With a bound of one second instead of five, so that the test is short."""
    program = (
        "from backstay_nodeagent import urgency\nurgency.RUNAWAY_S = 1\nurgency.bound_runaway()\n"
        "print(urgency.prefer_thread(), flush=True)\nwhile True: pass"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(urgency.__file__).parents[1])},
    )
    if "real-time" not in done.stdout:
        pytest.skip("this kernel grants no real-time priority here")
    assert done.returncode < 0

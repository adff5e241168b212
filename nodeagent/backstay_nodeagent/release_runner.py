"""Runs a release in the agent's stead: the stops that the agent wrote down for this case. Standard library only; part of the
keeper.

The plan is a file of whole commands, since the keeper knows nothing of agents. Chains run side by side, a chain one stop at a
time. What the absent agent still has running on a resource is ended first (a stop is waited for), so that no two operations
overlap.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backstay_nodeagent.durable_file import read_whole
from backstay_nodeagent.journal_lines import contents_of
from backstay_nodeagent.proc_stat import leader_of, start_ticks
from backstay_nodeagent.urgency import make_ordinary

GRACE_S = 2.0
KILL_WAIT_S = 3.0
TIMEOUT_DEFAULT_MS = 20_000
"""Of an order whose mark does not say: marks leave out what is at its default."""


@dataclass
class StopResult:
    """One stop that ran."""

    resource: str
    verb: str
    rc: int
    timed_out: bool
    started_wall: float
    exec_ms: int


@dataclass
class _Chain:
    """`steps` are still to run; `obstacle` is an operation of the agent that is still there."""

    steps: list[dict[str, Any]]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    began_wall: float = 0.0
    signalled: float | None = None
    killed: bool = False
    obstacles: list[dict[str, Any]] = field(default_factory=list)


class ReleaseRunner:
    """Poll it until `done`."""

    def __init__(self, plan: dict[str, Any], pending: list[dict[str, Any]]) -> None:
        self._chains = [_Chain(list(steps)) for steps in plan.get("chains", []) if steps]
        for chain in self._chains:
            resources = {step["resource"] for step in chain.steps}
            chain.obstacles = [mark for mark in pending if mark["order"].get("resource") in resources]
        self.results: list[StopResult] = []

    @property
    def done(self) -> bool:
        return not any(chain.steps for chain in self._chains)

    def poll(self, now: float) -> None:
        """Begin and end what is due; never blocks."""
        for chain in self._chains:
            if chain.steps and not self._blocked(chain, now):
                self._advance(chain, now)

    def _blocked(self, chain: _Chain, now: float) -> bool:
        """End the operations of the absent agent that stand in the way."""
        left = []
        for mark in chain.obstacles:
            process = mark["process"]
            if start_ticks(process["pid"]) != process["start_ticks"] or process["start_ticks"] == 0:
                continue
            if mark["order"]["verb"] != "stop" or now >= process["deadline"]:
                _signal(process["pid"], signal.SIGKILL)
            left.append(mark)
        chain.obstacles = left
        return bool(left)

    def _advance(self, chain: _Chain, now: float) -> None:
        step = chain.steps[0]
        if chain.process is None:
            self._begin(chain, step, now)
            return
        code = chain.process.poll()
        overdue = now - chain.began >= step["timeout_s"]
        if code is not None:
            self._end(chain, step, now, code)
        elif overdue and chain.signalled is None:
            _signal(chain.process.pid, signal.SIGTERM)
            chain.signalled = now
        elif chain.signalled is not None and now - chain.signalled >= GRACE_S:
            _signal(chain.process.pid, signal.SIGKILL)
            chain.killed = True
            if now - chain.signalled >= GRACE_S + KILL_WAIT_S:
                self._end(chain, step, now, -signal.SIGKILL)

    def _begin(self, chain: _Chain, step: dict[str, Any], now: float) -> None:
        chain.began, chain.began_wall = now, time.time()
        chain.signalled, chain.killed = None, False
        try:
            chain.process = subprocess.Popen(
                step["argv"],
                env=step["env"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            self._end(chain, step, now, 5)
        else:
            make_ordinary(chain.process.pid)

    def _end(self, chain: _Chain, step: dict[str, Any], now: float, code: int) -> None:
        timed_out = chain.signalled is not None
        self.results.append(
            StopResult(
                resource=step["resource"],
                verb=step["verb"],
                rc=code if code >= 0 else 1,
                timed_out=timed_out,
                started_wall=chain.began_wall,
                exec_ms=round((now - chain.began) * 1000),
            )
        )
        if timed_out and chain.process is not None and chain.process.poll() is None:
            _signal(chain.process.pid, signal.SIGKILL)
        chain.process = None
        chain.steps.pop(0)


def read_plan(path: Path) -> dict[str, Any]:
    """The agent's release plan; empty where there is none, or none that can be read."""
    try:
        plan = json.loads(read_whole(path))
    except (OSError, ValueError):
        return {}
    return plan if isinstance(plan, dict) else {}


def read_pending(journal: Path) -> list[dict[str, Any]]:
    """Operations that the agent's journal says were running when it was last heard."""
    try:
        data = journal.read_bytes()
        boot_id = str(json.loads(data[: data.index(b"\n")])["boot"])
        entries = contents_of(data, data.index(b"\n") + 1).entries
    except (OSError, ValueError, KeyError, TypeError):
        return []
    marks = [value for key, value in entries.items() if key.startswith("pending/") and value]
    return [known for mark in marks if (known := _with_process(mark, boot_id)) is not None]


def _with_process(mark: dict[str, Any], boot_id: str) -> dict[str, Any] | None:
    """An agent that ended, or had no room to write, between the mark and the process left a mark without one: look for it."""
    if mark.get("process"):
        return mark
    pid = leader_of(boot_id, int(mark["call_id"]))
    if pid is None:
        return None
    deadline = mark["started"]["at"] + mark["order"].get("timeout_ms", TIMEOUT_DEFAULT_MS) / 1000
    return {**mark, "process": {"pid": pid, "start_ticks": start_ticks(pid), "deadline": deadline}}


def results_to_json(results: list[StopResult]) -> list[dict[str, Any]]:
    return [asdict(result) for result in results]


def _signal(pgid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return

"""Seeds in processes of their own: forked from one that has loaded everything, so that each begins alike and none disturbs another."""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import selectors
import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SEED_CPU_S = 60
"""Of computing: on a busy machine a seed may take much longer than that by the clock."""
SEED_TIMEOUT_S = 1200.0


@dataclass
class Result:
    """Of one seed. `crash` tells why there is no report."""

    seed: int
    report: dict[str, Any] = field(default_factory=dict)
    crash: str = ""

    @property
    def good(self) -> bool:
        return not self.crash and not self.report.get("violations")


@dataclass(frozen=True)
class _Task:
    """What each child does, but for its seed."""

    talk: bool
    before: Callable[[], None] | None
    faults: tuple[str, ...]
    overrides: dict[str, Any]


@dataclass
class _Child:
    seed: int
    pid: int
    pipe: int
    began: float
    data: bytes = b""


def run_all(
    seeds: Iterable[int],
    *,
    processes: int,
    talk: bool = False,
    before: Callable[[], None] | None = None,
    faults: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Generator[Result, None, None]:
    """Results as they come. `before` is called in each child before it begins."""
    _warm_up()
    waiting = list(seeds)
    selector = selectors.DefaultSelector()
    try:
        task = _Task(talk, before, tuple(faults), dict(overrides or {}))
        yield from _results(waiting, selector, processes, task)
    finally:
        for key in list(selector.get_map().values()):
            os.kill(key.data.pid, signal.SIGKILL)
            os.waitpid(key.data.pid, 0)
            os.close(key.data.pipe)
        selector.close()


def _results(
    waiting: list[int], selector: selectors.BaseSelector, processes: int, task: _Task
) -> Generator[Result, None, None]:
    running = 0
    while waiting or running:
        while waiting and running < processes:
            child = _start(waiting.pop(0), task)
            selector.register(child.pipe, selectors.EVENT_READ, child)
            running += 1
        for key, _ in selector.select(5.0):
            child = key.data
            piece = os.read(child.pipe, 1 << 20)
            child.data += piece
            if not piece:
                selector.unregister(child.pipe)
                os.close(child.pipe)
                running -= 1
                yield _reap(child)
        for key in list(selector.get_map().values()):
            if time.monotonic() - key.data.began > SEED_TIMEOUT_S:
                os.kill(key.data.pid, signal.SIGKILL)


def _warm_up() -> None:
    import simulation.run  # noqa: F401
    from simulation.api_server import prepare_store

    logging.disable(logging.CRITICAL)
    prepare_store()
    gc.collect()
    gc.freeze()


def _start(seed: int, task: _Task) -> _Child:
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return _Child(seed, pid, read, time.monotonic())
    os.close(read)
    _live_as_child(seed, write, task)
    raise AssertionError("a child does not return")


def _live_as_child(seed: int, pipe: int, task: _Task) -> None:
    """Runs the seed, writes its report and is gone: nothing is tidied up, since programs that were killed must not be closed."""
    gc.disable()
    resource.setrlimit(resource.RLIMIT_CPU, (SEED_CPU_S, SEED_CPU_S + 1))
    try:
        from simulation.run import run_seed

        if task.before is not None:
            task.before()
        report = vars(run_seed(seed, talk=task.talk, faults=task.faults, overrides=task.overrides))
        if not report["violations"] and not task.talk:
            report["story"] = report["story"][-1:]
        text = json.dumps({"report": report})
    except BaseException:  # noqa: BLE001 - whatever it was, the parent tells of it
        text = json.dumps({"crash": traceback.format_exc()})
    data = text.encode()
    try:
        while data:
            data = data[os.write(pipe, data) :]
    finally:  # also where the parent has stopped listening: a child never goes on as its parent
        os._exit(0)


def _reap(child: _Child) -> Result:
    os.waitpid(child.pid, 0)
    try:
        found = json.loads(child.data)
    except ValueError:
        return Result(
            child.seed,
            crash=f"seed {child.seed} ended without a report (killed after {SEED_CPU_S} s of computing?)",
        )
    return Result(child.seed, **found)

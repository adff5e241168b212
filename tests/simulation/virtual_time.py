"""A deterministic event loop under a virtual clock, for programs written with asyncio.

The operator's and the agent's own asyncio code runs on it unchanged. Time passes only when nothing is ready. Every callback belongs to
a `Process` (carried in its context): one that was killed never runs again, not even its `finally`, as with SIGKILL; one that is
paused keeps its callbacks until it is resumed, as with SIGSTOP. Each process reads the clocks of its own host, which drift and jump.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time as real_time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

WALL_0 = 1_790_000_000.0


class Clock:
    """A host's clocks: too fast by `rate` (0.01: a second in a hundred), the wall clock wrong by `wall_shift` seconds."""

    def __init__(self, loop: VirtualLoop, *, rate: float = 0.0) -> None:
        self._loop = loop
        self.rate = rate
        self.booted_at = loop.time()
        self.wall_shift = 0.0

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC and CLOCK_BOOTTIME: seconds since the boot, at this host's rate."""
        return 10.0 + (self._loop.time() - self.booted_at) * (1 + self.rate)

    def wall(self) -> float:
        return WALL_0 + self._loop.time() + self.wall_shift

    def true_delay(self, local_s: float) -> float:
        """How long `local_s` seconds of this clock really last."""
        return local_s / (1 + self.rate)


class Process:
    """What can be killed, paused, and blamed."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.clock = clock
        self.alive = True
        self.paused = False
        self.backlog: list[asyncio.Handle] = []
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)
        self.tasks: list[asyncio.Task[Any]] = []
        """Kept, so that no coroutine of a killed process is closed, and with it its `finally` run."""

    def kill(self) -> None:
        self.alive = False
        self.backlog.clear()


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class SimTask(asyncio.Task):  # type: ignore[type-arg]
    """Hashes by its number, so that sets of tasks are iterated in the same order in every run."""

    numbers = itertools.count()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._number = next(SimTask.numbers)
        super().__init__(*arguments, **named)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


SPIN_MAX = 50_000


class SpinError(AssertionError):
    """Somebody works without end and without time passing."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as the programs use; anything else is an error."""

    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._serial = itertools.count()
        self._instant, self._at_once = -1.0, 0
        self.errors: list[dict[str, Any]] = []
        """What nobody caught."""

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: Any = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = SimTask(coro, loop=self, name=name, context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        process = (context or copy_context()).get(PROCESS)
        if process is not None:
            process.tasks.append(task)
            if len(process.tasks) > 400:
                process.tasks = [one for one in process.tasks if not one.done()]
        return task

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._serial), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the heap until its time, and is passed over then."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """At once: there are no threads here."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to who awaits it
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def set_exception_handler(self, handler: Any) -> None:
        raise NotImplementedError

    # -- running

    def run_until(self, when: float) -> None:
        """Let time pass until `when`."""
        asyncio.events._set_running_loop(self)
        try:
            while True:
                self._run_ready()
                while self._timers and self._timers[0][2]._cancelled:  # type: ignore[attr-defined]
                    heapq.heappop(self._timers)
                if not self._timers or self._timers[0][0] > when:
                    break
                at, _, handle = heapq.heappop(self._timers)
                self._now = max(self._now, at)
                self._ready.append(handle)
            self._now = max(self._now, when)
        finally:
            asyncio.events._set_running_loop(None)

    def _run_ready(self) -> None:
        ready = self._ready
        if self._now > self._instant:
            self._instant, self._at_once = self._now, 0
        while ready:
            self._at_once += 1
            if self._at_once > SPIN_MAX:
                raise SpinError(
                    f"{SPIN_MAX} callbacks without any time passing, the last of them {ready[0]!r}"
                )
            handle = ready.popleft()
            if handle._cancelled:  # type: ignore[attr-defined]
                continue
            process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
            if process is not None:
                if not process.alive:
                    continue
                if process.paused:
                    process.backlog.append(handle)
                    continue
            handle._run()  # type: ignore[attr-defined]

    # -- processes

    def start(self, process: Process, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as part of a process."""
        task = self.create_task(coro, context=process.context)
        task.add_done_callback(self._program_ended, context=process.context)
        return task

    def _program_ended(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            text = "".join(traceback.format_exception(error))[-3000:]
            self.errors.append({"message": text, "exception": error})

    def post(self, process: Process, callback: Callable[..., Any], *args: Any, delay: float = 0.0) -> None:
        """Call something inside a process, from anywhere."""
        if delay:
            self.call_later(delay, callback, *args, context=process.context)
        else:
            self.call_soon(callback, *args, context=process.context)

    def pause(self, process: Process) -> None:
        process.paused = True

    def resume(self, process: Process) -> None:
        process.paused = False
        self._ready.extend(process.backlog)
        process.backlog.clear()


class ProcessTime:
    """Stands where a program's module has `time`: the clocks of the host of whoever asks."""

    CLOCK_BOOTTIME = real_time.CLOCK_BOOTTIME
    CLOCK_MONOTONIC = real_time.CLOCK_MONOTONIC

    @staticmethod
    def _clock() -> Clock:
        process = PROCESS.get()
        assert process is not None, "a program asked for the time outside of any process"
        return process.clock

    def monotonic(self) -> float:
        return self._clock().monotonic()

    def clock_gettime(self, _which: int) -> float:
        return self._clock().monotonic()

    def perf_counter(self) -> float:
        return self._clock().monotonic()

    def time(self) -> float:
        return self._clock().wall()

    def time_ns(self) -> int:
        return int(self._clock().wall() * 1e9)


def local_now() -> float:
    """Monotonic seconds of the process that asks."""
    return ProcessTime._clock().monotonic()


def wire_time(wall: float) -> str:
    """metav1.MicroTime."""
    whole = real_time.strftime("%Y-%m-%dT%H:%M:%S", real_time.gmtime(wall))
    return f"{whole}.{int(wall % 1 * 1e6):06d}Z"

"""One process of a host, in a process group of its own, with a timeout that holds whatever the process does.

The process ends when its leader ends: what an agent leaves behind on purpose (a daemon that kept its pipes) is left alone, and its
pipes are not waited for. When the time is up, or somebody wants it ended, the whole group gets SIGTERM, and SIGKILL after a grace.
Every wait here is bounded; a process that even SIGKILL does not end (it hangs in the kernel) is reported so, and left.

Needs Linux 5.3 (pidfd) and an asyncio loop.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from backstay.ocf.output import OutputCollector
from backstay_nodeagent.urgency import make_ordinary

KILL_WAIT_S = 3.0
SPAWN_PAUSE_S = 0.2
PASSING = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
"""The host has no room for a process now: it is tried again within the operation's own time, as nothing has run."""
READ_SIZE = 1 << 16
DRAIN_MAX = 1 << 20
"""Bytes read after the leader's end: what the pipe can hold, not what a surviving child goes on writing."""


class HowEnded(Enum):
    """Why a process is over."""

    BY_ITSELF = "by itself"
    TIMEOUT = "timeout"
    ENDED = "ended"
    """Somebody wanted it ended."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """`code` is the exit status, or minus the signal; None if it could not be killed."""

    how: HowEnded
    code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What to run. `timeout_s` counts from the start, `grace_s` from SIGTERM to SIGKILL."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stdin: bytes = b""
    timeout_s: float
    grace_s: float = 2.0


def _nothing(_pid: int) -> None:
    pass


@dataclass(slots=True)
class ProcessControl:
    """The caller's hand on a run that may take several processes: `end()` ends the present one and refuses others."""

    on_spawn: Callable[[int], None] = _nothing
    reason: str = ""
    _end: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return self._end.is_set()

    def end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._end.set()

    async def wait(self) -> None:
        await self._end.wait()


class LostHoldError(Exception):
    """A process was started and could not be minded (no descriptor, no memory). Its group was killed, and is gone if `gone`."""

    def __init__(self, cause: OSError, *, gone: bool) -> None:
        super().__init__(cause.strerror or str(cause))
        self.gone = gone


async def run_process(spec: ProcessSpec, control: ProcessControl, output: OutputCollector) -> ProcessEnd:
    """Run to the end. Raises OSError when it can't be started (not there, not executable, no memory), and nothing has run then;
    LostHoldError when it was started, and had to be killed because it could not be minded."""
    if control.ended:
        return ProcessEnd(HowEnded.ENDED, None)
    process = await _started(spec, control)
    if process is None:
        return ProcessEnd(HowEnded.ENDED if control.ended else HowEnded.TIMEOUT, None)
    try:
        return await _minded(process, spec, control, output)
    except OSError as error:
        # Whatever it is, it must not look as if nothing had been started.
        raise LostHoldError(error, gone=await _kill_unminded(process)) from error


async def _started(spec: ProcessSpec, control: ProcessControl) -> subprocess.Popen[bytes] | None:
    """The process; None when the host had no room for one in time. Raises OSError for what will not pass by itself."""
    deadline = asyncio.get_running_loop().time() + spec.timeout_s
    while True:
        try:
            return _spawn(spec)
        except OSError as error:
            left_s = deadline - asyncio.get_running_loop().time()
            if error.errno not in PASSING:
                raise
            if left_s <= 0 and not control.ended:
                raise
            if control.ended:
                return None
            await asyncio.sleep(min(left_s, SPAWN_PAUSE_S * random.uniform(0.5, 1.0)))


def _spawn(spec: ProcessSpec) -> subprocess.Popen[bytes]:
    """Returns after exec, as asyncio's own does: an error of this is from before it."""
    return subprocess.Popen(
        list(spec.argv),
        env=dict(spec.env),
        stdin=subprocess.PIPE if spec.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )


async def _minded(
    process: subprocess.Popen[bytes], spec: ProcessSpec, control: ProcessControl, output: OutputCollector
) -> ProcessEnd:
    make_ordinary(process.pid)
    control.on_spawn(process.pid)
    pipes = _Pipes(process, spec.stdin, output)
    try:
        leader = _Leader(process.pid)
    except OSError:
        pipes.close()
        raise
    try:
        how = await _await_end(leader, control, spec.timeout_s)
        if how is not HowEnded.BY_ITSELF:
            await _kill_group(process.pid, leader, spec.grace_s)
        return ProcessEnd(how, process.poll())
    finally:
        pipes.close()
        leader.close()
        process.poll()


async def _await_end(leader: _Leader, control: ProcessControl, timeout_s: float) -> HowEnded:
    wanted = asyncio.ensure_future(control.wait())
    try:
        await asyncio.wait((leader.exited, wanted), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        wanted.cancel()
    if leader.exited.done():
        return HowEnded.BY_ITSELF
    return HowEnded.ENDED if control.ended else HowEnded.TIMEOUT


async def _kill_group(pgid: int, leader: _Leader, grace_s: float) -> None:
    """SIGTERM, a grace, SIGKILL. The leader is not reaped before the last signal, so its number stays that of the group."""
    signal_group(pgid, signal.SIGTERM)
    await asyncio.wait((leader.exited,), timeout=grace_s)
    signal_group(pgid, signal.SIGKILL)
    await asyncio.wait((leader.exited,), timeout=KILL_WAIT_S)


async def _kill_unminded(process: subprocess.Popen[bytes]) -> bool:
    """SIGKILL for the group, and wait without a descriptor; True if the leader is gone. It is reaped after the last signal."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + KILL_WAIT_S
    while loop.time() < deadline:
        signal_group(process.pid, signal.SIGKILL)
        if _has_ended(process.pid):
            signal_group(process.pid, signal.SIGKILL)
            break
        await asyncio.sleep(0.02)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None and not pipe.closed:
            pipe.close()
    return process.poll() is not None


def _has_ended(pid: int) -> bool:
    """Without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def signal_group(pgid: int, number: signal.Signals) -> bool:
    """False if there is no such group any more."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class _Leader:
    """Tells when a process has ended, without reaping it."""

    def __init__(self, pid: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = self._loop.create_future()
        self._fd = os.pidfd_open(pid)
        self._loop.add_reader(self._fd, self._on_exit)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._fd)
        if not self.exited.done():
            self.exited.set_result(None)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class _Pipes:
    """Keeps a process's pipes flowing into the collector, so that a flood neither fills memory nor stops the process."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, output: OutputCollector) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._output = output
        self._stdin = memoryview(stdin)
        self._readers = {
            process.stdout.fileno(): output.feed_stdout,
            process.stderr.fileno(): output.feed_stderr,
        }
        for fd in list(self._readers):
            os.set_blocking(fd, False)
            self._loop.add_reader(fd, self._read, fd)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._loop.add_writer(process.stdin.fileno(), self._write)

    def close(self) -> None:
        """Take what is there without waiting, then let go."""
        for fd in list(self._readers):
            taken = 0
            while fd in self._readers and taken < DRAIN_MAX:
                got = self._read(fd)
                if got == 0:
                    break
                taken += got
            self._forget(fd)
        self._close_stdin()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._output.finish()

    def _read(self, fd: int) -> int:
        try:
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return 0
        if data:
            self._readers[fd](data)
        else:
            self._forget(fd)
        return len(data)

    def _forget(self, fd: int) -> None:
        if self._readers.pop(fd, None) is not None:
            self._loop.remove_reader(fd)

    def _write(self) -> None:
        assert self._process.stdin is not None
        try:
            written = os.write(self._process.stdin.fileno(), self._stdin)
        except BlockingIOError:
            return
        except BrokenPipeError:
            written = len(self._stdin)
        self._stdin = self._stdin[written:]
        if not self._stdin:
            self._close_stdin()

    def _close_stdin(self) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed:
            self._loop.remove_writer(stdin.fileno())
            stdin.close()

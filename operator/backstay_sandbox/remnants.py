"""Removing what is left of a sandbox: after `down`, after a daemon that died, before an `up`.

Works from what the machine itself shows (recorded processes, network namespaces by prefix, the loop device of the
image), so it needs nothing from the daemon and can be repeated.  It must not run beside a living daemon: the caller
holds the sandbox's lock (``SandboxLock``).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from types import TracebackType

from backstay_sandbox import shared_disk
from backstay_sandbox.command import CommandError, run_now
from backstay_sandbox.layout import NETNS_ROOT, STATE_ROOT, Layout
from backstay_sandbox.process_record import kill, kill_recorded

KILL_ROUNDS = 5
LOCK_POLL_S = 0.02


class SandboxLock:
    """The right to run or to clean up one sandbox; held by its daemon for life, freed by the kernel at its death."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.lock_file
        self._descriptor = -1

    def acquire(self, *, wait_s: float = 0.0) -> bool:
        """True if the lock is ours now; waits at most ``wait_s``."""
        deadline = time.monotonic() + wait_s
        while not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOCK_POLL_S)
        return True

    def _try(self) -> bool:
        try:
            STATE_ROOT.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # another sandbox's `down` has just removed the empty directory
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file may have been removed, and made anew by another, between open and flock.
            if os.fstat(descriptor).st_ino == os.stat(self._path).st_ino:
                self._descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return False

    def release(self, *, remove: bool) -> None:
        if self._descriptor >= 0:
            if remove:
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1
            if remove and STATE_ROOT.is_dir() and not any(STATE_ROOT.iterdir()):
                STATE_ROOT.rmdir()

    def __enter__(self) -> SandboxLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release(remove=False)


def remove(layout: Layout) -> list[str]:
    """Remove every trace; returns in words what was found.  Raises CommandError if something will not go."""
    found = [f"process {name}" for name in kill_recorded(layout.processes_dir)]
    for netns in namespaces_of(layout):
        _kill_members(netns)
        # Veth pairs die with either end, and the bridge with its namespace.
        run_now("ip", "netns", "del", netns)
        found.append(f"network namespace {netns}")
    if layout.shared_image.exists():
        shared_disk.detach(layout.shared_image)
        found.append("shared disk")
    if layout.state_dir.exists():
        shutil.rmtree(layout.state_dir)
        found.append(f"files in {layout.state_dir}")
    return found


def kill_daemon(layout: Layout) -> None:
    """Kill a daemon that does not answer, so that its lock gets free; the rest is for :func:`remove`."""
    kill_recorded(layout.processes_dir, only="daemon")


def namespaces_of(layout: Layout) -> list[str]:
    """The sandbox's network namespaces, the switch's first: with it goes every cable at once."""
    if not NETNS_ROOT.is_dir():
        return []
    names = sorted(path.name for path in NETNS_ROOT.iterdir() if path.name.startswith(layout.netns_prefix))
    return sorted(names, key=lambda name: name != layout.netns_switch)


def _kill_members(netns: str) -> None:
    """Kill what runs in a namespace; some rounds, since a supervisor may start another before it dies itself."""
    for _ in range(KILL_ROUNDS):
        try:
            members = [int(word) for word in run_now("ip", "netns", "pids", netns).split()]
        except CommandError:
            return  # the name is there, the namespace behind it is not
        if not members:
            return
        for pid in members:
            kill(pid)

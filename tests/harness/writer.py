"""A program that writes records to the shared file system and acknowledges each after its fsync, to a listener outside the host.

What was acknowledged is a promise: whatever happens to the host, the next one must have it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from backstay_sandbox.control import ControlError
from backstay_sandbox.inspection import host_argv, host_environment
from backstay_sandbox.layout import Layout

JOURNAL = "/var/www/journal"
PROGRAM = """
import os, sys
record = int(sys.argv[2])
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
while True:
    record += 1
    os.write(out, b"%d\\n" % record)
    os.fsync(out)
    print(record, flush=True)
"""
END_TIMEOUT_S = 10.0


@dataclass
class Writer:
    """Writes on ``node`` as long as the context lasts, or the host does. ``acknowledged``: record to CLOCK_MONOTONIC of its arrival."""

    layout: Layout
    node: str
    first: int = 0
    acknowledged: dict[int, float] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Writer:
        argv = host_argv(
            self.layout, self.node, [sys.executable, "-I", "-S", "-c", PROGRAM, JOURNAL, str(self.first)]
        )
        self._process = subprocess.Popen(
            argv, env=host_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._thread is not None
        with contextlib.suppress(ControlError, subprocess.TimeoutExpired):  # the host may be off, or frozen
            self._on_host("pkill", "-f", JOURNAL)
        self._process.kill()
        self._process.wait(END_TIMEOUT_S)
        self._thread.join(END_TIMEOUT_S)

    @property
    def last(self) -> int:
        """The last record that is promised."""
        return max(self.acknowledged, default=self.first)

    def _on_host(self, *command: str) -> None:
        argv = host_argv(self.layout, self.node, command)
        subprocess.run(argv, env=host_environment(), capture_output=True, timeout=END_TIMEOUT_S, check=False)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                self.acknowledged[int(line)] = time.monotonic()


def lost(journal: str, promised: int) -> list[int]:
    """Records up to ``promised`` that a journal does not have."""
    there = {int(line) for line in journal.splitlines() if line.isdigit()}
    return [record for record in range(1, promised + 1) if record not in there]

"""A program that runs elsewhere (in a network namespace) and tells of what it sees, one JSON object per line."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

END_TIMEOUT_S = 10.0


class Listener:
    """Runs the program as long as the context lasts. Subclasses take in what it tells, in `note`, with the lock held."""

    POLL_S = 0.05

    def __init__(self, command: Sequence[str]) -> None:
        self.lock = threading.Lock()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(END_TIMEOUT_S)
        self._reader.join(END_TIMEOUT_S)

    def note(self, event: dict[str, Any]) -> None:
        """One line."""
        raise NotImplementedError

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float) -> bool:
        """False when it did not come true in time, or the program has ended."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= deadline or self._process.poll() is not None:
                return False
            time.sleep(self.POLL_S)
        return True

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            with self.lock:
                self.note(event)

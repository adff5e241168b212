"""The client's view of the service: starts the prober in the client's namespace and collects what it saw."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.layout import Layout

POLL_S = 0.05
END_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch of silence: last answer before, first after (CLOCK_MONOTONIC, seconds)."""

    target: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class OutageWatch:
    """Probes from the client host as long as the context lasts.  Targets: "page" (a URL) and "address" (a ping)."""

    def __init__(self, layout: Layout, *, url: str, address: str) -> None:
        prober = str(Path(__file__).with_name("prober.py"))
        command = [sys.executable, "-I", "-S", prober, url, address]
        self._process = subprocess.Popen(
            namespace_command(layout.netns_client, command), stdout=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()
        self._outages: list[Outage] = []
        self._down_since: dict[str, float] = {}
        self._seen_up: set[str] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> OutageWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(END_TIMEOUT_S)
        self._reader.join(END_TIMEOUT_S)

    def is_up(self, target: str) -> bool:
        """Whether it has answered, and answers still."""
        with self._lock:
            return target in self._seen_up and target not in self._down_since

    def outages(self, target: str, *, since: float) -> list[Outage]:
        """Finished outages that began at ``since`` or later, give or take the last answer before it."""
        with self._lock:
            return [one for one in self._outages if one.target == target and one.end >= since]

    def wait_up(self, target: str, *, timeout_s: float) -> bool:
        """Wait until it answers; False when it did not in time."""
        return self._wait(lambda: self.is_up(target), timeout_s)

    def wait_outage(self, target: str, *, since: float, timeout_s: float) -> bool:
        """Wait until an outage has begun after ``since``; False when none did in time."""

        def begun() -> bool:
            with self._lock:
                down_now = target in self._down_since
            return down_now or bool(self.outages(target, since=since))

        return self._wait(begun, timeout_s)

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= deadline or self._process.poll() is not None:
                return False
            time.sleep(POLL_S)
        return True

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._note(json.loads(line))

    def _note(self, event: dict[str, object]) -> None:
        target = str(event["target"])
        with self._lock:
            if "up_at" in event:
                self._seen_up.add(target)
            elif "down_at" in event:
                self._down_since[target] = float(str(event["down_at"]))
            else:
                self._down_since.pop(target, None)
                start, end = float(str(event["from"])), float(str(event["to"]))
                self._outages.append(Outage(target=target, start=start, end=end))

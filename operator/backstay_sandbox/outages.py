"""The client's view of the service: starts the prober in the client's namespace and collects what it saw."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.layout import Layout
from backstay_sandbox.listener import Listener


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch of silence: last answer before, first after (CLOCK_MONOTONIC, seconds)."""

    target: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class OutageWatch(Listener):
    """Probes from the client host as long as the context lasts.  Targets: "page" (a URL) and "address" (a ping)."""

    def __init__(self, layout: Layout, *, url: str, address: str) -> None:
        self._outages: list[Outage] = []
        self._down_since: dict[str, float] = {}
        self._seen_up: set[str] = set()
        prober = str(Path(__file__).with_name("prober.py"))
        command = [sys.executable, "-I", "-S", prober, url, address]
        super().__init__(namespace_command(layout.netns_client, command))

    def is_up(self, target: str) -> bool:
        """Whether it has answered, and answers still."""
        with self.lock:
            return target in self._seen_up and target not in self._down_since

    def outages(self, target: str, *, since: float) -> list[Outage]:
        """Finished outages that began at ``since`` or later, give or take the last answer before it."""
        with self.lock:
            return [one for one in self._outages if one.target == target and one.end >= since]

    def wait_up(self, target: str, *, timeout_s: float) -> bool:
        """Wait until it answers; False when it did not in time."""
        return self.wait_until(lambda: self.is_up(target), timeout_s=timeout_s)

    def wait_outage(self, target: str, *, since: float, timeout_s: float) -> bool:
        """Wait until an outage has begun after ``since``; False when none did in time."""

        def begun() -> bool:
            with self.lock:
                down_now = target in self._down_since
            return down_now or bool(self.outages(target, since=since))

        return self.wait_until(begun, timeout_s=timeout_s)

    def note(self, event: dict[str, Any]) -> None:
        """Of the prober: up_at, down_at, or a silence that is over."""
        target = str(event["target"])
        if "up_at" in event:
            self._seen_up.add(target)
        elif "down_at" in event:
            self._down_since[target] = float(event["down_at"])
        else:
            self._down_since.pop(target, None)
            self._outages.append(Outage(target=target, start=float(event["from"]), end=float(event["to"])))

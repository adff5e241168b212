"""The client's view: starts the prober in the client's namespace and collects its gaps."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.layout import Layout
from backstay_sandbox.listener import Listener

STEADY_S = 1.0
"""Answers must come without a gap for so long before an outage counts as over."""
GAP_COUNTS_S = 0.05
"""Shorter silences are a busy machine's; they count only when nothing longer was seen."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Last answer before, first answer after (CLOCK_MONOTONIC, seconds)."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Watch(Listener):
    """Probes from the client host as long as the context lasts: `kind` is "ping" (an address) or "page" (a URL)."""

    POLL_S = 0.02

    def __init__(self, layout: Layout, *, kind: str, target: str) -> None:
        self._gaps: list[Gap] = []
        self._tick = 0.0
        self._last: float | None = None
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("prober.py")), kind, target]
        super().__init__(namespace_command(layout.netns_client, command))

    def answers(self) -> bool:
        """Whether it answers now."""
        with self.lock:
            return self._last is not None and self._tick - self._last < GAP_COUNTS_S

    def gaps(self, *, since: float) -> list[Gap]:
        """Gaps that ended after `since`, oldest first; the first may have begun with the last answer before it."""
        with self.lock:
            return [gap for gap in self._gaps if gap.end > since]

    def outage(self, *, since: float) -> float:
        """Seconds without an answer since then: all gaps that count, or the longest of the short ones."""
        gaps = self.gaps(since=since)
        counting = [gap.seconds for gap in gaps if gap.seconds >= GAP_COUNTS_S]
        return sum(counting) if counting else max((gap.seconds for gap in gaps), default=0.0)

    def await_up(self, *, timeout_s: float) -> bool:
        """Wait until it has answered without a gap for STEADY_S; False when it did not in time."""
        return self._await_steady(time.monotonic(), timeout_s)

    def await_outage_over(self, *, since: float, timeout_s: float) -> bool:
        """Wait until there was a silence after `since` and it is over; False when that did not happen in time."""
        deadline = time.monotonic() + timeout_s
        if not self.wait_until(lambda: bool(self.gaps(since=since)), timeout_s=timeout_s):
            return False
        return self._await_steady(since, deadline - time.monotonic())

    def _await_steady(self, since: float, timeout_s: float) -> bool:
        def steady() -> bool:
            gaps = self.gaps(since=since)
            calm_since = max([since, *(gap.end for gap in gaps if gap.seconds >= GAP_COUNTS_S)])
            with self.lock:
                tick = self._tick
            return self.answers() and tick - calm_since >= STEADY_S

        return self.wait_until(steady, timeout_s=timeout_s)

    def note(self, event: dict[str, Any]) -> None:
        """Of the prober: how far it is, or a gap."""
        if "tick" in event:
            self._tick, self._last = event["tick"], event["last"]
        else:
            self._gaps.append(Gap(event["from"], event["to"]))

"""What a restarted agent still owes: ends of what its predecessor left running, and probes of what that led to.

Within one boot the journal tells which operations were pending. Their processes are waited for until their own timeout (an
interrupted start or stop would leave the resource half way), only monitors are killed at once. Then a probe tells where the
resource is; the order's own result is "failed, interrupted", without an exit code, so that the DC looks again instead of
counting a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backstay.ocf.exitcode import ExitCode
from backstay_nodeagent.operation import PendingMark
from backstay_nodeagent.orders import Order, Verb


class Recovery:
    """Marks whose process may still run, and marks whose process has ended and whose resource is still to be probed.

    Either kind stays in the journal, and its resource is taken: the order has no other trace until its probe begins."""

    def __init__(self) -> None:
        self._marks: dict[int, PendingMark] = {}
        self._unprobed: dict[int, PendingMark] = {}

    def __len__(self) -> int:
        return len(self._marks) + len(self._unprobed)

    def expect(self, mark: PendingMark) -> None:
        self._marks[mark.call_id] = mark

    def ended(self, call_id: int) -> PendingMark | None:
        return self._marks.pop(call_id, None)

    def want_probe(self, mark: PendingMark) -> None:
        self._unprobed[mark.call_id] = mark

    @property
    def unprobed(self) -> list[PendingMark]:
        return list(self._unprobed.values())

    def took(self, mark: PendingMark) -> None:
        del self._unprobed[mark.call_id]


def pending_marks(journal: Mapping[str, Any]) -> list[PendingMark]:
    """Operations without a result, by call id."""
    marks = [PendingMark.from_json(value) for name, value in journal.items() if name.startswith("pending/")]
    return sorted(marks, key=lambda mark: mark.call_id)


def adoption_probe(order: Order, action_id: str) -> Order:
    """A probe of the order's resource, on behalf of the interrupted order `action_id` (empty if it was none of the plan)."""
    return replace(
        order,
        id=action_id,
        verb=Verb.MONITOR,
        interval_ms=0,
        start_delay_ms=0,
        after=(),
        target_rc=ExitCode.NOT_RUNNING,
        digest="",
        restart_digest="",
    )

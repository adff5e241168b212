"""Intervals, timeouts and the other numbers of a resource, where they can be written and can't be meant."""

from __future__ import annotations

from collections.abc import Iterator

from backstay.api.quantities import duration_ms, duration_text
from backstay.api.resource import Operation
from backstay.verify.written import Finding, Written

LONG_MS = 24 * 3_600_000
TIMEOUT_PER_INTERVAL_MAX = 10
"""Agents advise up to twice the interval themselves; far beyond it one slow monitor hides many that were due."""


def check_operations(one: Written) -> Iterator[Finding]:
    """All operations of one resource, and its capacities."""
    seen: dict[tuple[str, int, str], int] = {}
    for number, operation in enumerate(one.template.operations):
        field = f"operations[{number}]"
        yield from _check_times(one, operation, field)
        interval = duration_ms(operation.interval) if operation.interval is not None else 0
        key = (operation.name, interval, operation.role or "")
        if key in seen:
            what = f"{operation.name} every {duration_text(interval)}" if interval else operation.name
            yield one.error(
                "DuplicateOperation",
                f"{field}.interval" if interval else field,
                f"operations[{seen[key]}] is a {what} already; give it another interval, or remove one",
            )
        seen.setdefault(key, number)
    for name, amount in sorted(one.template.utilization.items()):
        if amount < 0:
            yield one.warning(
                "InvalidValue", f"utilization.{name}", f"{amount} is negative; nothing uses less than 0"
            )


def _check_times(one: Written, operation: Operation, field: str) -> Iterator[Finding]:
    interval = duration_ms(operation.interval) if operation.interval is not None else None
    timeout = duration_ms(operation.timeout) if operation.timeout is not None else None
    if timeout == 0:
        yield one.error(
            "InvalidValue",
            f"{field}.timeout",
            f"{operation.timeout} leaves no time for anything; write for example 20s, or leave it out",
        )
    elif timeout is not None and timeout > LONG_MS:
        yield one.warning(
            "InvalidValue",
            f"{field}.timeout",
            f"{operation.timeout} is longer than a day: is the unit right?",
        )
    if operation.name != "monitor" or interval is None:
        return
    if interval == 0 and operation.interval not in ("0", "0s"):
        yield one.error(
            "InvalidValue",
            f"{field}.interval",
            f"{operation.interval} is less than a millisecond; write for example 10s",
        )
    elif interval and timeout and interval * TIMEOUT_PER_INTERVAL_MAX < timeout:
        yield one.warning(
            "IntervalBelowTimeout",
            f"{field}.interval",
            f"{operation.interval} is far below the timeout {operation.timeout}: while a monitor is slow, no failure is "
            "noticed; make the timeout shorter, or the interval longer",
        )
    elif interval > LONG_MS:
        yield one.warning(
            "InvalidValue",
            f"{field}.interval",
            f"{operation.interval} is longer than a day: is the unit right?",
        )

"""The node's memory of results: the last one of each operation, and the failures counted since their last cleanup.

As Pacemaker counts: every operation that did not end as expected, but for probes, notifications, and what was cancelled. A
recurring monitor counts, and is written down, when its result changes, not each time it repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from backstay.ocf.exitcode import OpStatus
from backstay_nodeagent.operation import Instant, Operation, Origin, Outcome
from backstay_nodeagent.orders import Verb

Key = tuple[str, str, int]
"""Resource, operation, interval in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The last result of one operation. Times are seconds since the epoch."""

    resource: str
    operation: str
    interval_ms: int
    agent: str
    action_id: str
    call_id: int
    rc: int
    target_rc: int
    status: OpStatus
    reason: str
    output: str
    last_run: float
    last_change: float
    exec_ms: int
    queue_ms: int
    digest: str
    restart_digest: str

    @property
    def key(self) -> Key:
        return self.resource, self.operation, self.interval_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Failures of one operation: how many, and the last one of them."""

    count: int
    record: Record
    last_failure: float


class History:
    """Records and failures by key. Every change is put into `journal` (entries by key) for the caller to write."""

    def __init__(self, journal: dict[str, Any]) -> None:
        self.records: dict[Key, Record] = {}
        self.failures: dict[Key, Failure] = {}
        self._journal = journal

    def note(self, operation: Operation, outcome: Outcome, instant: Instant) -> bool:
        """Take a result in; True if there is something new to publish."""
        record = record_of(operation, outcome, instant)
        known = self.records.get(record.key)
        repeated = (
            operation.origin is Origin.RECURRING
            and known is not None
            and (known.rc, known.status) == (record.rc, record.status)
        )
        failed = counts_as_failure(operation, outcome)
        if repeated and (not failed or record.key in self.failures):
            return False
        self.put(record)
        if failed:
            self._count(record, instant)
        return True

    def put(self, record: Record) -> None:
        self.records[record.key] = record
        self._journal[_entry("history", record.key)] = record_to_json(record)

    def forget_record(self, key: Key) -> None:
        if self.records.pop(key, None) is not None:
            self._journal[_entry("history", key)] = None

    def forget_failures(self, resource: str, *, operation: str = "", interval_ms: int | None = None) -> None:
        """All of a resource, or of one operation, or of one operation with one interval."""
        for key in [one for one in self.failures if one[0] == resource]:
            if operation in ("", key[1]) and interval_ms in (None, key[2]):
                del self.failures[key]
                self._journal[_entry("failure", key)] = None

    def forget_resource(self, resource: str) -> None:
        for key in [one for one in self.records if one[0] == resource]:
            self.forget_record(key)
        self.forget_failures(resource)

    def load(self, journal: Mapping[str, Any]) -> None:
        """Read back what an earlier agent of this boot wrote."""
        for name, value in journal.items():
            if name.startswith("history/"):
                record = record_from_json(value)
                self.records[record.key] = record
            elif name.startswith("failure/"):
                record = record_from_json(value["record"])
                self.failures[record.key] = Failure(
                    count=value["count"], record=record, last_failure=value["last_failure"]
                )

    def _count(self, record: Record, instant: Instant) -> None:
        known = self.failures.get(record.key)
        failure = Failure(count=1 + (known.count if known else 0), record=record, last_failure=instant.wall)
        self.failures[record.key] = failure
        self._journal[_entry("failure", record.key)] = {
            "count": failure.count,
            "record": record_to_json(record),
            "last_failure": failure.last_failure,
        }


def record_of(operation: Operation, outcome: Outcome, instant: Instant) -> Record:
    """The record of a result that came now."""
    order = operation.order
    return Record(
        resource=order.resource,
        operation=order.verb.value,
        interval_ms=order.interval_ms,
        agent=order.agent,
        action_id=order.id,
        call_id=operation.call_id,
        rc=outcome.rc,
        target_rc=order.target_rc,
        status=outcome.status,
        reason=outcome.reason,
        output=outcome.output,
        last_run=operation.started.wall,
        last_change=instant.wall,
        exec_ms=max(0, round((instant.at - operation.started.at) * 1000)),
        queue_ms=max(0, round((operation.started.at - operation.ready.at) * 1000)),
        digest=order.digest,
        restart_digest=order.restart_digest,
    )


def counts_as_failure(operation: Operation, outcome: Outcome) -> bool:
    order = operation.order
    if order.probe or order.verb is Verb.NOTIFY or outcome.status is OpStatus.CANCELLED:
        return False
    return not outcome.success(order)


def record_to_json(record: Record) -> dict[str, Any]:
    return asdict(record) | {"status": record.status.value}


def record_from_json(data: Mapping[str, Any]) -> Record:
    return Record(**{**data, "status": OpStatus(data["status"])})


def shortened(record: Record, output_max: int) -> Record:
    """With no more than this of the output, the end of it."""
    if len(record.output) <= output_max:
        return record
    return replace(record, output=record.output[-output_max:] if output_max else "")


def _entry(kind: str, key: Key) -> str:
    return f"{kind}/{key[0]}/{key[1]}/{key[2]}"

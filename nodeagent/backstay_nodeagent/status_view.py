"""The brain's books as HANodePlan.status, in the API's own words and within its size.

Built by hand instead of with the API's models, since it is built at every change; the tests hold it against the models. Outputs are
what can grow: the newest keep theirs, older ones lose it when there is no room.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from backstay.ocf.exitcode import ExitCode, OpStatus
from backstay_nodeagent.brain import Brain
from backstay_nodeagent.history import Failure, Record, shortened
from backstay_nodeagent.ledger import Result
from backstay_nodeagent.operation import Operation, Origin
from backstay_nodeagent.orders import Verb

OUTPUTS_MAX = 128 * 1024
"""Bytes of output in all records together."""
FAILURE_OUTPUT_MAX = 640
REASON_MAX = 1024

Section = Any


def status_of(brain: Brain, *, incarnation: str, agent_version: str) -> dict[str, Section]:
    """The whole status but for `capabilities`, section by section."""
    orders = brain.book.orders
    records = list(brain.history.records.values())
    absent = _absent(records) if orders is not None and orders.takes_absences else []
    known = {record.resource for record in absent}
    return {
        "observedGeneration": brain.book.generation,
        "observedEpoch": brain.epochs.get(orders.cluster, 0) if orders else 0,
        "requiredEpoch": brain.obedience.required.get(orders.cluster, 0) if orders else 0,
        "bootId": brain.boot_id,
        "incarnation": incarnation,
        "agentVersion": agent_version,
        "released": brain.released,
        "recordingTrouble": brain.recording.trouble[:REASON_MAX],
        "pending": [_pending(one) for one in brain.dispatch.running if one.origin is not Origin.RECURRING],
        "results": [_result(one) for one in brain.book.results(brain.ledger)],
        "history": _history(one for one in records if one.resource not in known),
        "absences": _absences(absent),
        "failures": [_failure(brain.history.failures[key]) for key in sorted(brain.history.failures)],
        "metadata": [
            {"agent": one.agent, "rc": one.rc, "digest": one.digest, "xmlGz": one.xml_gz}
            for one in brain.documents
        ],
    }


def timestamp(wall: float) -> str:
    """RFC 3339 with microseconds."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _pending(operation: Operation) -> dict[str, Any]:
    order = operation.order
    target = {"target": order.target} if order.target else {}
    return {
        "actionId": order.id,
        "resource": order.resource,
        "verb": order.verb.value,
        "intervalMs": order.interval_ms,
        **target,
        "started": timestamp(operation.started.wall),
    }


def _result(result: Result) -> dict[str, Any]:
    wire: dict[str, Any] = {"id": result.id, "state": result.state.value, "message": result.message}
    if result.rc is not None:
        wire["rc"] = result.rc
    if result.exec_ms is not None:
        wire["execMs"] = result.exec_ms
    return wire


def _history(records: Iterable[Record]) -> list[dict[str, Any]]:
    """By resource, operation and interval; outputs of the newest first until the room is used up."""
    room = OUTPUTS_MAX
    kept: list[Record] = []
    for record in sorted(records, key=lambda one: -one.call_id):
        fitting = record if len(record.output.encode()) <= room else shortened(record, 0)
        room -= len(fitting.output.encode())
        kept.append(fitting)
    return [_record(record) for record in sorted(kept, key=lambda one: one.key)]


def _absent(records: Sequence[Record]) -> list[Record]:
    """What says no more than that a probe found nothing, of resources of which nothing else is said."""
    often = Counter(record.resource for record in records)
    return [
        record
        for record in records
        if record.rc == ExitCode.NOT_RUNNING
        and record.operation == Verb.MONITOR.value
        and record.interval_ms == 0
        and record.status is OpStatus.DONE
        and often[record.resource] == 1
    ]


def _absences(records: Iterable[Record]) -> list[dict[str, Any]]:
    """By agent."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in records:
        found[record.agent].append(record.resource)
    return [{"agent": agent, "resources": sorted(found[agent])} for agent in sorted(found)]


def _record(record: Record) -> dict[str, Any]:
    return {
        "resource": record.resource,
        "operation": record.operation,
        "intervalMs": record.interval_ms,
        "agent": record.agent,
        "actionId": record.action_id,
        "callId": record.call_id,
        "rc": record.rc,
        "targetRc": record.target_rc,
        "status": record.status.value,
        "reason": record.reason[:REASON_MAX],
        "output": record.output,
        "lastRun": timestamp(record.last_run),
        "lastChange": timestamp(record.last_change),
        "execMs": record.exec_ms,
        "queueMs": record.queue_ms,
        "digest": record.digest,
        "restartDigest": record.restart_digest,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    record = shortened(failure.record, FAILURE_OUTPUT_MAX)
    return {
        "resource": record.resource,
        "operation": record.operation,
        "intervalMs": record.interval_ms,
        "count": failure.count,
        "lastFailure": timestamp(failure.last_failure),
        "rc": record.rc,
        "status": record.status.value,
        "reason": record.reason[:REASON_MAX],
        "output": record.output,
        "execMs": record.exec_ms,
        "callId": record.call_id,
    }

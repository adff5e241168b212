"""Plan statuses as operation histories and fail counts.

A status that describes another boot than the one judged is ignored: what ran before a power cut runs no more. On a node whose lease
ran out, what `requires: quorum|nothing` counts as stopped, because its agent stopped it before (design note 0001).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from backstay.api import HANodePlan, OperationRecord
from backstay.api.quantities import timestamp_seconds
from backstay.state.choices import WITHOUT_FENCING, OpStatus, Requires
from backstay.state.history import Absence, FailCount, KnownAbsence, OpRecord, ResourceHistory, says_absent
from backstay.state.kept import Kept
from backstay.state.resource import Agent
from backstay.state.score import INFINITY

if TYPE_CHECKING:
    from backstay.state.assemble import NodeJudgement

_STATUS = {
    "Done": OpStatus.DONE,
    "Error": OpStatus.ERROR,
    "Timeout": OpStatus.TIMEOUT,
    "NotInstalled": OpStatus.NOT_INSTALLED,
    "NotSupported": OpStatus.NOT_SUPPORTED,
    "Cancelled": OpStatus.CANCELLED,
    "Unknown": OpStatus.ERROR,
}


class Shelf:
    """Histories, made again only of plans that say something else than before."""

    def __init__(self) -> None:
        self._by_node: dict[str, Kept[tuple[ResourceHistory, ...]]] = {}
        self._free: Kept[frozenset[str]] = Kept()
        self._all: Kept[tuple[ResourceHistory, ...]] = Kept()

    def histories_of(
        self,
        plans: Mapping[str, HANodePlan],
        *,
        judgements: Mapping[str, NodeJudgement],
        requires: Mapping[str, Requires],
    ) -> tuple[ResourceHistory, ...]:
        """One history per node and resource, sorted."""
        free = self._free.of((requires,), lambda: _let_go(requires))
        found = []
        for node in sorted(plans):
            verdict = judgements.get(node)
            if verdict is None or not verdict.history_counts:
                continue
            status, let_go = plans[node].status, free if verdict.released else _NOTHING
            kept = self._by_node.setdefault(node, Kept())
            made = kept.of(
                (let_go, *status.history, None, *status.pending, None, *status.absences),
                partial(_of_node, node, plans[node], let_go),
            )
            found.append(made)
        for gone in self._by_node.keys() - plans.keys():
            del self._by_node[gone]
        return self._all.of(tuple(found), lambda: tuple(one for made in found for one in made))


def _of_node(node: str, plan: HANodePlan, let_go: frozenset[str]) -> tuple[ResourceHistory, ...]:
    by_resource: dict[str, list[OpRecord]] = defaultdict(list)
    agents: dict[str, str] = {}
    for resource in sorted(let_go):
        by_resource[resource].append(_KNOWN_STOPPED)
    for record in plan.status.history:
        if record.resource in let_go:
            continue
        by_resource[record.resource].append(_record(record, node))
        agents[record.resource] = record.agent or agents.get(record.resource, "")
    for pending in plan.status.pending:
        if pending.resource in let_go:
            continue
        if pending.resource and pending.verb in _RECORDED:
            by_resource[pending.resource].append(
                OpRecord(
                    operation=pending.verb,
                    interval_ms=pending.interval_ms,
                    status=OpStatus.PENDING,
                    last_run=timestamp_seconds(pending.started),
                    call_id=_NEWEST,
                )
            )
    found = [
        ResourceHistory(
            resource=resource,
            node=node,
            agent=_agent(agents.get(resource, "")),
            operations=_as_operations(by_resource[resource]),
        )
        for resource in by_resource
    ]
    for absences in plan.status.absences:
        agent = _agent(absences.agent)
        found += [
            ResourceHistory(resource=name, node=node, agent=agent, operations=_FOUND_NOTHING)
            for name in absences.resources
            if name not in by_resource
        ]
    return tuple(sorted(found, key=lambda one: one.resource))


def _agent(text: str) -> Agent | None:
    """None for what is no agent: the node may have written anything, and its history counts all the same."""
    try:
        return Agent.parse(text)
    except ValueError:
        return None


def _as_operations(records: list[OpRecord]) -> tuple[OpRecord, ...] | Absence:
    """Marked, if that is all, as a probe that found nothing: of most resources most nodes say just this."""
    alone = len(records) == 1 and says_absent(records[0])
    return KnownAbsence(records[0]) if alone else tuple(records)


_NOTHING: frozenset[str] = frozenset()


def _let_go(requires: Mapping[str, Requires]) -> frozenset[str]:
    """What a cut-off agent has stopped by the time its lease runs out."""
    return frozenset(resource for resource, needs in requires.items() if needs in WITHOUT_FENCING)


_KNOWN_STOPPED = OpRecord(operation="monitor", rc=7, target_rc=7, call_id=0)
"""Stands for the protocol's promise; a probe's answer, because "not known" would make a start elsewhere wait for the fencing."""


_FOUND_NOTHING = KnownAbsence(_KNOWN_STOPPED)
"""What a probe found that `absences` tells of, but for when it was and how long it took, which nobody asks."""
_RECORDED = ("start", "stop", "monitor", "promote", "demote", "migrate_to", "migrate_from")
_NEWEST = 2**31


def _record(record: OperationRecord, node: str) -> OpRecord:
    return OpRecord(
        operation=record.operation,
        interval_ms=record.interval_ms,
        call_id=record.call_id,
        rc=record.rc,
        status=_STATUS[record.status],
        target_rc=record.target_rc,
        last_run=timestamp_seconds(record.last_run) if record.last_run else None,
        last_rc_change=timestamp_seconds(record.last_change) if record.last_change else None,
        exec_ms=record.exec_ms,
        queue_ms=record.queue_ms,
        exit_reason=record.reason,
        digest=record.digest or None,
        restart_digest=record.restart_digest or None,
        transition_key=record.action_id,
        id=f"{record.resource}_{record.operation}_{record.interval_ms}@{node}",
        key=f"{record.resource}_{record.operation}_{record.interval_ms}",
    )


def fail_counts_of(
    plans: Mapping[str, HANodePlan], *, judgements: Mapping[str, NodeJudgement], fatal_start: bool
) -> tuple[FailCount, ...]:
    """Fail counts as Pacemaker keeps them: a failed start (where startFailureIsFatal) or stop counts INFINITY."""
    counts: list[FailCount] = []
    for node in sorted(plans):
        verdict = judgements.get(node)
        if verdict is None or not verdict.history_counts:
            continue
        for failure in plans[node].status.failures:
            fatal = failure.operation == "stop" or (failure.operation == "start" and fatal_start)
            counts.append(
                FailCount(
                    resource=failure.resource,
                    node=node,
                    operation=failure.operation,
                    interval_ms=failure.interval_ms,
                    count=INFINITY if fatal else failure.count,
                    last_failure=timestamp_seconds(failure.last_failure),
                )
            )
    return tuple(counts)

"""When time alone changes what a situation means: a failure expires, a shutdown lock ends."""

from collections.abc import Iterator

from backstay.scheduler.failures import FailureLedger
from backstay.scheduler.locks import lock_ends
from backstay.scheduler.situation import Situation
from backstay.scheduler.verdicts import has_succeeded
from backstay.state.cluster import ClusterState
from backstay.state.resource import Bundle, Clone, Group, Resource


def next_check(situation: Situation, ledger: FailureLedger) -> float | None:
    """When the next failure expires, or the next shutdown lock (epoch seconds); None: never."""
    return min((one for one in _ends(situation, ledger) if one > situation.state.now), default=None)


def stands_until(situation: Situation, ledger: FailureLedger) -> float:
    """Until when (epoch seconds) the same state is observed alike; infinite if time does not matter. What depends on rules, which
    may ask for the date, stands for no time at all."""
    state = situation.state
    if _has_rules(state):
        return state.now
    ends = [one for one in (*_ends(situation, ledger), *_failures(situation)) if one > state.now]
    return min(ends, default=float("inf"))


def _ends(situation: Situation, ledger: FailureLedger) -> Iterator[float]:
    for leaf in situation.leaves():
        end = lock_ends(situation, leaf)
        if end is not None:
            yield end
    for name, node in ledger.places():
        for resource in situation.instances_of.get(name, [])[:1]:
            last = ledger.tally(resource, node).last_failure
            if last is not None and resource.meta.failure_timeout_ms > 0:
                yield last + resource.meta.failure_timeout_ms / 1000


def _failures(situation: Situation) -> Iterator[float]:
    """When records of failures expire, counted or not."""
    for leaf in situation.leaves():
        timeout_ms = leaf.meta.failure_timeout_ms
        if timeout_ms <= 0:
            continue
        for activity in leaf.noted:
            for record in activity.records:
                if record.last_rc_change is not None and not has_succeeded(record):
                    yield record.last_rc_change + timeout_ms / 1000


def _has_rules(state: ClusterState) -> bool:
    return bool(state.resource_default_sets or state.operation_default_sets) or any(
        _is_ruled(one) for one in state.resources
    )


def _is_ruled(resource: Resource) -> bool:
    match resource:
        case Group():
            return bool(resource.meta_sets) or any(_is_ruled(one) for one in resource.members)
        case Clone():
            return bool(resource.meta_sets) or _is_ruled(resource.child)
        case Bundle():
            return resource.child is not None and _is_ruled(resource.child)
        case _:
            return bool(resource.meta_sets or resource.param_sets)

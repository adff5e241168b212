"""The configured operations of a resource: finding one, and its values after defaults."""

from dataclasses import replace

from backstay.scheduler.situation import Resource
from backstay.state.choices import OnFail, Role
from backstay.state.cluster import ClusterState
from backstay.state.resource import Operation
from backstay.state.rule_match import Facts, matches


def configured(resource: Resource, name: str, interval_ms: int) -> Operation | None:
    """The operation of that name and interval, if configured (perhaps disabled)."""
    for operation in resource.operations:
        if operation.name == name and operation.interval_ms == interval_ms:
            return operation
    return None


def effective(state: ClusterState, resource: Resource, name: str, interval_ms: int) -> Operation:
    """The operation with the cluster's defaults filled in; configured or not. A probe borrows the timeout
    of the most frequent monitor."""
    own = configured(resource, name, interval_ms)
    if own is None and name == "monitor" and interval_ms == 0:
        monitors = [one for one in resource.operations if one.name == "monitor" and one.enabled is not False]
        shortest = min(monitors, key=lambda one: one.interval_ms, default=None)
        if shortest is not None:
            own = Operation(name=name, timeout_ms=shortest.timeout_ms)
    return _with_defaults(state, resource, own or Operation(name=name, interval_ms=interval_ms))


_NOTHING = Operation(name="")  # what the defaults are if none are set


def _with_defaults(state: ClusterState, resource: Resource, own: Operation) -> Operation:
    defaults = state.operation_defaults
    if state.operation_default_sets:
        facts = Facts(now=state.now, agent=resource.agent, operation=(own.name, own.interval_ms))
        for one in sorted(state.operation_default_sets, key=lambda candidate: candidate.score):
            if matches(one.rule, facts):
                defaults = _over(one.defaults, defaults)
    return _over(own, defaults)


def _over(own: Operation, base: Operation) -> Operation:
    if base is _NOTHING or base == _NOTHING:
        return own
    return replace(
        own,
        timeout_ms=base.timeout_ms if own.timeout_ms is None else own.timeout_ms,
        on_fail=base.on_fail if own.on_fail is None else own.on_fail,
        enabled=base.enabled if own.enabled is None else own.enabled,
        record_pending=base.record_pending if own.record_pending is None else own.record_pending,
        extra={**base.extra, **own.extra},
    )


def on_fail_of(state: ClusterState, resource: Resource, name: str, interval_ms: int) -> OnFail:
    """What a failure of this operation calls for. Values that make no sense here become the default."""
    fencing = state.properties.fencing_enabled
    operation = effective(state, resource, name, interval_ms)
    wanted = operation.on_fail
    if resource.container is not None:
        return wanted or OnFail.RESTART_CONTAINER
    if name == "stop":
        default = OnFail.FENCE if fencing else OnFail.BLOCK
        if wanted in (OnFail.DEMOTE, OnFail.RESTART, OnFail.STANDBY, OnFail.STOP):
            wanted = None if wanted is not OnFail.STANDBY else wanted
    else:
        default = OnFail.RESTART
    if wanted is OnFail.DEMOTE and not (
        name == "promote" or (name == "monitor" and interval_ms > 0 and operation.role is Role.PROMOTED)
    ):
        wanted = None
    if wanted is OnFail.FENCE and not fencing:
        return OnFail.STOP
    return default if wanted is None else wanted


_SEVERITY = (
    OnFail.IGNORE,
    OnFail.DEMOTE,
    OnFail.RESTART,
    OnFail.RESTART_CONTAINER,
    OnFail.BLOCK,
    OnFail.STOP,
    OnFail.STANDBY,
    OnFail.FENCE,
)


def worse(left: OnFail | None, right: OnFail) -> OnFail:
    """The graver of two reactions."""
    if left is None:
        return right
    return left if _SEVERITY.index(left) >= _SEVERITY.index(right) else right

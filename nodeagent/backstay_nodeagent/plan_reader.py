"""From the object in the API to orders. The only place here where the API's models are used.

A field that this agent does not know yet is ignored, as Kubernetes' rules for versions have it: during an upgrade the DC may be
newer. Anything else that is wrong makes the whole plan unreadable; nothing of it is run.
"""

from __future__ import annotations

from typing import Any

from backstay.api.plan import HANodePlan, HANodePlanSpec, PlanAction
from backstay.state.choices import Requires
from backstay_nodeagent.orders import Order, Orders, SecretRef, Timings, Verb, VouchOrders, WatchdogOrders


def orders_of(plan: dict[str, Any]) -> Orders:
    """Raises ValueError (pydantic's names each field) for a plan that can't be read."""
    parsed = HANodePlan.model_validate(plan, extra="ignore")
    spec = parsed.spec
    beat = spec.heartbeat
    actions = tuple(order_of(action) for action in spec.actions)
    if len({order.id for order in actions}) != len(actions):
        raise ValueError("an id occurs twice in the plan")
    return Orders(
        uid=parsed.metadata.uid,
        generation=parsed.metadata.generation,
        cluster=spec.cluster,
        epoch=spec.epoch,
        term=spec.term,
        boot_id=spec.boot_id,
        timings=Timings(
            renew_interval_s=beat.renew_interval_milliseconds / 1000,
            lease_duration_s=beat.lease_duration_milliseconds / 1000,
            stop_margin_s=beat.stop_margin_milliseconds / 1000,
        ),
        beat=spec.beat,
        vouching=_vouching(spec),
        watchdog=_watchdog(spec),
        dismissed=spec.dismissed,
        takes_absences=spec.takes_absences,
        actions=actions,
    )


def _vouching(spec: HANodePlanSpec) -> VouchOrders | None:
    if spec.vouching is None:
        return None
    return VouchOrders(
        cluster=spec.cluster,
        peers=tuple((peer.name, peer.address, peer.key) for peer in spec.vouching.peers),
        port=spec.vouching.port,
    )


def _watchdog(spec: HANodePlanSpec) -> WatchdogOrders | None:
    if spec.watchdog is None:
        return None
    return WatchdogOrders(
        device=spec.watchdog.device,
        deadline_s=spec.watchdog.deadline_milliseconds / 1000,
        timeout_s=float(spec.watchdog.timeout_seconds),
    )


def order_of(action: PlanAction) -> Order:
    """One action."""
    return Order(
        id=action.id,
        verb=Verb(action.verb),
        resource=action.resource,
        group=action.group,
        agent=action.agent,
        interval_ms=action.interval_ms,
        timeout_ms=action.timeout_ms,
        start_delay_ms=action.start_delay_ms,
        params=dict(action.params),
        params_from={
            name: SecretRef(
                namespace=source.secret_key_ref.namespace or action.namespace,
                name=source.secret_key_ref.name,
                key=source.secret_key_ref.key,
            )
            for name, source in action.params_from.items()
        },
        meta=dict(action.meta),
        after=tuple(action.after),
        target_rc=action.target_rc,
        requires=Requires(action.requires),
        stop_timeout_ms=action.stop_timeout_ms,
        digest=action.digest,
        restart_digest=action.restart_digest,
        cleanup_operation=action.cleanup_operation,
        cleanup_interval_ms=action.cleanup_interval_ms,
        target=action.target,
        fence_action=action.fence_action,
        host_check=action.host_check,
        attempts=action.attempts,
    )

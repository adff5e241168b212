"""Has a running resource's definition changed since it was started?

The digest recorded with an operation is compared with that of today's parameters. A change that the agent can take
in while running needs a reload; any other needs a restart. A recurring monitor whose own settings changed (its
timeout is among them) is only scheduled anew.

Parameters shown as asterisks were blanked out before the state was handed over; then the digest that leaves secrets
out decides, if there is one.
"""

from enum import Enum, auto

from backstay.scheduler.operations import effective
from backstay.scheduler.params import params_for
from backstay.scheduler.situation import NodeView, Resource, Situation
from backstay.state.digest import params_digest, restart_digest, secure_digest
from backstay.state.history import OpRecord


class Change(Enum):
    NONE = auto()
    RELOAD = auto()
    RESTART = auto()


def definition_change(situation: Situation, resource: Resource, node: NodeView) -> Change:
    """What the difference between then and now calls for: the worst that any record since the start says."""
    activity = resource.activities.get(node.name)
    if activity is None or resource.orphan:
        return Change.NONE
    if activity.obsolete:
        return Change.RESTART
    worst = Change.NONE
    for record in reversed(activity.records):
        starts = record.operation in ("start", "promote", "migrate_from")
        found_active = record.operation == "monitor" and record.rc in (0, 8)
        if record.digest is None or record.failure_record or not (starts or found_active):
            continue
        change = _compare(situation, resource, node, record)
        if record.interval_ms and record.restart_digest is None:
            change = Change.NONE  # concerns the monitor only
        worst = max(worst, change, key=lambda one: one.value)
        if starts:
            break
    return worst


def monitor_changed(situation: Situation, resource: Resource, node: NodeView, record: OpRecord) -> bool:
    """Whether a recurring operation was started with other settings than today's."""
    if record.digest is None:
        return False
    return _compare(situation, resource, node, record) is not Change.NONE


def failed_with_other_params(situation: Situation, resource: Resource, node: NodeView) -> bool:
    """Whether a start or monitor on record as failed was run with other parameters than today's."""
    activity = resource.activities.get(node.name)
    if activity is None or activity.expired or activity.obsolete or resource.orphan:
        return False
    return any(
        record.failure_record
        and record.digest is not None
        and record.operation in ("start", "monitor")
        and _compare(situation, resource, node, record) is not Change.NONE
        for record in activity.records
    )


def _compare(situation: Situation, resource: Resource, node: NodeView, record: OpRecord) -> Change:
    params = dict(params_for(situation, resource, node))
    blanked = any(value and not value.strip("*") for value in params.values())
    if blanked and record.secure_digest is not None and record.secure_params is not None:
        return _compare_blanked(params, record, fencing=resource.is_fencing)
    if record.digest == params_digest(params | _own(situation, resource, record)):
        return Change.NONE
    if record.restart_digest is None or record.restart_params is None:
        return Change.RESTART
    if record.restart_digest != restart_digest(params, restart_params=record.restart_params):
        return Change.RESTART
    return Change.RELOAD


def _compare_blanked(params: dict[str, str], record: OpRecord, *, fencing: bool) -> Change:
    if fencing:  # these are for the cluster, not for the agent
        params = {name: value for name, value in params.items() if not name.startswith("pcmk_")}
    assert record.secure_params is not None
    same = record.secure_digest == secure_digest(params, private_params=record.secure_params)
    return Change.NONE if same else Change.RESTART


def _own(situation: Situation, resource: Resource, record: OpRecord) -> dict[str, str]:
    """What a recurring operation's digest has besides the resource's parameters."""
    if not record.interval_ms:
        return {}
    operation = effective(situation.state, resource, record.operation, record.interval_ms)
    timeout_ms = operation.timeout_ms or situation.properties.default_action_timeout_ms
    return {**operation.params, "CRM_meta_timeout": str(timeout_ms)}

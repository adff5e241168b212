"""Has a running resource's definition changed since it was started?

The digest that was recorded with the start (or the last recurring monitor) is compared with that of today's
parameters. A change that the agent can take in while running needs a reload; any other needs a restart.
"""

from enum import Enum, auto

from backstay.scheduler.params import params_for
from backstay.scheduler.situation import NodeView, Resource, Situation
from backstay.state.digest import params_digest, restart_digest
from backstay.state.history import OpRecord


class Change(Enum):
    NONE = auto()
    RELOAD = auto()
    RESTART = auto()


def definition_change(situation: Situation, resource: Resource, node: NodeView) -> Change:
    """What the difference between then and now calls for."""
    activity = resource.activities.get(node.name)
    if activity is None or resource.orphan:
        return Change.NONE
    for record in reversed(activity.records):
        if record.operation in ("start", "promote", "migrate_from") and record.digest is not None:
            return _compare(situation, resource, node, record)
    return Change.NONE


def _compare(situation: Situation, resource: Resource, node: NodeView, record: OpRecord) -> Change:
    params = params_for(situation, resource, node)
    if record.digest == params_digest(params):
        return Change.NONE
    if record.secure_params is not None and record.digest == record.secure_digest:
        return Change.NONE
    if record.restart_digest is None or record.restart_params is None:
        return Change.RESTART
    if record.restart_digest != restart_digest(params, restart_params=record.restart_params):
        return Change.RESTART
    return Change.RELOAD

"""Read one node's history of one resource: is it active there, in which role, and did it fail?

Records are taken in the order they were run (by call id). A success of start, stop, promote or demote wipes
earlier failures away; so does a success of the very operation that failed; but not if the failure stops the resource for
good, puts its node in standby or cuts it off. Failures older than the failure
timeout no longer count, unless they were to block: an administrator has to look at those.
"""

from backstay.scheduler.failures import FailureLedger
from backstay.scheduler.operations import configured, on_fail_of, worse
from backstay.scheduler.situation import Activity, NodeView, Resource
from backstay.state.choices import OnFail, OpStatus, Role
from backstay.state.cluster import ClusterState
from backstay.state.history import Absence, OpRecord, ResourceHistory, says_absent

OCF_OK, OCF_NOT_RUNNING, OCF_PROMOTED, OCF_FAILED_PROMOTED = 0, 7, 8, 9
OCF_DEGRADED, OCF_DEGRADED_PROMOTED = 190, 191
_HARD = (2, 3, 4, 5)
_FATAL = 6
_FOUND_PROMOTED = (OCF_PROMOTED, OCF_FAILED_PROMOTED, OCF_DEGRADED_PROMOTED)
_ABSENT = (2, 5)  # of a probe: what can not be asked, for want of what it needs, does not run
_NO_EFFECT = ("notify", "delete", "cancel", "meta-data", "reload", "reload-agent", "validate-all")


def activity_of(
    state: ClusterState,
    *,
    resource: Resource,
    node: NodeView,
    history: ResourceHistory,
    ledger: FailureLedger,
) -> Activity:
    """Judge a history."""
    if is_plain_absence(resource, history):
        return absence(node, history)
    records = tuple(sorted(history.operations, key=_run_order))
    activity = Activity(node=node, history=history, records=records)
    agent = history.agent
    if any(_blocks(resource, record) for record in records):
        ledger.mark_blocked(resource, node.name)
    activity.obsolete = agent is not None and not resource.orphan and agent != resource.agent
    for record in records:
        if record.operation in _NO_EFFECT:
            continue
        _Reader(state, resource, ledger).step(activity, record)
    return activity


def absence(node: NodeView, history: ResourceHistory) -> Activity:
    """What a plain absence says, written out."""
    return Activity(node=node, history=history, known=True, plain=True, records=tuple(history.operations))


def is_plain_absence(resource: Resource, history: ResourceHistory) -> bool:
    """Whether all that a node has to say is that it was asked once and does not have it: of most resources most nodes
    say just this, so it must cost next to nothing."""
    operations = history.operations
    if not isinstance(operations, Absence) and not (len(operations) == 1 and says_absent(operations[0])):
        return False
    if history.shutdown_lock_at is not None or resource.orphan or resource.primitive is None:
        return False
    agent, expected = history.agent, resource.primitive.agent
    return agent is expected or agent is None or agent == expected


def _blocks(resource: Resource, record: OpRecord) -> bool:
    """Whether this is a failure that is configured to block: it stays one even if something newer hides it."""
    if record.status in (OpStatus.PENDING, OpStatus.CANCELLED) or has_succeeded(record):
        return False
    operation = configured(resource, record.operation, record.interval_ms)
    return operation is not None and operation.on_fail is OnFail.BLOCK


def _run_order(record: OpRecord) -> tuple[int, int, float, bool]:
    """Pending operations have no call id yet: they are the latest."""
    if record.call_id < 0:
        return (1, 0, record.last_rc_change or 0.0, record.failure_record)
    return (0, record.call_id, record.last_rc_change or 0.0, record.failure_record)


def is_probe(record: OpRecord) -> bool:
    return record.operation == "monitor" and record.interval_ms == 0


def has_succeeded(record: OpRecord) -> bool:
    """Whether an operation that ended did so as expected."""
    rc, target = record.rc, record.target_rc
    if record.operation == "monitor":  # it runs, but not as it should: worth a warning, and no failure
        rc = {OCF_DEGRADED: OCF_OK, OCF_DEGRADED_PROMOTED: OCF_PROMOTED}.get(rc, rc)
    if record.status not in (
        OpStatus.DONE,
        OpStatus.ERROR,
        OpStatus.NOT_INSTALLED,
        OpStatus.NOT_SUPPORTED,
    ):
        return False
    if is_probe(record):
        return rc in (OCF_OK, OCF_NOT_RUNNING, OCF_PROMOTED)
    if record.operation == "monitor":
        if target is None:
            return rc in (OCF_OK, OCF_PROMOTED)
        return rc == target
    return rc == OCF_OK or (target is not None and rc == target)


class _Reader:
    def __init__(self, state: ClusterState, resource: Resource, ledger: FailureLedger) -> None:
        self.state = state
        self.resource = resource
        self.ledger = ledger

    def step(self, activity: Activity, record: OpRecord) -> None:
        """Let one record change what is thought of the resource on this node."""
        self._remember_migration(activity, record)
        if record.status is OpStatus.PENDING:
            self._pending(activity, record)
        elif record.status in (OpStatus.CANCELLED, OpStatus.UNKNOWN):
            return
        elif has_succeeded(record):
            self._success(activity, record)
        else:
            self._failure(activity, record)

    def _remember_migration(self, activity: Activity, record: OpRecord) -> None:
        """For `settle_handovers`, which reads the nodes' histories together."""
        if record.failure_record or record.status in (OpStatus.CANCELLED, OpStatus.UNKNOWN):
            return
        match record.operation:
            case "migrate_to":
                activity.left, activity.stopped_since, activity.stopping_since = record, False, False
            case "migrate_from" if record.status is not OpStatus.PENDING:
                activity.left, activity.arrived = None, record
            case "start":
                activity.left = activity.arrived = None
            case "stop":
                activity.stopped_since = has_succeeded(record)
                activity.stopping_since = record.status is OpStatus.PENDING
            case _:
                return

    # -- pending

    def _pending(self, activity: Activity, record: OpRecord) -> None:
        """What is under way tells nothing of how it will end, so that earlier results keep counting.
        Only what is being started or promoted is taken to be there already: another copy must not
        be. The first is the one that is told of."""
        if is_probe(record):
            return  # says nothing until it is done
        activity.pending = activity.pending or record.operation
        match record.operation:
            case "start":
                activity.starting = activity.known = True
                activity.role = self._started_role()
            case "promote":
                activity.known = True
                activity.role = Role.PROMOTED
            case _:
                return

    # -- success

    def _success(self, activity: Activity, record: OpRecord) -> None:
        activity.known = True
        rc = record.rc
        match record.operation:
            case "monitor":
                self._monitored(activity, record, rc)
                failed = activity.failed_record
                same = failed is not None and (failed.operation, failed.interval_ms) == (
                    record.operation,
                    record.interval_ms,
                )
                if not same:
                    return
            case "start":  # one that was expected to find nothing running, and did, started nothing
                activity.role = Role.STOPPED if rc == OCF_NOT_RUNNING else self._started_role()
            case "promote":
                activity.role = Role.PROMOTED
            case "demote":
                activity.role = Role.UNPROMOTED
            case "stop":
                activity.role = Role.STOPPED
            case "migrate_from":
                activity.role = Role.STARTED
            case "migrate_to":
                activity.role = Role.STOPPED
            case _:
                return
        _forget_failure(activity)

    def _started_role(self) -> Role:
        clone = self.resource.clone
        return Role.UNPROMOTED if clone is not None and clone.meta.raw.promotable else Role.STARTED

    def _monitored(self, activity: Activity, record: OpRecord, rc: int) -> None:
        if rc in (OCF_PROMOTED, OCF_DEGRADED_PROMOTED):
            activity.role = Role.PROMOTED
        elif rc == OCF_NOT_RUNNING:
            activity.role = Role.STOPPED
        elif not activity.active:
            activity.role = self._started_role()
        elif activity.role is Role.PROMOTED and record.target_rc != OCF_PROMOTED and is_probe(record):
            activity.role = Role.UNPROMOTED

    # -- failure

    def _failure(self, activity: Activity, record: OpRecord) -> None:
        on_fail = on_fail_of(self.state, self.resource, record.operation, record.interval_ms)
        if record.status is OpStatus.NOT_INSTALLED and on_fail is OnFail.IGNORE:
            on_fail = OnFail.RESTART  # there is nothing to ignore: no agent, no service
        if self._expired(activity, record):
            activity.expired = True
            self._expired_effect(activity, record)
            return
        activity.known = True
        if on_fail is OnFail.IGNORE:
            activity.failure_ignored = True
            self._role_as_if_done(activity, record)
            return
        unsupported = record.rc == 3 and record.interval_ms > 0
        if record.rc in _HARD and not unsupported:
            activity.hard_error = record
            if record.rc == 5 and is_probe(record):  # asked in the first place; a later answer is a failure
                activity.not_installed = True
        elif record.rc == _FATAL:
            activity.fatal_error = record
        if self._is_simply_gone(record) or (is_probe(record) and record.rc in _ABSENT):
            activity.role = Role.STOPPED
            return
        activity.failed = True
        activity.failed_record = record
        activity.on_fail = worse(activity.on_fail, on_fail)
        activity.stop_failed = activity.stop_failed or record.operation == "stop"
        if on_fail is OnFail.RESTART_CONTAINER and activity.stop_failed:
            activity.failure_ignored = True  # it goes down with its container
        self._role_after_failure(activity, record)

    def _is_simply_gone(self, record: OpRecord) -> bool:
        """What nobody manages and is not found any more was stopped by somebody else, which is no failure."""
        meta = self.resource.meta
        unmanaged = meta.maintenance or not meta.is_managed
        return unmanaged and record.rc == OCF_NOT_RUNNING

    def _expired(self, activity: Activity, record: OpRecord) -> bool:
        timeout_ms = self.resource.meta.failure_timeout_ms
        if timeout_ms <= 0 or record.last_rc_change is None:
            return False
        if self.state.now < record.last_rc_change + timeout_ms / 1000:
            return False
        return self.ledger.is_expired(self.resource, activity.node.name)

    def _expired_effect(self, activity: Activity, record: OpRecord) -> None:
        """What an expired failure still tells: something was tried, so it may be running. But where it was only asked for,
        the question is open again."""
        if is_probe(record):
            return
        activity.known = True
        if record.rc == OCF_NOT_RUNNING and record.operation != "stop":
            activity.role = Role.STOPPED
        elif record.rc in _FOUND_PROMOTED and record.operation != "demote":
            activity.role = Role.PROMOTED
        elif record.operation in ("start", "stop", "promote", "demote") and not activity.active:
            activity.role = self._started_role()

    def _role_as_if_done(self, activity: Activity, record: OpRecord) -> None:
        match record.operation:
            case "stop":
                activity.role = Role.STOPPED
            case "promote":
                activity.role = Role.PROMOTED
            case "demote":
                activity.role = Role.UNPROMOTED
            case _:
                if not activity.active:
                    activity.role = self._started_role()

    def _role_after_failure(self, activity: Activity, record: OpRecord) -> None:
        if (
            record.rc in _FOUND_PROMOTED and record.operation != "demote"
        ):  # whatever was asked, this is what was found
            activity.role = Role.PROMOTED
            return
        match record.operation:
            case "promote":
                activity.role = Role.PROMOTED
            case "demote":
                # One that is to block is left as it was found; any other is cleaned up as if it had gone half way.
                activity.role = Role.PROMOTED if activity.on_fail is OnFail.BLOCK else Role.UNPROMOTED
            case _:
                if not activity.active:
                    activity.role = self._started_role()


_LASTING = (OnFail.STOP, OnFail.STANDBY, OnFail.FENCE)


def _forget_failure(activity: Activity) -> None:
    if activity.on_fail in _LASTING:
        return  # until an administrator cleans up, or the failure expires
    activity.failed = False
    activity.failed_record = None
    activity.on_fail = None
    activity.stop_failed = False

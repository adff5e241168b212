"""From the end of an operation to the result that the DC reads."""

from __future__ import annotations

from backstay.ocf.exitcode import ExitCode, OpStatus, exit_code_text
from backstay_nodeagent.events import KeeperStop
from backstay_nodeagent.ledger import Result, ResultState
from backstay_nodeagent.operation import Instant, Operation, Origin, Outcome
from backstay_nodeagent.orders import Verb
from backstay_nodeagent.resources import ResourceState

MESSAGE_MAX = 512


def message_of(outcome: Outcome) -> str:
    """One line: the agent's own reason, or the meaning of its exit code."""
    if outcome.status is OpStatus.TIMEOUT:
        return (outcome.reason or "timed out")[:MESSAGE_MAX]
    return (outcome.reason or exit_code_text(outcome.rc))[:MESSAGE_MAX]


def result_of(operation: Operation, outcome: Outcome, instant: Instant) -> Result:
    """The result of an order whose operation ran to its end now."""
    order = operation.order
    success = outcome.success(order)
    if order.verb is Verb.NOTIFY:
        # As in Pacemaker, nothing waits in vain for a notification that went wrong.
        success = True
    state = ResultState.DONE if success else ResultState.FAILED
    message = "" if outcome.success(order) else message_of(outcome)
    if order.verb is Verb.FENCE and not success and outcome.output:
        message = f"{message}: {outcome.output.strip()[-MESSAGE_MAX:]}"
    exec_ms = round((instant.at - operation.started.at) * 1000)
    return Result(id=order.id, state=state, rc=outcome.rc, message=message, exec_ms=exec_ms)


def record_of_keeper_stop(
    stop: KeeperStop, state: ResourceState, call_id: int, instant: Instant
) -> tuple[Operation, Outcome]:
    """What the keeper did, as if it had been an operation of our own."""
    orders = state.release_orders()
    order = next((one for one in orders if one.verb.value == stop.verb), orders[-1])
    started = Instant(instant.at - stop.exec_ms / 1000, stop.started_wall)
    operation = Operation(call_id=call_id, order=order, origin=Origin.RELEASE, ready=started, started=started)
    status = OpStatus.DONE if stop.rc == ExitCode.OK else OpStatus.ERROR
    outcome = Outcome(
        rc=ExitCode.ERROR_GENERIC if stop.timed_out else stop.rc,
        status=OpStatus.TIMEOUT if stop.timed_out else status,
        reason="released by the keeper: the node was cut off while its agent was absent",
    )
    return operation, outcome

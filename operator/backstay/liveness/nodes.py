"""From a Lease's pulse and what is known of a node to its state.

| pulse | boot of the lease | plan status | state |
|---|---|---|---|
| any but absent | not proven to be of the machine that may run something | any | unclean |
| fresh, as an echo | fenced | any | offline, clean |
| fresh | fenced before | any | unclean: the fence device lied, or the wrong node was fenced |
| fresh | any | lost: deleted or unreadable | pending, until its agent has reported again |
| fresh | other than the status' | any | pending: its agent has not reported since it booted |
| fresh | the status' | has not answered the DC's latest sync | pending |
| fresh | the status' | answered | online |
| waiting | any | any | as it was before: nobody is declared dead, or alive, on no evidence |
| expired, absent | fenced | any | offline, clean |
| expired, absent | any | stopped on request, nothing active, nothing pending | offline, clean |
| expired, absent | any | nothing ever ran | offline, clean (never seen) |
| expired, absent | any | no boot was given orders since the last was proven to have ended | offline, clean |
| expired | any | something may run | unclean |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from backstay.liveness.leases import Pulse


class NodeCondition(Enum):
    """State of a node as far as its life is concerned."""

    ONLINE = "Online"
    PENDING = "Pending"
    UNCLEAN = "Unclean"
    OFFLINE = "Offline"


LOST = "its HANodePlan was deleted or cannot be read: what it runs is left alone until its agent has reported again"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """Everything that the judgement rests on."""

    pulse: Pulse
    lease_boot: str = ""
    status_boot: str = ""
    fenced_boot: str = ""
    echo: bool = False
    """Of a fenced boot: its last renewal was seen so soon after the fencing that it may be from before."""
    synced: bool = False
    """The agent has answered the plan that the DC wrote when it began to listen to this node."""
    may_run: bool = False
    """Its history holds something active, or pending, or it was ordered to do something."""
    only_free: bool = False
    """All that may run there needs no fencing (`requires: quorum|nothing`), and is stopped once the lease ran out."""
    shutdown: bool = False
    fencing_enabled: bool = True
    before: NodeCondition | None = None
    age_s: float | None = None
    given_up: bool = True
    """Once its lease has run out: others may start what needs no fencing. False while it may live by the promises of peers."""
    unaccounted: bool = False
    """The API's history went back, and it has not said since what it runs."""
    unproven: str = ""
    """Another boot than that of the lease may run something, and nothing proves that it has ended: why."""
    refuses: str = ""
    """Its agent obeys no DC of our epoch: why."""
    idle: bool = False
    """No boot was given orders since the last one was proven to have ended."""
    lost: bool = False
    """Its plan was deleted or cannot be read, and with it what it had reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeVerdict:
    """State, and why."""

    condition: NodeCondition
    reason: str
    released: bool = False
    """Lease ran out: what needs no fencing counts as stopped."""
    frozen: bool = False
    """Silent, perhaps at work, and nothing to fence it with: what it ran is left where it is."""


def judge_node(facts: NodeFacts) -> NodeVerdict:
    """The table above."""
    if facts.unproven:
        return NodeVerdict(
            condition=NodeCondition.UNCLEAN,
            reason=facts.unproven,
            released=facts.given_up,
            frozen=_is_frozen(facts),
        )
    match facts.pulse:
        case Pulse.FRESH:
            return _judge_alive(facts)
        case Pulse.WAITING:
            return _judge_unknown(facts)
        case Pulse.EXPIRED | Pulse.ABSENT:
            return _judge_silent(facts)


def _judge_alive(facts: NodeFacts) -> NodeVerdict:
    if facts.fenced_boot and facts.fenced_boot == facts.lease_boot:
        if facts.echo:
            return NodeVerdict(condition=NodeCondition.OFFLINE, reason="fenced", released=True)
        return NodeVerdict(
            condition=NodeCondition.UNCLEAN,
            reason="it was fenced, and yet the same boot renews its lease: check the fence device",
        )
    if facts.lost:
        return NodeVerdict(condition=NodeCondition.PENDING, reason=LOST)
    if facts.status_boot != facts.lease_boot:
        return NodeVerdict(condition=NodeCondition.PENDING, reason="booted; its agent has not reported yet")
    if not facts.synced:
        return NodeVerdict(
            condition=NodeCondition.PENDING, reason=facts.refuses or "waiting for its agent to answer the DC"
        )
    return NodeVerdict(condition=NodeCondition.ONLINE, reason="its lease is renewed")


def _judge_unknown(facts: NodeFacts) -> NodeVerdict:
    if facts.before is NodeCondition.ONLINE:
        return NodeVerdict(condition=NodeCondition.ONLINE, reason="its lease is being watched")
    if facts.before is NodeCondition.OFFLINE:
        return NodeVerdict(condition=NodeCondition.OFFLINE, reason="no sign of life yet")
    if facts.before is NodeCondition.UNCLEAN:
        return NodeVerdict(
            condition=NodeCondition.UNCLEAN,
            reason="its lease ran out",
            released=facts.given_up,
            frozen=_is_frozen(facts),
        )
    return NodeVerdict(
        condition=NodeCondition.PENDING, reason="its lease is watched for one full period first"
    )


def _judge_silent(facts: NodeFacts) -> NodeVerdict:
    boot = facts.lease_boot or facts.status_boot
    if facts.fenced_boot and facts.fenced_boot == boot:
        return NodeVerdict(condition=NodeCondition.OFFLINE, reason="fenced", released=True)
    if facts.idle and not facts.unaccounted:
        return NodeVerdict(
            condition=NodeCondition.OFFLINE, reason="silent, and nothing was started there", released=True
        )
    if not facts.may_run:
        reason = "stopped cleanly" if facts.shutdown else "silent, and nothing runs there"
        if not boot:
            reason = "its agent was never seen"
        if facts.shutdown or not boot:
            return NodeVerdict(condition=NodeCondition.OFFLINE, reason=reason, released=True)
    if facts.given_up and not facts.fencing_enabled and (facts.only_free or not facts.may_run):
        return NodeVerdict(
            condition=NodeCondition.OFFLINE,
            reason="its lease ran out; all that ran there has been stopped by its agent",
            released=True,
        )
    silent = f" for {facts.age_s:.1f} s" if facts.age_s is not None else ""
    past = ", nor did it say what it runs since the API's history went back" if facts.unaccounted else ""
    past = ", and its HANodePlan was deleted or cannot be read" if facts.lost else past
    return NodeVerdict(
        condition=NodeCondition.UNCLEAN,
        reason=f"node lost: no heartbeat{silent}{past}",
        released=facts.given_up,
        frozen=_is_frozen(facts),
    )


def _is_frozen(facts: NodeFacts) -> bool:
    return not facts.given_up and not facts.fencing_enabled

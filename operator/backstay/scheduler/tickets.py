"""Tickets: what a site may run only while a ticket is granted to it.

A ticket that was lost calls for what the constraint says: stop, demote, freeze, or cut off the node. A ticket that
is granted but in standby lets nothing new start.
"""

from collections.abc import Iterator

from backstay.scheduler.contributions import Reason
from backstay.scheduler.locations import Scores
from backstay.scheduler.situation import Resource, Situation
from backstay.state.choices import LossPolicy, Role
from backstay.state.constraint import TicketConstraint
from backstay.state.history import Ticket


def lost_tickets(situation: Situation) -> Iterator[tuple[TicketConstraint, Ticket, Resource]]:
    """Every primitive with a constraint whose ticket is not there for it."""
    tickets = {one.id: one for one in situation.state.tickets}
    for constraint in situation.state.constraints:
        if not isinstance(constraint, TicketConstraint):
            continue
        ticket = tickets.get(constraint.ticket) or Ticket(id=constraint.ticket)
        if ticket.granted and not ticket.standby:
            continue
        found = situation.by_id.get(constraint.resource)
        for leaf in () if found is None else found.leaves():
            yield constraint, ticket, leaf


def freezes(constraint: TicketConstraint, ticket: Ticket, leaf: Resource) -> bool:
    """Whether the loss leaves a running resource as it is, untouched."""
    return not ticket.granted and constraint.loss_policy is LossPolicy.FREEZE and _concerns(constraint, leaf)


def fences(constraint: TicketConstraint, ticket: Ticket, leaf: Resource) -> bool:
    """Whether the loss calls for cutting off the nodes where a resource runs."""
    return not ticket.granted and constraint.loss_policy is LossPolicy.FENCE and _concerns(constraint, leaf)


def _concerns(constraint: TicketConstraint, leaf: Resource) -> bool:
    """Whether what runs loses something. A ticket for the promoted role is lost only by what is promoted; that the
    unpromoted role loses one means nothing."""
    if not leaf.active_on:
        return False
    return constraint.role in (None, Role.STARTED) or constraint.role is leaf.role is Role.PROMOTED


def ban_without_tickets(scores: Scores) -> None:
    """-INFINITY everywhere for what may not run."""
    for constraint, ticket, leaf in lost_tickets(scores.situation):
        if _is_banned(constraint, ticket, leaf):
            scores.ban(leaf, reason=Reason.TICKET, source=constraint.id)


def _is_banned(constraint: TicketConstraint, ticket: Ticket, leaf: Resource) -> bool:
    for_promoted = constraint.role is Role.PROMOTED
    if ticket.granted or not leaf.active_on:
        return not for_promoted or constraint.loss_policy is LossPolicy.STOP
    match constraint.loss_policy:
        case LossPolicy.STOP:
            return True
        case LossPolicy.FENCE:
            return _concerns(constraint, leaf)
        case LossPolicy.DEMOTE:
            return not for_promoted
        case LossPolicy.FREEZE:
            return False


def may_not_be_promoted(situation: Situation) -> set[Resource]:
    """Primitives whose promoted role lacks its ticket."""
    return {leaf for one, _, leaf in lost_tickets(situation) if one.role is Role.PROMOTED}

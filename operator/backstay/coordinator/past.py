"""After the API's history went back (design note 0012), a plan was lost (0013), or another machine may have a node's name (0015): what
is not started while a node may run it that nobody remembers.

A node is unaccounted for until it has obeyed a DC that came after, or was fenced or confirmed since. Silent, it is Unclean: what
requires fencing waits for that, as ever. What requires none of it waits here, until a quorum stands behind the takeover. Heard, but
without an answer, or left alone by the storm brake, it may run anything, so everything waits. What ran on a node that has answered
waits for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.coordinator.membership import Membership, NodeView
from backstay.liveness.nodes import NodeCondition
from backstay.state.choices import WITHOUT_FENCING, Requires

HISTORY_WENT_BACK = "HistoryWentBack"
HISTORY_LOST = "NodeReportLost"
MACHINE_UNPROVEN = "MachineUnproven"
MAY_RUN_ELSEWHERE = (HISTORY_WENT_BACK, HISTORY_LOST, MACHINE_UNPROVEN)


class Past:
    """One per DC term."""

    def __init__(self) -> None:
        self._sure: set[str] = set()
        """Was seen to run on a node that has answered, in this term: it is nowhere where nobody is obeyed."""

    def held(
        self,
        membership: Membership,
        requires: Mapping[str, Requires],
        active: Mapping[str, tuple[str, ...]],
        *,
        fencing_enabled: bool,
    ) -> list[str]:
        """Resources that may be active where nobody can tell. `active`: resource instance -> nodes, as far as is known."""
        lost = {
            name: view
            for name, view in membership.nodes.items()
            if view.unaccounted or view.former is not None
        }
        if not lost:
            self._sure.clear()
            return []
        # Of a clone another instance may be promoted, or be the very one that is to be started; no instance is a key of `requires`.
        self._sure |= {
            one for one, nodes in active.items() if nodes and not any(node in lost for node in nodes)
        }
        everything = not all(map(_is_given_to_fencing, lost.values()))
        if not everything and all(view.given_up for view in lost.values()):
            return []
        return [
            id_
            for id_, needed in requires.items()
            if id_ not in self._sure and (everything or needed in WITHOUT_FENCING or not fencing_enabled)
        ]


def _is_given_to_fencing(view: NodeView) -> bool:
    """Whether the scheduler knows that it may run something: it is Unclean, or all that it could run has ended with its lease."""
    condition = view.verdict.condition
    ended = condition is NodeCondition.OFFLINE and view.given_up
    return not view.braked and (condition is NodeCondition.UNCLEAN or ended)


def past_code(membership: Membership) -> str:
    """Why `held` holds something back, in one word."""
    unaccounted = [view for view in membership.nodes.values() if view.unaccounted]
    if not unaccounted:
        return MACHINE_UNPROVEN
    return HISTORY_LOST if all(view.lost for view in unaccounted) else HISTORY_WENT_BACK


def words_of_the_past(membership: Membership) -> str:
    """Why something is held back, and what helps."""
    if past_code(membership) == MACHINE_UNPROVEN:
        return "not started: " + "; ".join(
            view.former.words for view in membership.nodes.values() if view.former is not None
        )
    who = ", ".join(name for name, view in membership.nodes.items() if view.unaccounted)
    why = "the API's history went back"
    if past_code(membership) == HISTORY_LOST:
        why = "an HANodePlan was deleted or cannot be read"
    return (
        f"not started: {why}, and it may run on {who}, which has not said since what runs there; "
        "wait for its agent, fence the node, or confirm that it is down"
    )

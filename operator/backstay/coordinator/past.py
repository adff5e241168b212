"""After the API's history went back (design note 0012): what is not started while a node may run it that nobody remembers.

A node is unaccounted for until it has obeyed a DC that came after, or was fenced or confirmed since. Silent, it is Unclean: what
requires fencing waits for that, as ever. What requires none of it waits here, until a quorum stands behind the takeover. Heard, but
without an answer, it may run anything, so everything waits. What runs on a node that has answered waits for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.coordinator.membership import Membership
from backstay.liveness.nodes import NodeCondition
from backstay.state.choices import Requires

HISTORY_WENT_BACK = "HistoryWentBack"
_SILENT = (NodeCondition.UNCLEAN, NodeCondition.OFFLINE)
_FREE = (Requires.NOTHING, Requires.QUORUM)


def held_for_the_past(
    membership: Membership, requires: Mapping[str, Requires], active: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """Resources that may be active where nobody can tell. `active`: resource instance -> nodes, as far as is known."""
    lost = {name: view for name, view in membership.nodes.items() if view.unaccounted}
    silent = [view for view in lost.values() if view.verdict.condition in _SILENT]
    everything = len(silent) < len(lost)
    if not everything and all(view.given_up for view in silent):
        return []
    # Of a clone another instance may be promoted, or be the very one that is to be started.
    sure = {one for one, nodes in active.items() if nodes and not any(node in lost for node in nodes)}
    return [id_ for id_, needed in requires.items() if (everything or needed in _FREE) and id_ not in sure]


def words_of_the_past(membership: Membership) -> str:
    """Why something is held back, and what helps."""
    who = ", ".join(name for name, view in membership.nodes.items() if view.unaccounted)
    return (
        f"not started: the API's history went back, and it may run on {who}, which has not said since what runs there; "
        "wait for its agent, fence the node, or confirm that it is down"
    )

"""What a node_state says about a node: online, offline, pending, or unclean.

Pacemaker's controllers record what they see of a peer: in the cluster layer (in_ccm), as a process (crmd),
its place in the join (join) and what was expected of it (expected). With fencing, any contradiction makes
the node unclean.
"""

from dataclasses import dataclass

from backstay.cib.tree import Element
from backstay.numerals import whole


@dataclass(frozen=True, slots=True)
class Standing:
    """Invariant: `reason` is given exactly if the node is unclean and somebody shall be told why."""

    online: bool = False
    unclean: bool = False
    pending: bool = False
    seen: bool = True
    reason: str = ""


def standing_of(
    state: Element | None, *, fencing: bool, startup_fencing: bool, shutdown: bool, terminate: bool
) -> Standing:
    """Judge one node. `state` None: it was never seen."""
    if state is None:
        unclean = fencing and startup_fencing
        return Standing(seen=False, unclean=unclean, reason="node is unclean" if unclean else "")
    in_cluster = _true(state.get("in_ccm"))
    process = _true(state.get("crmd"))
    join = state.get("join")
    expected = state.get("expected") == "member"
    if not fencing:
        return _without_fencing(in_cluster=in_cluster, process=process, join=join, expected=expected)
    if shutdown:
        return Standing(online=process)
    if state.get("in_ccm") is None:
        return Standing(unclean=True, reason="peer has not been seen by the cluster")
    if join == "banned":
        return Standing(online=True, unclean=True, reason="peer failed Pacemaker membership criteria")
    if expected:
        if not in_cluster:
            return Standing(unclean=True, reason="peer is no longer part of the cluster")
        if not process:
            return Standing(online=True, unclean=True, reason="peer process is no longer available")
    if terminate:
        return Standing(online=in_cluster, unclean=True, reason="fencing was requested")
    if join == "member":
        return Standing(online=in_cluster and process)
    return Standing(online=in_cluster or process, pending=in_cluster or process)


def _without_fencing(*, in_cluster: bool, process: bool, join: str | None, expected: bool) -> Standing:
    if not in_cluster:
        return Standing()
    if process:
        return Standing(online=join == "member", pending=join == "pending")
    return Standing(unclean=expected)


def _true(text: str | None) -> bool:
    """Old states say true or online; new ones give the time since when, 0 for not."""
    if text is None:
        return False
    since = whole(text)
    if since is not None:
        return since > 0
    return text.lower() in ("true", "online", "yes", "on")

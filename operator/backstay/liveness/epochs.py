"""Which epoch a DC must be above, and how far agents are believed in that. Pure.

What DCs have written (HACluster.status.epoch, plans' specs) counts as it stands. What agents say that they have seen, or demand
after the API's history went back (design note 0012), must raise the epoch too, or they would obey no DC. But an agent may be
captured. So a claim counts in its own cluster only, and by EPOCH_STEP_MAX above what DCs have written at most; and the same
node's claims begin a term ever more rarely. What is beyond that is ignored and reported: it harms that one node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

EPOCH_STEP_MAX = 100_000
"""Terms that can have been lost between a backup and its restore: one per five minutes, for a year."""
EPOCH_LARGEST = 2**63 - 1
PATIENCE_MIN_S, PATIENCE_MAX_S = 60.0, 3600.0
"""After a claim has begun a term, until the next of the same node may: twice as long each time."""
FREE_TERMS = 3
"""In a row, without waiting: an API may go back more than once."""

Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heed:
    """The highest epoch that is believed, and the claims that are not: node -> epoch."""

    highest: int
    ignored: Mapping[str, int] = field(default_factory=dict)


def epoch_of(value: object) -> int:
    """An epoch as anybody may have written it; 0 where it is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 <= value <= EPOCH_LARGEST else 0


def written_epoch(plans: Iterable[Obj], *, of_cluster: str | None = None) -> int:
    """The highest that a DC has written into a plan; 0 where there is none."""
    specs = (_part(plan, "spec") for plan in plans)
    found = (epoch_of(spec.get("epoch")) for spec in specs if of_cluster in (None, spec.get("cluster")))
    return max(found, default=0)


def claims_of(plans: Iterable[Obj], cluster: str) -> dict[str, int]:
    """By node of the cluster, the highest epoch that its agent says it has seen or demands."""
    found = {}
    for plan in plans:
        if _part(plan, "spec").get("cluster") == cluster:
            status = _part(plan, "status")
            claim = max(epoch_of(status.get("observedEpoch")), epoch_of(status.get("requiredEpoch")))
            found[str(_part(plan, "metadata").get("name", ""))] = claim
    return found


def demand_of(plans: Iterable[Obj], cluster: str, *, known: int) -> int:
    """The highest epoch that an agent of the cluster demands, as far as such a demand is believed."""
    demands = (
        epoch_of(_part(plan, "status").get("requiredEpoch"))
        for plan in plans
        if _part(plan, "spec").get("cluster") == cluster
    )
    return max((one for one in demands if one <= known + EPOCH_STEP_MAX), default=0)


def heed(plans: Iterable[Obj], cluster: str, *, known: int) -> Heed:
    """What agents' claims make of an epoch that is known from DCs."""
    claims = claims_of(plans, cluster)
    believed = [one for one in claims.values() if one <= known + EPOCH_STEP_MAX]
    ignored = {node: one for node, one in sorted(claims.items()) if one > known + EPOCH_STEP_MAX}
    return Heed(max(believed, default=0), ignored)


@dataclass(slots=True)
class _Patience:
    until: float
    count: int


class ClaimPatience:
    """When a node's claim may begin another term. One per cluster and replica; times are monotonic seconds."""

    def __init__(self) -> None:
        self._by_node: dict[str, _Patience] = {}

    def may_begin_term(self, plans: Iterable[Obj], cluster: str, *, ours: int, now: float) -> bool:
        """Whether a believed claim is above our epoch, of a node that has not begun a term of late. Begin one then."""
        begins = False
        for node, claim in claims_of(plans, cluster).items():
            if not ours < claim <= ours + EPOCH_STEP_MAX:
                continue
            known = self._by_node.get(node)
            if known is not None and now < known.until:
                continue
            again = known is not None and now < known.until + PATIENCE_MAX_S
            count = known.count + 1 if known is not None and again else 1
            waits_s = 0.0 if count <= FREE_TERMS else PATIENCE_MIN_S * 2 ** min(count - FREE_TERMS - 1, 10)
            self._by_node[node] = _Patience(now + min(PATIENCE_MAX_S, waits_s), count)
            begins = True
        return begins


def _part(plan: Obj, name: str) -> Mapping[str, Any]:
    part = plan.get(name)
    return part if isinstance(part, Mapping) else {}

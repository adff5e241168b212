"""Which orders were seen, and what became of them: the memory that makes an order run at most once per boot.

Every id that began or ended is kept, in the journal too, so that neither a restart of the agent nor a plan that returns
(a stale read, a restored etcd) runs it again. The memory of ids that no plan names any more is bounded by forgetting the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

REMEMBERED_MAX = 8192
"""Ids; a plan names at most 1024."""


class ResultState(Enum):
    """What became of an order; the values are those of HANodePlan."""

    DONE = "Done"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    REFUSED = "Refused"
    CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of an order. `rc` is None where no agent ran, or none can say."""

    id: str
    state: ResultState
    rc: int | None = None
    message: str = ""
    exec_ms: int | None = None
    """How long the agent's operation ran, without what it waited for; None where none ran to an end."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"state": self.state.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        return cls(**{**data, "state": ResultState(data["state"])})


class Ledger:
    """Ids that began (`begin`) and ids that ended (`end`). Both return what the journal must hold of them."""

    def __init__(self) -> None:
        self._began: dict[str, None] = {}
        self._ended: dict[str, Result] = {}

    def began(self, action_id: str) -> bool:
        """Whether it ran, runs, or was decided otherwise; then it must not run again."""
        return action_id in self._began or action_id in self._ended

    def result(self, action_id: str) -> Result | None:
        return self._ended.get(action_id)

    def succeeded(self, action_id: str) -> bool:
        result = self._ended.get(action_id)
        return result is not None and result.state is ResultState.DONE

    def begin(self, action_id: str) -> None:
        assert not self.began(action_id), f"order {action_id} would run twice"
        self._began[action_id] = None

    def end(self, result: Result) -> None:
        """Put the result down. The first one holds, but for the end of an order that was still running."""
        if result.id and result.id not in self._ended:
            self._began.pop(result.id, None)
            self._ended[result.id] = result

    def forget_old(self, present: Iterable[str]) -> list[str]:
        """Drop the oldest results beyond the bound that the present plan does not name; returns their ids."""
        excess = len(self._ended) - REMEMBERED_MAX
        if excess <= 0:
            return []
        kept = frozenset(present)
        dropped = [one for one in self._ended if one not in kept][:excess]
        for one in dropped:
            del self._ended[one]
        return dropped

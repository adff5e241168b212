"""Failed operations, reported once each: a Warning on the resource that names the node, the agent's own reason, and what follows.

The agents count failures (`HANodePlan.status.failures`); a count or a time that has changed is a failure that was not reported yet.
What an earlier DC found is not reported again: the first look of a term only remembers.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.api import HANodePlan
from backstay.api.plan import FailureRecord
from backstay.api.quantities import duration_text
from backstay.coordinator.story import StoryItem, Tale
from backstay.ocf.exitcode import exit_code_text
from backstay.state.claims import ObjectRef

_Key = tuple[str, str, str, int]
"""Node, resource, operation, interval in milliseconds."""


class FailureNews:
    """One per DC term."""

    def __init__(self) -> None:
        self._known: dict[_Key, tuple[int, str]] | None = None
        self._present: Mapping[_Key, FailureRecord] = {}

    def cause(self, resource: str, node: str) -> str:
        """`start failed on n2: not installed`, of a failure that is counted there now; empty where there is none."""
        found = [one for key, one in self._present.items() if key[:2] == (node, resource)]
        return _sentence(node, found[-1]) if found else ""

    def look(self, plans: Mapping[str, HANodePlan], refs: Mapping[str, ObjectRef]) -> list[StoryItem]:
        """Failures that are new since the last look. `refs`: resource -> the object that defines it."""
        present = {
            (node, one.resource, one.operation, one.interval_ms): one
            for node, plan in sorted(plans.items())
            for one in plan.status.failures
        }
        known, self._known = self._known, {key: _stamp(one) for key, one in present.items()}
        self._present = present
        if known is None:
            return []
        return [_item(key[0], one, refs) for key, one in present.items() if known.get(key) != _stamp(one)]


def _stamp(failure: FailureRecord) -> tuple[int, str]:
    return failure.count, str(failure.last_failure)


def _sentence(node: str, failure: FailureRecord) -> str:
    operation = failure.operation
    if failure.interval_ms:
        operation = f"{operation} (every {duration_text(failure.interval_ms)})"
    return f"{operation} failed on {node}: {_cause(failure)}"


def _item(node: str, failure: FailureRecord, refs: Mapping[str, ObjectRef]) -> StoryItem:
    base = failure.resource.partition(":")[0]
    text = f"{failure.resource}: {_sentence(node, failure)}"
    if failure.count > 1:
        text += f"; {failure.count} failures there since the last cleanup"
    return StoryItem(
        tale=Tale.FAILED,
        message=text,
        subject=refs.get(failure.resource) or refs.get(base),
        warning=True,
        facts={
            "resource": failure.resource,
            "node": node,
            "operation": failure.operation,
            "rc": failure.rc,
        },
    )


def _cause(failure: FailureRecord) -> str:
    """The agent's own reason, or at least what its exit code means."""
    if failure.status == "Timeout":
        return "it did not end in time" + (f" ({failure.reason})" if failure.reason else "")
    meaning = f"exit code {failure.rc}, {exit_code_text(failure.rc)}"
    return f"{failure.reason} ({meaning})" if failure.reason else meaning

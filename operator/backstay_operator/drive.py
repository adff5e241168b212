"""Writes plans: only where they differ, each with the epoch and the resourceVersion, many nodes at once.

First what withdraws orders, then what gives some.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from backstay.api import HANodePlanSpec
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiConflict, ApiError, ApiInvalid, ApiNotFound
from backstay_kube.reflector import Reflector

log = logging.getLogger(__name__)

ATTEMPTS = 5
TIMEOUT_S = 2.0
SHORT = 32
LONG_AT_ONCE, SHORT_AT_ONCE, UNTIL_S = 2, 16, 1.5
"""Plans are written some at a time, those of more actions than SHORT a few, so that each gets through on a slow API server, where all
at once would all be given up. Those not begun by then wait for the next round, so that the DC goes on looking."""
PER_ACTION_S = 0.02
"""A long plan takes an API server longer to check and store, and would never be written if nobody waited for that."""


class Superseded(Exception):
    """A plan carries a higher epoch than ours: another DC is at work."""


class PlanDriver:
    """Makes the plans in the API say what the coordinator wants them to say."""

    def __init__(
        self, client: KubeClient, plans: Reflector, *, epoch: int, may_write: Callable[[], bool]
    ) -> None:
        self._client = client
        self._plans = plans
        self._epoch = epoch
        self._may_write = may_write
        self.writes = 0
        self._long = asyncio.Semaphore(LONG_AT_ONCE)
        self._short = asyncio.Semaphore(SHORT_AT_ONCE)
        self._written: dict[str, tuple[Obj | None, object]] = {}
        self._wires: dict[str, dict[str, Obj]] = {}
        """By node and id: actions as written out. What an id asks for never changes."""
        self._kept: dict[str, tuple[Obj, Obj]] = {}
        """What was sent last, and what the server made of it: one with older definitions drops fields that it does not know."""

    async def write(self, specs: Mapping[str, HANodePlanSpec]) -> None:
        """Write what differs; see `send`."""
        await self.send(self.due(specs))

    def due(self, specs: Mapping[str, HANodePlanSpec]) -> dict[str, Obj]:
        """What is to be written, by node. Long plans take a while to write out: it may be called in another thread."""
        for gone in self._wires.keys() - specs.keys():
            del self._wires[gone]
        return {
            node: self._wire(node, spec) for node, spec in specs.items() if not self._is_written(node, spec)
        }

    async def send(self, due: Mapping[str, Obj]) -> None:
        """Write these. Raises Superseded; other failures are logged and left to the next round."""
        if not due:
            return
        due = dict(sorted(due.items(), key=lambda one: self._urgency(*one)))
        until = asyncio.get_running_loop().time() + UNTIL_S
        results = await asyncio.gather(
            *(self._write_in_turn(node, spec, until) for node, spec in due.items()), return_exceptions=True
        )
        for node, result in zip(due, results, strict=True):
            if isinstance(result, (Superseded, asyncio.CancelledError)):
                raise result
            if isinstance(result, (ApiError, TimeoutError)):
                log.warning("cannot write the plan: %s", str(result) or repr(result), extra={"node": node})
            elif isinstance(result, BaseException):
                raise result

    def _urgency(self, node: str, spec: Obj) -> int:
        """An order that is withdrawn must not be found by a node that comes back when another is told to do its work. Then comes what
        is to be done, then all else."""
        present = self._plans.get(node) or {}
        kept = {one["id"] for one in spec["actions"]}
        withdrawn = any(one["id"] not in kept for one in (present.get("spec") or {}).get("actions") or ())
        return 0 if withdrawn else 1 if kept else 2

    def _is_written(self, node: str, spec: HANodePlanSpec) -> bool:
        """Whether the plan says it. What did so before does so still, as long as neither has changed."""
        present, likeness = self._plans.get(node), _likeness(spec)
        before = self._written.get(node)
        if before is not None and before[0] is present and before[1] == likeness:
            return True
        wanted = {**_head(spec), "actions": [{"id": one.id} for one in spec.actions]}
        sent, kept = self._kept.get(node, ({}, {}))
        dropped = same_spec({"spec": sent}, wanted) and same_spec(present, kept)
        written = dropped or same_spec(present, wanted)
        if written:
            self._written[node] = (present, likeness)
        return written

    def _wire(self, node: str, spec: HANodePlanSpec) -> Obj:
        known = self._wires.get(node, {})
        actions = {one.id: known.get(one.id) or one.wire() for one in spec.actions}
        self._wires[node] = actions
        return {**_head(spec), "actions": list(actions.values())}

    async def _write_in_turn(self, node: str, spec: Obj, until: float) -> None:
        async with self._short if len(spec["actions"]) <= SHORT else self._long:
            if asyncio.get_running_loop().time() < until:
                await self._write_one(node, spec)

    async def _write_one(self, node: str, spec: Obj) -> None:
        present = self._plans.get(node)
        for _ in range(ATTEMPTS):
            if not self._may_write():
                return
            if present is not None and int(present.get("spec", {}).get("epoch", 0)) > self._epoch:
                raise Superseded(
                    f"the plan of {node} has epoch {present['spec']['epoch']}, ours is {self._epoch}"
                )
            try:
                async with asyncio.timeout(TIMEOUT_S + PER_ACTION_S * len(spec["actions"])):
                    answer = await self._send(node, spec, present)
            except ApiConflict:
                present = await self._read(node)
                if _is_of_another(present, spec):
                    return  # which must let the node go first; the next round knows
                continue
            except ApiNotFound:
                present = None
                continue
            except ApiInvalid as error:
                present = await self._read(node)
                if present is not None and int(present.get("spec", {}).get("epoch", 0)) > self._epoch:
                    raise Superseded(str(error)) from error
                raise
            self.writes += 1
            self._plans.accept(answer)
            self._kept[node] = (_outline(spec), _outline(answer.get("spec") or {}))
            return
        raise ApiConflict(f"the plan of {node} changed {ATTEMPTS} times under our hands")

    async def _send(self, node: str, spec: Obj, present: Obj | None) -> Obj:
        if present is None:
            return await self._client.create(kinds.HANODEPLAN, {"metadata": {"name": node}, "spec": spec})
        # A merge patch keeps what it does not name: fields that are gone must be said to be gone. Lists are replaced whole.
        gone = {name: None for name in present.get("spec", {}) if name not in spec}
        body = {
            "metadata": {"resourceVersion": present["metadata"]["resourceVersion"]},
            "spec": {**gone, **spec},
        }
        return await self._client.patch(kinds.HANODEPLAN, node, body)

    async def _read(self, node: str) -> Obj | None:
        try:
            obj = await self._client.get(kinds.HANODEPLAN, node)
        except ApiNotFound:
            return None
        self._plans.accept(obj)
        return obj


def _is_of_another(present: Obj | None, spec: Obj) -> bool:
    """Whether the plan belongs to another HACluster."""
    owner = (present.get("spec") or {}).get("cluster") if present is not None else ""
    return owner not in (None, "", spec["cluster"])


def _head(spec: HANodePlanSpec) -> Obj:
    """All but the actions, as written out."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"actions"})


def _outline(spec: Obj) -> Obj:
    """With no more of its actions than their ids."""
    return {**spec, "actions": [{"id": one["id"]} for one in spec.get("actions") or []]}


def _likeness(spec: HANodePlanSpec) -> object:
    """What two specs that say the same have alike. The parts that are long are the same objects as a rule, which is soon seen."""
    return (
        *(spec.cluster, spec.epoch, spec.boot_id, spec.sync, spec.beat, spec.takes_absences, spec.dismissed),
        *(spec.heartbeat, spec.vouching, spec.watchdog),
        [action.id for action in spec.actions],
    )


def same_spec(present: Obj | None, wanted: Obj) -> bool:
    """Whether the plan says it already. Actions are compared by id: an id's content never changes."""
    if present is None:
        return False
    spec = present.get("spec") or {}
    if any(
        spec.get(name) != wanted.get(name)
        for name in (
            *("cluster", "epoch", "term", "bootId", "sync", "heartbeat", "beat", "vouching", "watchdog"),
            *("takesAbsences", "dismissed"),
        )
    ):
        return False
    have = [action["id"] for action in spec.get("actions") or []]
    want = [action["id"] for action in wanted.get("actions") or []]
    return have == want

"""HATransition objects: written soon after a transition begins and when it ends, capped in number and size.

Recording a transition costs more than most failovers do (its whole input is encoded), so it begins a moment later and never lists
the records themselves, which are large: names and numbers are in their metadata.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import logging
import time
from dataclasses import dataclass

from backstay.api import GROUP
from backstay.api.quantities import timestamp
from backstay.coordinator import Run, summary_lines
from backstay.state.codec import dump_state
from backstay.transition.runner import Verdict
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound

log = logging.getLogger(__name__)

INPUT_LIMIT = 512 * 1024
"""Bytes of an encoded input; larger ones are dropped with a note, far below etcd's 1.5 MiB."""
ACTIONS_LIMIT = 500
MOMENTS_LIMIT = 64
QUEUE_SIZE = 128
RESTRAINT_S = 0.3
"""By then most transitions have ended; nobody has looked at the record before."""


@dataclass(frozen=True, slots=True)
class _Job:
    run: Run
    decide_ms: float
    dc: str
    ended_wall: float | None
    duration_s: float | None
    due_at: float = 0.0
    """Of the event loop's clock."""
    settled: bool = False
    """It ended before; what it had in flight has ended now."""


class HistoryWriter:
    """Writes transitions in the background; a full queue drops the oldest."""

    def __init__(self, client: KubeClient, *, cluster: str) -> None:
        self._client = client
        self._cluster = cluster
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(QUEUE_SIZE)
        self.keep = 50

    def begun(self, run: Run, *, decide_ms: float, dc: str) -> None:
        due_at = asyncio.get_running_loop().time() + RESTRAINT_S
        self._put(_Job(run, decide_ms, dc, None, None, due_at))

    def ended(self, run: Run, *, duration_s: float, dc: str) -> None:
        self._put(_Job(run, 0.0, dc, time.time(), duration_s))

    def settled(self, run: Run, *, dc: str) -> None:
        """What a superseded transition had in flight has ended."""
        self._put(_Job(run, 0.0, dc, None, None, settled=True))

    def _put(self, job: _Job) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(job)

    @property
    def depth(self) -> int:
        """How many wait to be written."""
        return self._queue.qsize()

    async def run(self) -> None:
        """For ever."""
        while True:
            job = await self._queue.get()
            await asyncio.sleep(max(0.0, job.due_at - asyncio.get_running_loop().time()))
            try:
                if job.settled:
                    await self._amend(job)
                elif job.ended_wall is None:
                    await self._create(job)
                    await self._prune()
                else:
                    await self._finish(job)
            except ApiError as error:
                log.warning(
                    "cannot write the transition: %s", error, extra={"number": job.run.context.number}
                )

    def _name(self, number: int) -> str:
        return f"{self._cluster}-{number}"

    async def _create(self, job: _Job) -> None:
        context = job.run.context
        text = await asyncio.to_thread(_encoded, job)
        spec: Obj = {
            "cluster": self._cluster,
            "number": context.number,
            "epoch": context.epoch,
            "dc": job.dc,
            "trigger": context.trigger.sentence[:1024],
        }
        if len(text) <= INPUT_LIMIT:
            spec["input"] = text
        else:
            spec["inputDropped"] = f"{len(text)} bytes are more than the limit of {INPUT_LIMIT}"
        metadata = {
            "name": self._name(context.number),
            "labels": {f"{GROUP}/cluster": self._cluster},
        }
        try:
            await self._client.create(kinds.HATRANSITION, {"metadata": metadata, "spec": spec})
        except ApiConflict:
            log.debug("transition %s is recorded already", context.number)
        status = {
            "phase": "Running",
            "summary": list(summary_lines(context.transition))[:100],
            "started": timestamp(context.began_wall),
            "decideMs": round(job.decide_ms, 3),
            "moments": [moment.wire() for moment in job.run.moments()][-MOMENTS_LIMIT:],
        }
        await self._client.patch(
            kinds.HATRANSITION, self._name(context.number), {"status": status}, subresource="status"
        )

    async def _finish(self, job: _Job) -> None:
        run = job.run
        actions = [action.wire() for action in run.actions()]
        status: Obj = {
            "phase": "Complete" if run.verdict is Verdict.COMPLETE else "Aborted",
            "actions": actions[:ACTIONS_LIMIT],
            "finished": timestamp(job.ended_wall or 0.0),
            "durationMs": round((job.duration_s or 0.0) * 1000),
        }
        if any(action["state"] in ("Failed", "TimedOut") for action in actions):
            status["phase"] = "Failed"
        if len(actions) > ACTIONS_LIMIT:
            status["actionsDropped"] = len(actions) - ACTIONS_LIMIT
        if run.runner.aborted:
            status["abortReason"] = run.runner.aborted[:1024]
        await self._client.patch(
            kinds.HATRANSITION, self._name(run.context.number), {"status": status}, subresource="status"
        )

    async def _amend(self, job: _Job) -> None:
        """Add how actions ended that were in flight when the record was closed."""
        run = job.run
        actions = [action.wire() for action in run.actions()][:ACTIONS_LIMIT]
        name = self._name(run.context.number)
        try:
            await self._client.patch(
                kinds.HATRANSITION, name, {"status": {"actions": actions}}, subresource="status"
            )
        except ApiNotFound:
            log.debug("transition %s is not kept any more", run.context.number)

    async def _prune(self) -> None:
        numbers = sorted(await self._numbers())
        for number in numbers[: max(0, len(numbers) - self.keep)]:
            try:
                await self._client.delete(kinds.HATRANSITION, self._name(number))
            except ApiNotFound:
                continue

    async def last_number(self) -> int:
        """The highest number given out so far."""
        return max(await self._numbers(), default=0)

    async def _numbers(self) -> list[int]:
        """Of the records that there are, from their names."""
        listed = await self._client.list(
            kinds.HATRANSITION, label_selector=f"{GROUP}/cluster={self._cluster}", metadata_only=True
        )
        ends = (obj["metadata"]["name"].removeprefix(f"{self._cluster}-") for obj in listed.items)
        return [int(end) for end in ends if end.isdecimal()]


def _encoded(job: _Job) -> str:
    state = dump_state(job.run.context.assembly.state)
    return base64.b64encode(gzip.compress(state.encode(), mtime=0)).decode()

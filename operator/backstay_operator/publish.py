"""Writes statuses where they differ: off the path of a failover, coalesced, at most a few times a second.

A merge patch of only what changed; a field that is gone is set to null. Nothing is written when nothing changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from backstay.api import Resource
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiError, ApiNotFound
from backstay_kube.kinds import Kind
from backstay_operator.statuses import (
    Scene,
    Written,
    parts_of_many,
    statuses_of_few,
    statuses_of_many,
)
from backstay_operator.validation import Status
from backstay_operator.world import World

log = logging.getLogger(__name__)

PAUSE_S = 0.1
AT_A_TIME = 20
"""Statuses that are made without letting anybody else do something."""
AT_ONCE = 8
"""Writes under way. More would not be faster on a small API server, and plans are written beside them."""
REST_PER_WRITE_S = 0.005
"""After a thousand writes nobody needs the next thousand at once, and the API server has others to serve."""
KIND_OF: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        kinds.HACLUSTER,
        kinds.HANODE,
        kinds.HARESOURCE,
        kinds.RESOURCEGROUP,
        kinds.HACONSTRAINT,
        kinds.FENCEDEVICE,
    )
}


class Publisher:
    """Keeps the objects' statuses in step with the newest scene."""

    def __init__(
        self, client: KubeClient, world: World, *, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self._client = client
        self._may_write = may_write
        """Whether we are the DC: one that was paused must not tell, as it wakes, what was before."""
        self._world = world
        self._scene: Scene | None = None
        self._changed = asyncio.Event()
        self._settled: tuple[object, ...] | None = None
        """What the statuses of many were made of when all of them stood as they should."""
        self.writes = 0

    def show(self, scene: Scene) -> None:
        """The newest scene; older ones that were not written yet are forgotten."""
        self._scene = scene
        self._changed.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(PAUSE_S)
            self._changed.clear()
            scene, before = self._scene, self.writes
            if scene is not None and self._may_write():
                await self._publish(scene)
                await asyncio.sleep(REST_PER_WRITE_S * (self.writes - before))

    async def _publish(self, scene: Scene) -> None:
        await self._write_all(statuses_of_few(scene))
        parts = (*parts_of_many(scene), *self._world.tokens)
        if self._settled is not None and _are_same(parts, self._settled):
            return
        # What is written now changes the world, so it is looked at once more; then it is settled.
        self._settled = parts if await self._write_all(statuses_of_many(scene)) else None

    async def _write_all(self, statuses: Iterable[Written]) -> bool:
        """Whether all objects now say this. A few writes are under way at a time: a failover does not wait for a thousand statuses."""
        room = asyncio.Semaphore(AT_ONCE)
        tasks: list[asyncio.Task[bool]] = []
        async with asyncio.TaskGroup() as group:
            for number, written in enumerate(statuses):
                change = self._change(written)
                if change is not None:
                    await room.acquire()
                    tasks.append(group.create_task(self._write(written, change)))
                    tasks[-1].add_done_callback(lambda _: room.release())
                if number % AT_A_TIME == AT_A_TIME - 1:
                    await asyncio.sleep(0)
        return all(task.result() for task in tasks)

    def _change(self, written: Written) -> Status | None:
        """What its object, if there is one, says otherwise."""
        kind = KIND_OF[written.kind.info.kind]
        present = self._world.get(kind, written.name, written.namespace)
        if present is None:
            return None
        said = present.get("status") or {}
        if int(said.get("epoch") or 0) > int(written.status.get("epoch") or 0):
            return None  # of the HACluster: a later DC has begun its term, and an epoch never goes back
        return difference(said, written.status) or None

    async def _write(self, written: Written, change: Status) -> bool:
        """Whether the object, if there is one, now says this."""
        kind = KIND_OF[written.kind.info.kind]
        try:
            answer = await self._client.patch(
                kind,
                written.name,
                {"status": change},
                namespace=written.namespace or None,
                subresource="status",
            )
        except ApiNotFound:
            return True
        except ApiError as error:
            log.debug("cannot write the status of %s %s: %s", kind.name, written.name, error)
            self._changed.set()
            await asyncio.sleep(error.pause_s(0.0))
            return False
        self.writes += 1
        self._world.accept(kind, answer)
        return True


def _are_same(parts: tuple[object, ...], others: tuple[object, ...]) -> bool:
    """The very same, or tuples that say the same."""
    pairs = zip(parts, others, strict=True)
    return all(one is other or (isinstance(one, tuple) and one == other) for one, other in pairs)


def difference(present: Status, wanted: Status) -> Status:
    """The merge patch that turns `present` into what `wanted` says, for the fields that `wanted` names."""
    change: dict[str, Any] = {}
    for name, value in wanted.items():
        old = present.get(name)
        if _empty(value) and _empty(old):
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            inner = difference(old, value)
            inner.update({key: None for key in old if key not in value})
            if inner:
                change[name] = inner
        elif old != value:
            change[name] = value
    return change


def _empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def uid_of(world: World, kind_name: str, namespace: str, name: str) -> str:
    """For Events; empty when the object is gone."""
    kind = KIND_OF.get(kind_name)
    obj: Obj | None = world.get(kind, name, namespace) if kind is not None else None
    return str(obj["metadata"].get("uid", "")) if obj else ""


__all__ = ["Publisher", "Resource", "difference", "uid_of"]

"""Writes statuses where they differ: off the path of a failover, coalesced, at most a few times a second.

A merge patch of only what changed; a field that is gone is set to null. Nothing is written when nothing changed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from backstay.api import Resource
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiError, ApiNotFound
from backstay_kube.kinds import Kind
from backstay_operator.statuses import Scene, Written, statuses
from backstay_operator.validation import Status
from backstay_operator.world import World

log = logging.getLogger(__name__)

PAUSE_S = 0.1
AT_A_TIME = 20
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

    def __init__(self, client: KubeClient, world: World) -> None:
        self._client = client
        self._world = world
        self._scene: Scene | None = None
        self._changed = asyncio.Event()
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
            scene = self._scene
            if scene is not None:
                for number, written in enumerate(statuses(scene)):
                    await self._write(written)
                    if number % AT_A_TIME == AT_A_TIME - 1:
                        await asyncio.sleep(0)  # a failover does not wait for a thousand statuses

    async def _write(self, written: Written) -> None:
        kind = KIND_OF[written.kind.info.kind]
        present = self._world.get(kind, written.name, written.namespace)
        if present is None:
            return
        change = difference(present.get("status") or {}, written.status)
        if not change:
            return
        try:
            answer = await self._client.patch(
                kind,
                written.name,
                {"status": change},
                namespace=written.namespace or None,
                subresource="status",
            )
        except ApiNotFound:
            return
        except ApiError as error:
            log.debug("cannot write the status of %s %s: %s", kind.name, written.name, error)
            self._changed.set()
            await asyncio.sleep(error.pause_s(0.0))
            return
        self.writes += 1
        self._world.accept(kind, "MODIFIED", answer)


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

"""One operator process: a ClusterTask for each HACluster, and a Lease of its own by which people see that it is there."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from backstay.api import LEASE_NAMESPACE
from backstay.api.quantities import timestamp
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound
from backstay_operator.dc import ClusterTask
from backstay_operator.exposition import SceneCollector
from backstay_operator.metrics import Metrics
from backstay_operator.presence import PREFIX, Presences
from backstay_operator.reading_watch import ReadingWatch
from backstay_operator.thought import Think, at_once
from backstay_operator.world import World

log = logging.getLogger(__name__)

PRESENCE_S = 10.0


class Replica:
    """Starts and ends ClusterTasks as HAClusters come and go."""

    def __init__(
        self,
        world: World,
        client: KubeClient,
        *,
        identity: str,
        metrics: Metrics,
        scenes: SceneCollector,
        think: Think = at_once,
    ) -> None:
        self._think = think
        self._world = world
        self._client = client
        self._identity = identity
        self._metrics = metrics
        self._scenes = scenes
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, ClusterTask] = {}
        self._changed = asyncio.Event()
        self._presences = Presences(self._lease)
        self._reading = ReadingWatch(world, metrics)
        world.listen(self._wake)
        world.listen_elections(self._poke)

    def _wake(self) -> None:
        self._changed.set()
        for task in self._running.values():
            task.wake()

    def _poke(self) -> None:
        for task in self._running.values():
            task.poke()

    async def run(self) -> None:
        """For ever."""
        own = [asyncio.create_task(self._presence()), asyncio.create_task(self._reading.run())]
        try:
            while True:
                self._changed.clear()
                self._match()
                await asyncio.wait(
                    [asyncio.create_task(self._changed.wait()), *own, *self._tasks.values()],
                    return_when=asyncio.FIRST_COMPLETED,
                    timeout=5.0,
                )
                self._reap(own)
        finally:
            await self._end(own)

    def _match(self) -> None:
        names = {cluster.metadata.name for cluster in self._world.clusters()}
        for name in sorted(names - self._tasks.keys()):
            task = ClusterTask(
                self._world,
                self._client,
                cluster=name,
                identity=self._identity,
                metrics=self._metrics,
                scenes=self._scenes,
                think=self._think,
            )
            self._running[name] = task
            self._tasks[name] = asyncio.create_task(task.run(), name=f"cluster {name}")
        for name in sorted(self._tasks.keys() - names):
            self._tasks.pop(name).cancel()
            self._running.pop(name)
            self._metrics.forget(name)
            log.info("the HACluster is gone", extra={"cluster": name})

    def _reap(self, own: Sequence[asyncio.Task[None]]) -> None:
        """A task of ours that ended did so by an error: that is ours to die of, and the supervisor's to restart."""
        for task in (*own, *self._tasks.values()):
            if task.done() and not task.cancelled():
                error = task.exception()
                if error is not None:
                    raise error

    async def _end(self, own: Sequence[asyncio.Task[None]]) -> None:
        for task in (*own, *self._tasks.values()):
            task.cancel()
        await asyncio.gather(*own, *self._tasks.values(), return_exceptions=True)
        try:
            async with asyncio.timeout(1.0):
                await self._client.delete(kinds.LEASE, self._lease, LEASE_NAMESPACE)
        except (ApiError, TimeoutError) as error:
            log.debug("cannot delete our presence: %s", error)

    @property
    def _lease(self) -> str:
        return PREFIX + self._identity.lower().replace("_", "-")

    async def _presence(self) -> None:
        """Show that this replica is there: renewed slowly, it decides nothing."""
        while True:
            spec = {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": round(3 * PRESENCE_S),
                "renewTime": timestamp(time.time()),
            }
            try:
                try:
                    await self._client.patch(
                        kinds.LEASE, self._lease, {"spec": spec}, namespace=LEASE_NAMESPACE
                    )
                except ApiNotFound:
                    body = {"metadata": {"name": self._lease, "namespace": LEASE_NAMESPACE}, "spec": spec}
                    await self._client.create(kinds.LEASE, body, LEASE_NAMESPACE)
            except (ApiError, ApiConflict) as error:
                log.debug("cannot renew our presence: %s", error)
            await self._bury()
            await asyncio.sleep(PRESENCE_S * random.uniform(0.8, 1.0))

    async def _bury(self) -> None:
        """Remove what replicas left that were killed."""
        for name, version in self._presences.dead(self._world.leases.objects(), time.monotonic()):
            try:
                await self._client.delete(kinds.LEASE, name, LEASE_NAMESPACE, resource_version=version)
                log.info("removed the presence of a replica that is gone", extra={"lease": name})
            except ApiError as error:
                log.debug("cannot remove the presence %s: %s", name, error)

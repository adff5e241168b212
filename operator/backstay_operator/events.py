"""Kubernetes Events from the DC's story. Off the path of a failover: a bounded queue, and what does not fit is counted."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from backstay.api import GROUP, VERSION
from backstay.api.quantities import timestamp
from backstay.coordinator import StoryItem
from backstay.state.claims import ObjectRef
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiError

log = logging.getLogger(__name__)

QUEUE_SIZE = 512
CLUSTER_NAMESPACE = "default"
"""Where Events about cluster-scoped objects are kept, as Kubernetes does."""


@dataclass(frozen=True, slots=True)
class _Subject:
    ref: ObjectRef
    uid: str


class EventWriter:
    """Writes Events one after the other."""

    def __init__(self, client: KubeClient, *, component: str, host: str) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[tuple[StoryItem, _Subject]] = asyncio.Queue(QUEUE_SIZE)
        self.dropped = 0

    def tell(self, item: StoryItem, ref: ObjectRef, uid: str) -> None:
        """Queue an Event about an object; never waits."""
        try:
            self._queue.put_nowait((item, _Subject(ref, uid)))
        except asyncio.QueueFull:
            self.dropped += 1

    @property
    def depth(self) -> int:
        """How many wait to be written."""
        return self._queue.qsize()

    async def run(self) -> None:
        """For ever."""
        while True:
            item, subject = await self._queue.get()
            try:
                await self._client.create(kinds.EVENT, self._body(item, subject))
            except ApiError as error:
                log.debug("cannot write an Event: %s", error)

    def _body(self, item: StoryItem, subject: _Subject) -> Obj:
        now = time.time()
        ref = subject.ref
        space = ref.namespace or CLUSTER_NAMESPACE
        stamp = timestamp(now)
        whole = stamp[:19] + "Z"
        return {
            "metadata": {"name": f"{ref.name}.{time.time_ns():x}", "namespace": space},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": ref.kind,
                "name": ref.name,
                "namespace": ref.namespace,
                "uid": subject.uid,
            },
            "reason": item.tale.value,
            "message": item.message[:1024],
            "type": "Warning" if item.warning else "Normal",
            "source": {"component": self._component, "host": self._host},
            "firstTimestamp": whole,
            "lastTimestamp": whole,
            "count": 1,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

"""Watches on the wire: chunked lines of JSON, pushed as the store commits.

A watch keeps no queue: it reads the store's history at its own pace, and a reader too slow for the history gets an
ERROR event (410) and is closed; one that does not read at all is cut after a while. Assumes one event loop, the
one the store is written on. Raises ApiError before the stream has begun.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import web

from backstay.objectstore import (
    ApiError,
    EventType,
    JsonObject,
    ObjectStore,
    Resource,
    StorageKey,
    Watch,
    WatchEvent,
)
from backstay_sandbox.apiserver.call import Call
from backstay_sandbox.apiserver.encoding import Encoder, encoded
from backstay_sandbox.apiserver.measurements import Measurements
from backstay_sandbox.apiserver.negotiation import JSON, Form, accepted_form
from backstay_sandbox.apiserver.query import number, watch_query
from backstay_sandbox.apiserver.route import Target
from backstay_sandbox.apiserver.table import partial_metadata, table_of

LOG = logging.getLogger(__name__)

TIMEOUT_S_DEFAULT = 1800
TIMEOUT_S_MAX = 86_400
BOOKMARK_INTERVAL_S = 60.0
WRITE_TIMEOUT_S = 30.0
"""How long a reader may leave a full connection unread before it is cut."""

BATCH_MAX = 16
"""Events per write: enough to keep up with a burst, few enough that large objects do not pile up in memory."""


class Wakeups:
    """Tells watches that their collection changed."""

    def __init__(self, store: ObjectStore) -> None:
        self._waiting: dict[StorageKey, dict[asyncio.Event, None]] = {}
        store.listen(self._wake)

    def _wake(self, storage: StorageKey) -> None:
        for event in self._waiting.get(storage, ()):
            event.set()

    def join(self, storage: StorageKey) -> asyncio.Event:
        event = asyncio.Event()
        self._waiting.setdefault(storage, {})[event] = None
        return event

    def leave(self, storage: StorageKey, event: asyncio.Event) -> None:
        waiting = self._waiting.get(storage, {})
        waiting.pop(event, None)
        if not waiting:
            self._waiting.pop(storage, None)


@dataclass(frozen=True, slots=True)
class Watching:
    """What every watch needs."""

    store: ObjectStore
    encoder: Encoder
    wakeups: Wakeups
    measurements: Measurements
    clock: Callable[[], float]

    async def serve(
        self, request: web.BaseRequest, call: Call, target: Target, resource: Resource
    ) -> web.StreamResponse:
        """Streams events until the watch times out, expires, or the reader leaves. Raises ApiError."""
        lines = _Lines(call, resource, self.encoder, self.clock)
        query = watch_query(call.params, resource, target.name)
        expired: JsonObject | None = None
        try:
            watch = self.store.watch(resource, target.namespace, query)
        except ApiError as refused:
            if refused.code != 410:
                raise
            # The real server says so inside the stream; clients expect it there.
            watch, expired = None, refused.status()
        response = web.StreamResponse(headers={"Content-Type": lines.content_type})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if watch is None:
            await response.write(lines.of(WatchEvent(EventType.ERROR, expired or {})))
            await response.write_eof()
            return response
        timeout_s = min(number(call.params, "timeoutSeconds") or TIMEOUT_S_DEFAULT, TIMEOUT_S_MAX)
        self.measurements.watches += 1
        try:
            async for chunk in self._chunks(watch, resource, lines, timeout_s, query.allows_bookmarks):
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await response.write(chunk)
            await response.write_eof()
        except TimeoutError:
            self.measurements.watches_cut += 1
            LOG.warning(
                "cut a watch on %s: its reader took nothing for %.0f s", resource.plural, WRITE_TIMEOUT_S
            )
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            LOG.debug("the reader of a watch on %s left", resource.plural)
        finally:
            self.measurements.watches -= 1
        return response

    async def _chunks(
        self, watch: Watch, resource: Resource, lines: "_Lines", timeout_s: float, bookmarks: bool
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        next_bookmark = loop.time() + BOOKMARK_INTERVAL_S
        changed = self.wakeups.join(resource.storage)
        try:
            while not watch.is_over and loop.time() < deadline:
                changed.clear()
                while watch.has_more and loop.time() < deadline:
                    events = watch.poll(BATCH_MAX)
                    self.measurements.watch_events += len(events)
                    if events:
                        yield b"".join([lines.of(event) for event in events])
                if watch.is_over:
                    break
                if bookmarks and loop.time() >= next_bookmark:
                    next_bookmark = loop.time() + BOOKMARK_INTERVAL_S
                    yield lines.of(watch.bookmark(version=self.store.version))
                until = min(deadline, next_bookmark) if bookmarks else deadline
                await _wait(changed, until - loop.time())
            if bookmarks and not watch.is_over and not watch.has_more:
                yield lines.of(watch.bookmark(version=self.store.version))
        finally:
            self.wakeups.leave(resource.storage, changed)


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await changed.wait()
    except TimeoutError:
        return


class _Lines:
    """Events as lines of JSON, in the form the client asked for."""

    def __init__(self, call: Call, resource: Resource, encoder: Encoder, clock: Callable[[], float]) -> None:
        self._form = accepted_form(call.accept)
        self._include = call.params.get("includeObject", "Metadata")
        self._resource = resource
        self._encoder = encoder
        self._clock = clock
        self._needs_columns = True
        self.content_type = JSON

    def of(self, event: WatchEvent) -> bytes:
        return b'{"type":"%s","object":%s}\n' % (event.type.value.encode(), self._object(event))

    def _object(self, event: WatchEvent) -> bytes:
        if event.type is EventType.ERROR:
            return encoded(event.document)
        if self._form is Form.TABLE:
            return encoded(self._table(event))
        if event.type is EventType.BOOKMARK:
            return encoded(event.document if self._form is Form.OBJECT else partial_metadata(event.document))
        if self._form is not Form.OBJECT:
            return encoded(partial_metadata(event.document))
        return self._encoder.stored(event.document)

    def _table(self, event: WatchEvent) -> JsonObject:
        metadata = event.document["metadata"]
        shown = table_of(
            self._resource,
            [] if event.type is EventType.BOOKMARK else [event.document],
            now=self._clock(),
            metadata={key: metadata[key] for key in ("resourceVersion", "annotations") if key in metadata}
            if event.type is EventType.BOOKMARK
            else {"resourceVersion": metadata["resourceVersion"]},
            include=self._include,
            with_columns=self._needs_columns,
        )
        self._needs_columns = False
        return shown

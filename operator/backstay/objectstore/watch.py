"""A watch: a reader's position in a collection's history, and how changes look through its selector.

Pure: `poll` returns what happened since the last poll and never waits; whoever serves it subscribes to the store
to learn when to poll. Assumes one reader per watch. A reader that falls behind the history gets one ERROR event
(410 Expired) and the watch is over.
"""

from dataclasses import dataclass

from backstay.objectstore.collection import Collection
from backstay.objectstore.document import JsonObject, with_path
from backstay.objectstore.errors import expired
from backstay.objectstore.history import Change, EventType
from backstay.objectstore.resource import Resource
from backstay.objectstore.selector import EVERYTHING, Selector

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class WatchQuery:
    """What to watch. `version` None starts with the objects there are; a number starts after that version."""

    selector: Selector = EVERYTHING
    version: int | None = None
    sends_initial_events: bool = False
    """Start with the objects there are, then a bookmark that says so (if bookmarks are allowed)."""
    allows_bookmarks: bool = False


@dataclass(frozen=True, slots=True)
class WatchEvent:
    type: EventType
    document: JsonObject


class Watch:
    """Made by `ObjectStore.watch`."""

    def __init__(
        self,
        resource: Resource,
        collection: Collection,
        query: WatchQuery,
        *,
        namespace: str | None,
        version: int,
    ) -> None:
        # The version the initial objects belong to: the bookmark after them must not promise more.
        self._started_at = version
        self._resource = resource
        self._collection = collection
        self._query = query
        self._namespace = namespace
        self._initial: list[JsonObject] = []
        self._announces_end = False
        self._is_over = False
        history = collection.history
        if query.version is None or query.sends_initial_events:
            self._initial = [
                document for document in collection.documents(namespace) if self._selects(document)
            ]
            self._initial.reverse()  # taken from the end
            self._announces_end = query.sends_initial_events and query.allows_bookmarks
            self._position = history.end
        else:
            if query.version < history.dropped_version:
                raise expired(f"too old resource version: {query.version} ({history.dropped_version})")
            self._position = history.position_after(query.version)

    @property
    def is_over(self) -> bool:
        """Nothing will ever come again: expired, or the resource was taken away."""
        return self._is_over or (
            self._collection.is_closed and self._position >= self._collection.history.end
        )

    @property
    def has_more(self) -> bool:
        """Whether a poll now may return something."""
        if self._is_over:
            return False
        return bool(self._initial) or self._announces_end or self._position < self._collection.history.end

    def poll(self, limit: int) -> list[WatchEvent]:
        """Up to `limit` events, oldest first; none when nothing happened."""
        events: list[WatchEvent] = []
        while self._initial and len(events) < limit:
            events.append(WatchEvent(EventType.ADDED, self._resource.shown(self._initial.pop())))
        if self._announces_end and not self._initial and len(events) < limit:
            self._announces_end = False
            marked = self.bookmark(version=self._started_at).document
            annotated = with_path(marked, ("metadata", "annotations"), {INITIAL_EVENTS_END: "true"})
            events.append(WatchEvent(EventType.BOOKMARK, annotated))
        if self._initial or self._announces_end:
            return events
        history = self._collection.history
        if self._position < history.first:
            self._is_over = True
            gone = expired(f"too old resource version: the watch fell behind {history.dropped_version}")
            return [*events, WatchEvent(EventType.ERROR, gone.status())]
        while self._position < history.end and len(events) < limit:
            event = self._seen(history.at(self._position))
            self._position += 1
            if event is not None:
                events.append(event)
        return events

    def bookmark(self, *, version: int) -> WatchEvent:
        """A bookmark at the store's resourceVersion. Only true when `has_more` is not."""
        document = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
        }
        return WatchEvent(EventType.BOOKMARK, document)

    def _selects(self, document: JsonObject) -> bool:
        selector = self._query.selector
        if selector.selects_all:
            return True
        return selector.matches(self._resource.shown(document))

    def _seen(self, change: Change) -> WatchEvent | None:
        document = change.document
        if self._namespace is not None and document["metadata"].get("namespace") != self._namespace:
            return None
        if self._query.selector.selects_all:
            return WatchEvent(change.type, self._resource.shown(document))
        was = change.previous is not None and self._selects(change.previous)
        is_now = change.type is not EventType.DELETED and self._selects(document)
        if is_now:
            kind = EventType.MODIFIED if was else EventType.ADDED
            return WatchEvent(kind, self._resource.shown(document))
        if not was or change.previous is None:
            return None
        # It left the selection: the last state that was in it, at the version of leaving.
        last = with_path(change.previous, ("metadata", "resourceVersion"), str(change.version))
        return WatchEvent(EventType.DELETED, self._resource.shown(last))

"""The objects kept under one storage key, in key order, with their recent history.

Assumes documents in stored form that nobody changes. It decides nothing: `store` commits, this keeps.
"""

from bisect import bisect_left, insort

from backstay.objectstore.document import JsonObject
from backstay.objectstore.errors import expired
from backstay.objectstore.history import Change, EventType, History

ObjectKey = tuple[str, str]
"""(namespace, name); the namespace of a cluster-scoped object is empty."""


class Collection:
    def __init__(self, *, history_limit: int, since: int) -> None:
        self._documents: dict[ObjectKey, JsonObject] = {}
        self._keys: list[ObjectKey] = []
        self.history = History(limit=history_limit, since=since)
        self.is_closed = False
        """The resource was taken away: watches end."""

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: ObjectKey) -> JsonObject | None:
        return self._documents.get(key)

    def keys(self, namespace: str | None) -> list[ObjectKey]:
        """All keys in order, or those of one namespace."""
        if namespace is None:
            return list(self._keys)
        start = bisect_left(self._keys, (namespace, ""))
        # "\0" sorts before anything a namespace may contain, so this is the first key of the next namespace.
        return self._keys[start : bisect_left(self._keys, (namespace + "\0", ""))]

    def documents(self, namespace: str | None) -> list[JsonObject]:
        return [self._documents[key] for key in self.keys(namespace)]

    def put(self, key: ObjectKey, document: JsonObject, *, version: int) -> Change:
        previous = self._documents.get(key)
        if previous is None:
            insort(self._keys, key)
        self._documents[key] = document
        kind = EventType.ADDED if previous is None else EventType.MODIFIED
        return self._remember(Change(version, kind, document, previous))

    def remove(self, key: ObjectKey, last: JsonObject, *, version: int) -> Change:
        """Takes the object away; `last` is what its DELETED event shows."""
        previous = self._documents.pop(key)
        del self._keys[bisect_left(self._keys, key)]
        return self._remember(Change(version, EventType.DELETED, last, previous))

    def restore(self, key: ObjectKey, document: JsonObject) -> None:
        """Puts a saved object back, without an event."""
        insort(self._keys, key)
        self._documents[key] = document

    def rewrite(self, key: ObjectKey, document: JsonObject) -> None:
        """Changes how a stored object reads, without an event: its schema changed, not the object."""
        self._documents[key] = document

    def _remember(self, change: Change) -> Change:
        self.history.append(change)
        return change

    def as_of(self, version: int) -> dict[ObjectKey, JsonObject]:
        """The objects as they were at `version`. Raises Expired when the history does not reach back so far."""
        if version < self.history.dropped_version:
            raise expired(f"too old resource version: {version} ({self.history.dropped_version})")
        past = dict(self._documents)
        for position in range(self.history.end - 1, self.history.first - 1, -1):
            change = self.history.at(position)
            if change.version <= version:
                break
            metadata = change.document["metadata"]
            key = (metadata.get("namespace", ""), metadata["name"])
            if change.previous is None:
                past.pop(key, None)
            else:
                past[key] = change.previous
        return past

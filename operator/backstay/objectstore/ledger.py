"""Where committed documents live: the collections, the one resourceVersion, the owner index, the listeners.

It commits what it is told and judges nothing; `store` decides before, `reaper` reacts after. Every commit takes the
next resourceVersion, so a version names one change in the whole store. Assumes one writer at a time.
"""

from collections import deque
from collections.abc import Callable, Iterator

from backstay.objectstore.collection import Collection, ObjectKey
from backstay.objectstore.document import JsonObject
from backstay.objectstore.history import Change
from backstay.objectstore.listing import key_of
from backstay.objectstore.resource import StorageKey

Place = tuple[StorageKey, ObjectKey]
"""Where one object is kept."""

Listener = Callable[[StorageKey], None]
"""Told after each commit which collection changed. It must not write."""


class Ledger:
    def __init__(self, *, history_limit: int) -> None:
        self.version = 1
        self._history_limit = history_limit
        self._collections: dict[StorageKey, Collection] = {}
        self._listeners: list[Listener] = []
        self._places: dict[str, Place] = {}
        self._dependents: dict[str, dict[Place, None]] = {}
        self.unseen: deque[tuple[StorageKey, Change]] = deque()
        """Commits whose consequences nobody has worked out yet; `reaper` takes them. Bounded by draining it
        after every request."""

    def open(self, storage: StorageKey) -> None:
        """Makes room for a collection, unless there is one."""
        if storage not in self._collections:
            self._collections[storage] = Collection(history_limit=self._history_limit, since=self.version)

    def close(self, storage: StorageKey) -> None:
        """Takes an empty collection away; its watches end."""
        collection = self._collections.pop(storage, None)
        if collection is not None:
            assert len(collection) == 0, "a collection is emptied before it is closed"
            collection.is_closed = True
            self._tell(storage)

    def collection(self, storage: StorageKey) -> Collection:
        return self._collections[storage]

    def storages(self) -> tuple[StorageKey, ...]:
        return tuple(self._collections)

    def get(self, place: Place) -> JsonObject | None:
        collection = self._collections.get(place[0])
        return None if collection is None else collection.get(place[1])

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def write(self, storage: StorageKey, document: JsonObject) -> JsonObject:
        """Commits a new or changed document; returns it with its resourceVersion."""
        document = self._stamped(document)
        key = key_of(document)
        change = self._collections[storage].put(key, document, version=self.version)
        self._index((storage, key), change)
        self._announce(storage, change)
        return document

    def erase(self, storage: StorageKey, document: JsonObject) -> JsonObject:
        """Takes an object away; `document` is its last state. Returns it with the version of its end."""
        document = self._stamped(document)
        key = key_of(document)
        change = self._collections[storage].remove(key, document, version=self.version)
        self._index((storage, key), change)
        self._announce(storage, change)
        return document

    def restart(self, version: int) -> None:
        """Goes on from a saved version; what was before it is no longer in any history."""
        self.version = version
        for storage in self.storages():
            self._collections[storage] = Collection(history_limit=self._history_limit, since=version)

    def load(self, storage: StorageKey, document: JsonObject) -> None:
        """Puts a document back as it was saved, with its own resourceVersion and without an event."""
        key = key_of(document)
        self._collections[storage].restore(key, document)
        self._places[document["metadata"]["uid"]] = (storage, key)
        for uid in owner_uids(document):
            self._dependents.setdefault(uid, {})[(storage, key)] = None

    def place_of(self, uid: str) -> Place | None:
        """Where the object with this uid is, if it is."""
        return self._places.get(uid)

    def dependents_of(self, uid: str) -> list[Place]:
        """The objects that name this uid as an owner, in the order they began to."""
        return list(self._dependents.get(uid, ()))

    def in_namespace(self, namespace: str) -> Iterator[Place]:
        for storage in self.storages():
            for key in self._collections[storage].keys(namespace):
                yield storage, key

    def _stamped(self, document: JsonObject) -> JsonObject:
        self.version += 1
        metadata = {**document["metadata"], "resourceVersion": str(self.version)}
        return {**document, "metadata": metadata}

    def _index(self, place: Place, change: Change) -> None:
        before = owner_uids(change.previous) if change.previous is not None else ()
        is_gone = change.document is not self.get(place)
        after = () if is_gone else owner_uids(change.document)
        uid = change.document["metadata"]["uid"]
        if is_gone:
            self._places.pop(uid, None)
        elif change.previous is None:
            self._places[uid] = place
        if before == after:
            return
        for owner in before:
            if owner not in after:
                held = self._dependents.get(owner, {})
                held.pop(place, None)
                if not held:
                    self._dependents.pop(owner, None)
        for owner in after:
            self._dependents.setdefault(owner, {})[place] = None

    def _announce(self, storage: StorageKey, change: Change) -> None:
        self.unseen.append((storage, change))
        self._tell(storage)

    def _tell(self, storage: StorageKey) -> None:
        for listener in tuple(self._listeners):
            listener(storage)


def owner_uids(document: JsonObject) -> tuple[str, ...]:
    """The uids an object names as owners."""
    owners = document["metadata"].get("ownerReferences")
    return tuple(owner["uid"] for owner in owners) if owners else ()

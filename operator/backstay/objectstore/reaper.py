"""What follows from a commit: dependents of what is gone, contents of what is going away.

The real cluster has controllers for this (garbage collector, namespace controller, definition finalizer); here the
same consequences follow at once, in the same request, in a fixed order. It reacts only to committed changes, so it
needs no state of its own. Assumes `ledger` holds only admitted documents; refuses nothing.
"""

from backstay.objectstore import crd
from backstay.objectstore.collection import ObjectKey
from backstay.objectstore.document import MISSING, JsonObject, at_path, with_key, with_path
from backstay.objectstore.history import Change, EventType
from backstay.objectstore.ledger import Ledger, Place, owner_uids
from backstay.objectstore.resource import StorageKey
from backstay.objectstore.timestamps import rfc3339

NAMESPACES: StorageKey = ("", "namespaces")
DEFINITIONS: StorageKey = (crd.GROUP, crd.PLURAL)
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


def finalizers_of(document: JsonObject) -> list[str]:
    return list(document["metadata"].get("finalizers") or ())


def is_deleting(document: JsonObject) -> bool:
    return bool(document["metadata"].get("deletionTimestamp"))


def without_finalizer(document: JsonObject, name: str) -> JsonObject:
    left = [held for held in finalizers_of(document) if held != name]
    return with_path(document, ("metadata", "finalizers"), left or MISSING)


def may_go(storage: StorageKey, document: JsonObject) -> bool:
    """Whether nothing holds an object that is being deleted."""
    if finalizers_of(document):
        return False
    return storage != NAMESPACES or not at_path(document, ("spec", "finalizers"))


def marked_deleting(document: JsonObject, *, now: float, finalizers: list[str]) -> JsonObject:
    """The document on its way out, held by these finalizers."""
    metadata = {**document["metadata"], "deletionTimestamp": rfc3339(now), "deletionGracePeriodSeconds": 0}
    if finalizers:
        metadata["finalizers"] = finalizers
    if "generation" in metadata:
        metadata["generation"] += 1
    return {**document, "metadata": metadata}


class Reaper:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def react(self, storage: StorageKey, change: Change, *, now: float) -> None:
        """Carries out what follows from one commit; that may commit more."""
        document = change.document
        if change.type is EventType.DELETED:
            self._after_removal(storage, document, now=now)
            return
        place = (storage, self._key(document))
        if self._ledger.get(place) is not document:
            return  # changed again since; that change has its own turn
        if is_deleting(document):
            self._while_deleting(place, document, now=now)
        elif owner_uids(document) and (change.previous is None or self._owners_changed(change)):
            self._collect_if_ownerless(place, now=now)

    def delete(self, place: Place, *, now: float, extra: tuple[str, ...] = ()) -> JsonObject:
        """Deletes an object, or marks it when finalizers hold it. Returns its last or its marked state."""
        storage, _ = place
        document = self._ledger.get(place)
        assert document is not None, "only an object that is there can be deleted"
        if is_deleting(document):
            return document
        finalizers = [*finalizers_of(document), *extra]
        if not finalizers and storage != NAMESPACES:
            return self._ledger.erase(storage, document)
        marked = marked_deleting(document, now=now, finalizers=finalizers)
        if storage == NAMESPACES:
            marked = with_path(marked, ("status", "phase"), "Terminating")
        elif storage == DEFINITIONS:
            marked = crd.terminating(marked, now=now)
        return self._ledger.write(storage, marked)

    def settle(self, storage: StorageKey, document: JsonObject) -> JsonObject:
        """Writes a changed document, or erases it when it was only waiting for this change."""
        if is_deleting(document) and may_go(storage, document):
            return self._ledger.erase(storage, document)
        return self._ledger.write(storage, document)

    @staticmethod
    def _key(document: JsonObject) -> ObjectKey:
        metadata = document["metadata"]
        return (metadata.get("namespace", ""), metadata["name"])

    @staticmethod
    def _owners_changed(change: Change) -> bool:
        return change.previous is not None and owner_uids(change.previous) != owner_uids(change.document)

    def _after_removal(self, storage: StorageKey, document: JsonObject, *, now: float) -> None:
        metadata = document["metadata"]
        for place in self._ledger.dependents_of(metadata["uid"]):
            self._collect_if_ownerless(place, now=now)
        for uid in owner_uids(document):
            owner = self._ledger.place_of(uid)
            if owner is not None:
                self._recheck(owner, now=now)
        if metadata.get("namespace"):
            self._recheck((NAMESPACES, ("", metadata["namespace"])), now=now)
        self._recheck((DEFINITIONS, ("", ".".join(reversed(storage)))), now=now)

    def _recheck(self, place: Place, *, now: float) -> None:
        document = self._ledger.get(place)
        if document is not None and is_deleting(document):
            self._while_deleting(place, document, now=now)

    def _while_deleting(self, place: Place, document: JsonObject, *, now: float) -> None:
        storage, (_, name) = place
        if storage == NAMESPACES:
            self._drain_namespace(place, name, now=now)
        elif storage == DEFINITIONS and crd.CLEANUP_FINALIZER in finalizers_of(document):
            self._drain_definition(place, document, now=now)
        elif ORPHAN in finalizers_of(document):
            self._orphan_dependents(place, document)
        elif FOREGROUND in finalizers_of(document):
            self._delete_dependents_first(place, document, now=now)

    def _drain_namespace(self, place: Place, name: str, *, now: float) -> None:
        for content in list(self._ledger.in_namespace(name)):
            if self._ledger.get(content) is not None:
                self.delete(content, now=now)
        namespace = self._ledger.get(place)
        is_empty = next(self._ledger.in_namespace(name), None) is None
        if (
            namespace is not None
            and is_empty
            and at_path(namespace, ("spec", "finalizers")) == ["kubernetes"]
        ):
            self.settle(NAMESPACES, with_path(namespace, ("spec",), {}))

    def _drain_definition(self, place: Place, definition: JsonObject, *, now: float) -> None:
        spec = definition["spec"]
        storage = (spec["group"], spec["names"]["plural"])
        if storage in self._ledger.storages():
            collection = self._ledger.collection(storage)
            for key in collection.keys(None):
                if collection.get(key) is not None:
                    self.delete((storage, key), now=now)
            if len(collection) > 0:
                return
        current = self._ledger.get(place)
        if current is not None and crd.CLEANUP_FINALIZER in finalizers_of(current):
            self.settle(DEFINITIONS, without_finalizer(current, crd.CLEANUP_FINALIZER))

    def _orphan_dependents(self, place: Place, document: JsonObject) -> None:
        uid = document["metadata"]["uid"]
        for dependent in self._ledger.dependents_of(uid):
            self._drop_owners(dependent, (uid,))
        self.settle(place[0], without_finalizer(document, ORPHAN))

    def _drop_owners(self, place: Place, uids: tuple[str, ...]) -> None:
        document = self._ledger.get(place)
        if document is None:
            return
        left = [
            owner for owner in document["metadata"].get("ownerReferences") or () if owner["uid"] not in uids
        ]
        metadata = with_key(document["metadata"], "ownerReferences", left or MISSING)
        self._ledger.write(place[0], {**document, "metadata": metadata})

    def _delete_dependents_first(self, place: Place, document: JsonObject, *, now: float) -> None:
        uid = document["metadata"]["uid"]
        for dependent in self._ledger.dependents_of(uid):
            found = self._ledger.get(dependent)
            if found is not None and not self._has_living_owner(found):
                self.delete(dependent, now=now, extra=(FOREGROUND,))
        if any(self._blocks(dependent, uid) for dependent in self._ledger.dependents_of(uid)):
            return
        current = self._ledger.get(place)
        if current is not None and FOREGROUND in finalizers_of(current):
            self.settle(place[0], without_finalizer(current, FOREGROUND))

    def _blocks(self, place: Place, owner_uid: str) -> bool:
        document = self._ledger.get(place)
        if document is None or not is_deleting(document):
            return False
        owners = document["metadata"].get("ownerReferences") or ()
        return any(owner["uid"] == owner_uid and owner.get("blockOwnerDeletion") for owner in owners)

    def _has_living_owner(self, document: JsonObject) -> bool:
        """Whether some owner is there and not itself waiting for its dependents to go."""
        for uid in owner_uids(document):
            place = self._ledger.place_of(uid)
            owner = None if place is None else self._ledger.get(place)
            if owner is not None and not (is_deleting(owner) and FOREGROUND in finalizers_of(owner)):
                return True
        return False

    def _collect_if_ownerless(self, place: Place, *, now: float) -> None:
        document = self._ledger.get(place)
        if document is None or is_deleting(document):
            return
        gone = tuple(uid for uid in owner_uids(document) if self._ledger.place_of(uid) is None)
        if not gone:
            return
        if len(gone) < len(owner_uids(document)):
            self._drop_owners(place, gone)
        else:
            self.delete(place, now=now)

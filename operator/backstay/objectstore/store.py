"""The object store: a Kubernetes API without HTTP, clock or dice.

One global resourceVersion, optimistic conflicts, watches from history, finalizers and garbage collection, custom
resources with validation, server-side apply. Everything happens at once and in order: a call returns after all its
consequences (namespace contents, dependents, definitions) were committed. `now` is Unix seconds.

Assumes one caller at a time, and that documents handed in are not changed afterwards; documents handed out are
shared with the store and must not be changed. Refuses, with ApiError, what the real server refuses.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from backstay.objectstore import crd
from backstay.objectstore.admission import (
    DEFAULT_OPTIONS,
    Admitted,
    Request,
    WriteOptions,
    admit_create,
    admit_update,
)
from backstay.objectstore.applying import apply_configuration
from backstay.objectstore.catalog import Catalog
from backstay.objectstore.collection import Collection, ObjectKey
from backstay.objectstore.document import Json, JsonObject, graft
from backstay.objectstore.errors import (
    ApiError,
    Reason,
    already_exists,
    bad_request,
    conflict,
    expired,
    forbidden,
    method_not_allowed,
    not_found,
    unsupported_media_type,
)
from backstay.objectstore.expiry import expired_events
from backstay.objectstore.expressions import CelRules
from backstay.objectstore.ids import IdSource
from backstay.objectstore.ledger import Ledger, Listener
from backstay.objectstore.listing import EVERY_OBJECT, Listing, ListQuery, list_documents
from backstay.objectstore.patch import PatchError, json_patch, merge_patch
from backstay.objectstore.reaper import DEFINITIONS, FOREGROUND, NAMESPACES, ORPHAN, Reaper, is_deleting
from backstay.objectstore.resource import Resource, StorageKey
from backstay.objectstore.schema import RuleCompiler
from backstay.objectstore.selector import EVERYTHING, Selector
from backstay.objectstore.strategic import strategic_merge
from backstay.objectstore.watch import Watch, WatchQuery

HISTORY_LIMIT = 4096
OBJECT_BYTES_MAX = 1_572_864
"""etcd's request limit: a larger object would not be stored by a real server either."""

CEL: RuleCompiler = CelRules()
EVENTS: StorageKey = ("", "events")
SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
NAME_ATTEMPTS_MAX = 8


class PatchType(Enum):
    """How a patch document is to be read; the values are the media types."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch document and its type. `force` lets an apply take fields from other owners."""

    type: PatchType
    document: Json
    force: bool = False


class Propagation(Enum):
    """What becomes of an object's dependents when it is deleted."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Preconditions (empty means none) and manner of a delete."""

    uid: str = ""
    version: str = ""
    propagation: Propagation = Propagation.BACKGROUND
    dry_run: bool = False


PLAIN_DELETE = DeleteOptions()


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write: the object as the request's version shows it."""

    document: JsonObject
    is_new: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deleted:
    """The outcome of a delete: the last state, or the state that waits for its finalizers."""

    document: JsonObject
    is_gone: bool


class ObjectStore:
    """See the module. `ids` names new objects, `rules` compiles the CEL rules of definitions."""

    def __init__(
        self,
        *,
        ids: IdSource,
        rules: RuleCompiler = CEL,
        history_limit: int = HISTORY_LIMIT,
        object_bytes_max: int | None = OBJECT_BYTES_MAX,
    ) -> None:
        self._ids = ids
        self._ledger = Ledger(history_limit=history_limit)
        self._catalog = Catalog(self._ledger, rules)
        self._registry = self._catalog.registry
        self._reaper = Reaper(self._ledger)
        self._object_bytes_max = object_bytes_max

    # Looking

    @property
    def version(self) -> int:
        """The resourceVersion of the last commit."""
        return self._ledger.version

    def resources(self) -> tuple[Resource, ...]:
        """Everything that is served, in a stable order."""
        return self._registry.all()

    def resource(self, group: str, version: str, plural: str) -> Resource | None:
        return self._registry.find(group, version, plural)

    def resource_of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource a manifest's apiVersion and kind mean."""
        return self._registry.of_kind(api_version, kind)

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        """One object. `namespace` is empty for cluster-scoped kinds. Raises NotFound."""
        return resource.shown(self._stored(resource, namespace, name))

    def list(self, resource: Resource, namespace: str | None, query: ListQuery = EVERY_OBJECT) -> Listing:
        """A page of objects in key order; `namespace` None lists all namespaces."""
        return list_documents(
            resource, self._collection(resource), query, namespace=namespace, version=self._ledger.version
        )

    def count(self, resource: Resource) -> int:
        """How many objects there are."""
        return len(self._collection(resource))

    def watch(self, resource: Resource, namespace: str | None, query: WatchQuery) -> Watch:
        """A reader of what happens from now (or from `query.version`) on. Raises Expired."""
        if query.version is not None and query.version > self._ledger.version:
            # A client that knows a later version comes from another life of this store: it must list again.
            raise expired(f"too old resource version: {query.version} is ahead of {self._ledger.version}")
        collection = self._collection(resource)
        return Watch(resource, collection, query, namespace=namespace, version=self._ledger.version)

    def listen(self, listener: Listener) -> None:
        """`listener(storage_key)` is called after every commit; it must not write to the store."""
        self._ledger.listen(listener)

    def unlisten(self, listener: Listener) -> None:
        self._ledger.unlisten(listener)

    # Writing

    def create(
        self,
        resource: Resource,
        namespace: str,
        document: Json,
        *,
        now: float,
        options: WriteOptions = DEFAULT_OPTIONS,
    ) -> Written:
        """A new object. Raises AlreadyExists, Invalid, BadRequest, NotFound or Forbidden (its namespace)."""
        request = Request(resource, namespace, "", now, options)
        return self._create(request, document)

    def replace(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        document: Json,
        *,
        now: float,
        options: WriteOptions = DEFAULT_OPTIONS,
        subresource: str = "",
    ) -> Written:
        """The object as a whole, or one subresource of it. Raises Conflict on a stale resourceVersion."""
        request = Request(resource, namespace, subresource, now, options)
        return self._update(request, self._stored(resource, namespace, name), lambda old: document)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Patch,
        *,
        now: float,
        options: WriteOptions = DEFAULT_OPTIONS,
        subresource: str = "",
    ) -> Written:
        """A change to an object; an apply creates one that is not there. Raises Conflict, Invalid, NotFound."""
        is_apply = patch.type is PatchType.APPLY
        request = Request(
            resource,
            namespace,
            subresource,
            now,
            options,
            is_apply=is_apply,
            is_patch=True,
            sent=patch.document,
        )
        if is_apply:
            return self._apply(request, name, patch)
        if patch.type is PatchType.STRATEGIC and resource.is_custom:
            accepted = ", ".join(kind.value for kind in PatchType if kind is not PatchType.STRATEGIC)
            raise unsupported_media_type(accepted)
        stored = self._stored(resource, namespace, name)
        return self._update(request, stored, lambda old: _patched(resource, old, patch))

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        now: float,
        options: DeleteOptions = PLAIN_DELETE,
    ) -> Deleted:
        """Deletes an object, or marks it when finalizers hold it. Raises NotFound, Conflict, Forbidden."""
        stored = self._stored(resource, namespace, name)
        self._check_delete(resource, stored, options)
        place = (resource.storage, (namespace if resource.namespaced else "", name))
        if options.dry_run:
            return Deleted(resource.shown(stored), is_gone=True)
        extra = {Propagation.FOREGROUND: (FOREGROUND,), Propagation.ORPHAN: (ORPHAN,)}.get(
            options.propagation, ()
        )
        last = self._reaper.delete(place, now=now, extra=extra)
        self._follow_up(now=now)
        current = self._ledger.get(place)
        is_gone = current is None or current["metadata"]["uid"] != last["metadata"]["uid"]
        return Deleted(resource.shown(last if current is None or is_gone else current), is_gone=is_gone)

    def delete_collection(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        now: float,
        selector: Selector = EVERYTHING,
        options: DeleteOptions = PLAIN_DELETE,
    ) -> tuple[JsonObject, ...]:
        """Deletes every selected object; returns what was selected."""
        selected = self.list(resource, namespace, ListQuery(selector=selector)).documents
        for document in selected:
            metadata = document["metadata"]
            place = (resource.storage, (metadata.get("namespace", ""), metadata["name"]))
            if self._ledger.get(place) is not None:
                self.delete(
                    resource, metadata.get("namespace", ""), metadata["name"], now=now, options=options
                )
        return tuple(selected)

    def create_system_namespaces(self, *, now: float) -> None:
        """The namespaces every cluster has; those that are there stay."""
        namespaces = self._registry.find("", "v1", "namespaces")
        assert namespaces is not None, "namespaces are built in"
        for name in SYSTEM_NAMESPACES:
            if self._ledger.get((NAMESPACES, ("", name))) is None:
                self.create(namespaces, "", {"metadata": {"name": name}}, now=now)

    def forget_old_events(self, *, now: float) -> int:
        """Deletes events nobody wrote to for an hour, as the real server does; returns how many. Call it now and
        then: the store has no clock to do so by itself."""
        events = self._ledger.collection(EVENTS)
        due = expired_events(events.documents(None), now=now)
        for key in due:
            self._reaper.delete((EVENTS, key), now=now)
        self._follow_up(now=now)
        return len(due)

    # Keeping

    def snapshot(self) -> JsonObject:
        """Everything needed to go on after a restart, as one JSON document. The history is not part of it."""
        objects = [
            {
                "group": storage[0],
                "plural": storage[1],
                "items": self._ledger.collection(storage).documents(None),
            }
            for storage in self._ledger.storages()
        ]
        return {"version": self._ledger.version, "objects": objects}

    def restore(self, snapshot: JsonObject) -> None:
        """Fills an empty store from a snapshot. Watches from before it get Expired."""
        saved = {(entry["group"], entry["plural"]): entry["items"] for entry in snapshot["objects"]}
        self._ledger.restart(int(snapshot["version"]))
        for definition in saved.pop(DEFINITIONS, []):
            self._ledger.load(DEFINITIONS, definition)
            if crd.is_established(definition):
                self._catalog.serve(definition)
        for storage, items in saved.items():
            self._ledger.open(storage)
            for document in items:
                self._ledger.load(storage, document)

    # Below: how it is done

    def _collection(self, resource: Resource) -> Collection:
        return self._ledger.collection(resource.storage)

    def _stored(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        key = (namespace if resource.namespaced else "", name)
        found = self._collection(resource).get(key)
        if found is None:
            raise not_found(resource.group, resource.plural, name)
        return found

    def _create(self, request: Request, document: Json) -> Written:
        resource = request.resource
        self._check_may_create(request)
        collection = self._collection(resource)
        for attempt in range(1, NAME_ATTEMPTS_MAX + 1):
            admitted = admit_create(request, document, ids=self._ids)
            metadata = admitted.document["metadata"]
            key: ObjectKey = (metadata.get("namespace", ""), metadata["name"])
            if collection.get(key) is None:
                break
            given = isinstance(document, dict) and (document.get("metadata") or {}).get("name")
            if given or attempt == NAME_ATTEMPTS_MAX:
                raise already_exists(resource.group, resource.plural, metadata["name"])
        self._check_size(admitted.document)
        if request.options.dry_run:
            return Written(admitted.document, is_new=True, warnings=admitted.warnings)
        self._ledger.write(resource.storage, resource.kept(admitted.document))
        self._follow_up(now=request.now)
        current = self._ledger.get((resource.storage, key))
        shown = resource.shown(current) if current is not None else admitted.document
        return Written(shown, is_new=True, warnings=admitted.warnings)

    def _check_may_create(self, request: Request) -> None:
        resource = request.resource
        if resource.is_custom:
            name = f"{resource.plural}.{resource.group}"
            definition = self._ledger.get((DEFINITIONS, ("", name)))
            if definition is not None and is_deleting(definition):
                raise method_not_allowed()
        if not resource.namespaced:
            return
        if not request.namespace:
            raise bad_request("namespace must be specified to create a namespaced object")
        namespace = self._ledger.get((NAMESPACES, ("", request.namespace)))
        if namespace is None:
            raise not_found("", "namespaces", request.namespace)
        if is_deleting(namespace):
            text = f"unable to create new content in namespace {request.namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {request.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise forbidden(resource.group, resource.plural, "", detail=text, causes=[cause])

    def _apply(self, request: Request, name: str, patch: Patch) -> Written:
        resource = request.resource
        key = (request.namespace if resource.namespaced else "", name)
        stored = self._collection(resource).get(key)
        live = resource.shown(stored) if stored is not None else None
        if live is None and request.subresource:
            raise not_found(resource.group, resource.plural, name)
        applied = apply_configuration(request, live, patch.document, name=name, force=patch.force)
        if stored is None:
            return self._create(request, applied)
        return self._update(request, stored, lambda old: applied)

    def _update(self, request: Request, stored: JsonObject, change: Callable[[JsonObject], Json]) -> Written:
        """`change` makes the candidate from the stored object as the request's version shows it."""
        resource = request.resource
        old = resource.shown(stored)
        admitted = admit_update(request, old, change(old))
        if admitted.document is old or request.options.dry_run:
            return Written(admitted.document, warnings=admitted.warnings)
        self._check_size(admitted.document)
        return self._commit_update(request, stored, admitted)

    def _commit_update(self, request: Request, stored: JsonObject, admitted: Admitted) -> Written:
        resource = request.resource
        kept = graft(stored, resource.kept(admitted.document))
        written = self._reaper.settle(resource.storage, kept)
        self._follow_up(now=request.now)
        metadata = written["metadata"]
        current = self._ledger.get((resource.storage, (metadata.get("namespace", ""), metadata["name"])))
        is_same = current is not None and current["metadata"]["uid"] == metadata["uid"]
        shown = resource.shown(current if current is not None and is_same else written)
        return Written(shown, warnings=admitted.warnings)

    def _check_size(self, document: JsonObject) -> None:
        limit = self._object_bytes_max
        if limit is not None and len(json.dumps(document, separators=(",", ":"))) > limit:
            raise ApiError(413, Reason.REQUEST_TOO_LARGE, "etcdserver: request is too large")

    def _check_delete(self, resource: Resource, stored: JsonObject, options: DeleteOptions) -> None:
        metadata = stored["metadata"]
        for word, wanted, found in (
            ("UID", options.uid, metadata["uid"]),
            ("ResourceVersion", options.version, metadata["resourceVersion"]),
        ):
            if wanted and wanted != found:
                detail = (
                    f"Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found}"
                )
                raise conflict(resource.group, resource.plural, metadata["name"], detail=detail)
        if resource.storage == NAMESPACES and metadata["name"] in ("default", "kube-system", "kube-public"):
            raise forbidden("", "namespaces", metadata["name"], detail="this namespace may not be deleted")

    def _follow_up(self, *, now: float) -> None:
        """Works out the consequences of every commit, and of the commits those make, until none is left."""
        unseen = self._ledger.unseen
        while unseen:
            storage, change = unseen.popleft()
            if storage == DEFINITIONS:
                self._catalog.react(change, now=now)
            self._reaper.react(storage, change, now=now)


def _patched(resource: Resource, old: JsonObject, patch: Patch) -> Json:
    """The candidate a patch makes of the stored object. Raises Invalid for a patch that does not fit."""
    try:
        match patch.type:
            case PatchType.JSON:
                return json_patch(old, patch.document)
            case PatchType.MERGE:
                return merge_patch(old, patch.document)
            case PatchType.STRATEGIC:
                return strategic_merge(resource.ownership, old, patch.document)
            case PatchType.APPLY:
                raise AssertionError("apply has its own way")
    except PatchError as broken:
        raise ApiError(
            422,
            Reason.INVALID,
            "the server rejected our request due to an error in our request",
            details={"causes": [{"message": str(broken)}]},
        ) from broken

"""Which resources are served: the built-in ones, and those of the definitions in the store.

Reacts to committed definitions: settles their status, registers what they serve, brings stored objects into a new
schema's shape, withdraws a deleted one. Assumes definitions that `crd` examined before they were stored.
"""

from backstay.objectstore import crd
from backstay.objectstore.builtin import builtin_resources
from backstay.objectstore.document import JsonObject, graft
from backstay.objectstore.history import Change, EventType
from backstay.objectstore.ledger import Ledger
from backstay.objectstore.reaper import DEFINITIONS, is_deleting
from backstay.objectstore.resource import Registry, StorageKey
from backstay.objectstore.schema import RuleCompiler
from backstay.objectstore.structural import fill_defaults, prune


class Catalog:
    """Keeps the registry true to the definitions. `rules` compiles their CEL."""

    def __init__(self, ledger: Ledger, rules: RuleCompiler) -> None:
        self._ledger = ledger
        self._definitions = crd.Definitions(rules)
        self.registry = Registry()
        for resource in (*builtin_resources(), self._definitions.resource()):
            self.registry.add(resource)
            ledger.open(resource.storage)

    def react(self, change: Change, *, now: float) -> None:
        """Carries out what follows from one committed definition."""
        definition = change.document
        if change.type is EventType.DELETED:
            self._withdraw(definition)
            return
        if is_deleting(definition):
            return
        place = (DEFINITIONS, ("", definition["metadata"]["name"]))
        if self._ledger.get(place) is not definition:
            return
        held_by = self._name_conflict(definition)
        settled = graft(definition, crd.settled(definition, now=now, name_conflict=held_by))
        if settled is not definition:
            self._ledger.write(DEFINITIONS, settled)
        if not held_by and (change.previous is None or change.previous["spec"] is not definition["spec"]):
            self.serve(definition)

    def _name_conflict(self, definition: JsonObject) -> str:
        spec = definition["spec"]
        storage = (spec["group"], spec["names"]["plural"])
        for resource in self.registry.all():
            is_other = resource.group == spec["group"] and resource.storage != storage
            if is_other and resource.kind == spec["names"]["kind"]:
                return f'"{resource.kind}" is already in use'
        return ""

    def serve(self, definition: JsonObject) -> None:
        """Registers what a definition serves; objects already stored take the new schema's shape."""
        spec = definition["spec"]
        storage: StorageKey = (spec["group"], spec["names"]["plural"])
        for resource in self.registry.stored_under(storage):
            self.registry.remove(resource)
        self._ledger.open(storage)
        for resource in self._definitions.resources_of(definition):
            self.registry.add(resource)
        resource_now = self.registry.find(storage[0], _storage_version(spec), storage[1])
        if resource_now is None:
            return
        collection = self._ledger.collection(storage)
        for key in collection.keys(None):
            document = collection.get(key)
            shaped = fill_defaults(
                resource_now.schema, prune(resource_now.schema, document, unknown=[], is_resource=True)
            )
            collection.rewrite(key, {**shaped, "apiVersion": resource_now.api_version})

    def _withdraw(self, definition: JsonObject) -> None:
        spec = definition["spec"]
        storage: StorageKey = (spec["group"], spec["names"]["plural"])
        for resource in self.registry.stored_under(storage):
            self.registry.remove(resource)
        self._ledger.close(storage)


def _storage_version(spec: JsonObject) -> str:
    name = next(version["name"] for version in spec["versions"] if version.get("storage"))
    assert isinstance(name, str), "version names were examined"
    return name

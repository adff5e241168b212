"""Stores to test on: a definition with every feature, and short ways to write to it."""

from typing import Any

from backstay.objectstore import (
    CountingIds,
    JsonObject,
    ObjectStore,
    Patch,
    PatchType,
    Resource,
    WriteOptions,
)

NOW = 1_800_000_000.0

SPEC_SCHEMA: JsonObject = {
    "type": "object",
    "required": ["agent"],
    "properties": {
        "agent": {"type": "string", "pattern": "^[a-z]+(:[a-zA-Z0-9]+)*$", "maxLength": 40},
        "size": {"type": "integer", "minimum": 0, "maximum": 100},
        "epoch": {"type": "integer", "default": 1},
        "mode": {"type": "string", "enum": ["auto", "manual"]},
        "port": {"x-kubernetes-int-or-string": True},
        "note": {"type": "string", "nullable": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "params": {"type": "object", "additionalProperties": {"type": "string"}},
        "words": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "plain": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "members": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "weight": {"type": "integer", "default": 10},
                    "color": {"type": "string"},
                },
                "x-kubernetes-validations": [
                    {"rule": "!has(self.color) || self.color != 'pink'", "message": "no pink"}
                ],
            },
        },
    },
    "x-kubernetes-validations": [
        {"rule": "self.epoch >= oldSelf.epoch", "message": "epoch never goes back"},
        {"rule": "!has(self.size) || self.size != 13", "messageExpression": "'not ' + string(self.size)"},
    ],
}

THING: JsonObject = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Thing", "plural": "things", "shortNames": ["th"]},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.agent"}],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": SPEC_SCHEMA,
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


class World:
    """A store with things in it, and a clock that stands still unless told otherwise."""

    def __init__(self, **settings: Any) -> None:
        self.store = ObjectStore(ids=CountingIds(7), **settings)
        self.now = NOW
        self.store.create_system_namespaces(now=NOW)
        self.definitions = self.resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        self.store.create(self.definitions, "", THING, now=NOW)

    def resource(self, group: str, version: str, plural: str) -> Resource:
        found = self.store.resource(group, version, plural)
        assert found is not None, f"{plural}.{group} is not served"
        return found

    @property
    def things(self) -> Resource:
        return self.resource("example.com", "v1", "things")

    @property
    def config_maps(self) -> Resource:
        return self.resource("", "v1", "configmaps")

    def create(self, name: str, /, *, labels: JsonObject | None = None, **spec: Any) -> JsonObject:
        document = thing(name, **spec)
        if labels:
            document["metadata"]["labels"] = labels
        return self.store.create(self.things, "default", document, now=self.now).document

    def get(self, name: str) -> JsonObject:
        return self.store.get(self.things, "default", name)

    def merge(
        self, name: str, change: JsonObject, *, by: str = "tester", subresource: str = ""
    ) -> JsonObject:
        patch = Patch(PatchType.MERGE, change)
        return self.store.patch(
            self.things,
            "default",
            name,
            patch,
            now=self.now,
            options=WriteOptions(field_manager=by),
            subresource=subresource,
        ).document

    def apply(self, name: str, spec: JsonObject, *, by: str, force: bool = False) -> JsonObject:
        patch = Patch(PatchType.APPLY, thing(name) | {"spec": spec}, force=force)
        options = WriteOptions(field_manager=by)
        return self.store.patch(self.things, "default", name, patch, now=self.now, options=options).document

    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.store.list(self.things, None).documents]


def thing(name: str, /, **spec: Any) -> JsonObject:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"agent": "ocf:x", **spec},
    }


def owned_by(owner: JsonObject, *, blocks: bool = False) -> JsonObject:
    """An ownerReference to an object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": blocks,
    }

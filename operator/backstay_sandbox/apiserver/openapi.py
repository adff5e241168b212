"""OpenAPI v2 and v3 documents: what kubectl needs for explain, validation and dry runs.

Built per group and version from the published schemas. A built-in kind shows the members the store knows. Assumes
resources do not change while a document is built; documents are cached until they do.
"""

import hashlib
from collections.abc import Sequence

from backstay.objectstore import JsonObject, Resource
from backstay.objectstore.errors import no_such_resource
from backstay_sandbox.apiserver.encoding import encoded

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_STRING: JsonObject = {"type": "string"}
_STRINGS: JsonObject = {"type": "object", "additionalProperties": {"type": "string"}}
_API_VERSION = {
    "type": "string",
    "description": "APIVersion defines the versioned schema of this representation of an object.",
}
_KIND = {
    "type": "string",
    "description": "Kind is a string value representing the REST resource of this object.",
}
_OBJECT_META: JsonObject = {
    "type": "object",
    "description": "ObjectMeta is metadata that all persisted resources must have.",
    "properties": {
        "annotations": _STRINGS | {"description": "Free-form notes that tools keep with the object."},
        "creationTimestamp": {"type": "string", "format": "date-time", "description": "When it was created."},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "deletionTimestamp": {
            "type": "string",
            "format": "date-time",
            "description": "When deletion was asked.",
        },
        "finalizers": {
            "type": "array",
            "items": _STRING,
            "description": "Must be empty before the object is deleted.",
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "generateName": _STRING | {"description": "Prefix of a name the server completes."},
        "generation": {
            "type": "integer",
            "format": "int64",
            "description": "Counts changes of the desired state.",
        },
        "labels": _STRINGS | {"description": "Keys and values to select objects by."},
        "managedFields": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Who owns which field.",
        },
        "name": _STRING | {"description": "Unique within its kind and namespace."},
        "namespace": _STRING | {"description": "The space in which the name is unique."},
        "ownerReferences": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Objects this one depends on.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
        "resourceVersion": _STRING | {"description": "Changes with every write."},
        "selfLink": _STRING,
        "uid": _STRING | {"description": "Unique in time and space."},
    },
}
_LIST_META: JsonObject = {
    "type": "object",
    "properties": {
        "continue": _STRING,
        "remainingItemCount": {"type": "integer", "format": "int64"},
        "resourceVersion": _STRING,
        "selfLink": _STRING,
    },
}
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_LIST_PARAMETERS = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch")
_PATCH_TYPES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")


def _schema_name(resource: Resource) -> str:
    group = resource.group or "core.api.k8s.io"
    return ".".join([*reversed(group.split(".")), resource.version, resource.kind])


def _gvk(resource: Resource) -> JsonObject:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _kind_schema(resource: Resource, reference: str) -> JsonObject:
    described = dict(resource.open_api)
    properties = dict(described.get("properties") or {})
    properties["apiVersion"] = _API_VERSION
    properties["kind"] = _KIND
    properties["metadata"] = {
        "allOf": [{"$ref": f"{reference}{_META}ObjectMeta"}],
        "description": "Standard object's metadata.",
    }
    described["properties"] = properties
    described["type"] = "object"
    described["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    return described


def _list_schema(resource: Resource, reference: str) -> JsonObject:
    kind = _gvk(resource) | {"kind": resource.list_kind}
    return {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": {"allOf": [{"$ref": f"{reference}{_META}ListMeta"}]},
            "items": {"type": "array", "items": {"$ref": f"{reference}{_schema_name(resource)}"}},
        },
        "x-kubernetes-group-version-kind": [kind],
    }


def _schemas(resources: Sequence[Resource], reference: str) -> JsonObject:
    found: JsonObject = {f"{_META}ObjectMeta": _OBJECT_META, f"{_META}ListMeta": _LIST_META}
    for resource in resources:
        found[_schema_name(resource)] = _kind_schema(resource, reference)
        list_name = _schema_name(resource).removesuffix(resource.kind) + resource.list_kind
        found[list_name] = _list_schema(resource, reference)
    return found


def _base_path(resource: Resource) -> str:
    prefix = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"{prefix}{scope}/{resource.plural}"


def _operation(resource: Resource, action: str, verb: str, parameters: Sequence[str]) -> JsonObject:
    return {
        "description": f"{verb} objects of kind {resource.kind}",
        "operationId": f"{verb}{resource.group.title().replace('.', '')}{resource.version.title()}{resource.kind}",
        "parameters": [{"name": name, "in": "query", "schema": _STRING} for name in parameters],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
    }


def _with_body(operation: JsonObject, resource: Resource, media_types: Sequence[str]) -> JsonObject:
    schema = {"$ref": f"#/components/schemas/{_schema_name(resource)}"}
    return operation | {"requestBody": {"content": {name: {"schema": schema} for name in media_types}}}


def _paths(resource: Resource) -> JsonObject:
    def operation(action: str, verb: str, parameters: Sequence[str] = ()) -> JsonObject:
        return _operation(resource, action, verb, parameters)

    json_only = ("application/json",)
    create = operation("post", "create", _WRITE_PARAMETERS)
    update = operation("put", "replace", _WRITE_PARAMETERS)
    patch = operation("patch", "patch", (*_WRITE_PARAMETERS, "force"))
    return {
        _base_path(resource): {
            "get": operation("list", "list", _LIST_PARAMETERS),
            "post": _with_body(create, resource, json_only),
            "delete": operation("deletecollection", "deletecollection", ("dryRun", *_LIST_PARAMETERS)),
        },
        _base_path(resource) + "/{name}": {
            "get": operation("get", "read"),
            "put": _with_body(update, resource, json_only),
            "patch": _with_body(patch, resource, _PATCH_TYPES),
            "delete": operation("delete", "delete", ("dryRun", "propagationPolicy")),
        },
    }


V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What kubectl asks for, and takes nothing else, to check a `kind: List` before it sends the items. The server checks each of them."""


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes((number << 3 | 2, len(content))) + content


V2_WITHOUT_DEFINITIONS = (
    _field(1, b"2.0") + _field(2, _field(1, b"Kubernetes") + _field(2, b"v1.36.0")) + _field(8, b"")
)
"""A document (gnostic's openapi.v2.Document: swagger, info, paths) that defines nothing; kubectl passes over what is not defined."""


class OpenApi:
    """Builds the documents; keeps them until the resources change."""

    def __init__(self) -> None:
        self._resources: tuple[Resource, ...] = ()
        self._documents: dict[str, bytes] = {}

    def _kept(self, resources: tuple[Resource, ...]) -> dict[str, bytes]:
        if resources != self._resources:
            self._resources = resources
            self._documents = {}
        return self._documents

    def index(self, resources: tuple[Resource, ...]) -> JsonObject:
        """GET /openapi/v3."""
        paths = {}
        for resource in resources:
            name = (
                f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"
            )
            if name not in paths:
                digest = hashlib.sha256(self.v3(resources, name)).hexdigest().upper()
                paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
        return {"paths": paths}

    def v3(self, resources: tuple[Resource, ...], name: str) -> bytes:
        """GET /openapi/v3/NAME, encoded; NAME is `api/v1` or `apis/GROUP/VERSION`. Raises NotFound."""
        kept = self._kept(resources)
        if name not in kept:
            prefix = f"/{name}/"
            served = [resource for resource in resources if _base_path(resource).startswith(prefix)]
            if not served:
                raise no_such_resource()
            paths: JsonObject = {}
            for resource in served:
                paths.update(_paths(resource))
            kept[name] = encoded(
                {
                    "openapi": "3.0.0",
                    "info": {"title": "Kubernetes", "version": "v1.36.0"},
                    "paths": paths,
                    "components": {"schemas": _schemas(served, "#/components/schemas/")},
                }
            )
        return kept[name]

    def v2(self, resources: tuple[Resource, ...]) -> bytes:
        """GET /openapi/v2, encoded."""
        kept = self._kept(resources)
        if "v2" not in kept:
            kept["v2"] = encoded(
                {
                    "swagger": "2.0",
                    "info": {"title": "Kubernetes", "version": "v1.36.0"},
                    "paths": {},
                    "definitions": _schemas(resources, "#/definitions/"),
                }
            )
        return kept["v2"]

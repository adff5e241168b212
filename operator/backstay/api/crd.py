"""CustomResourceDefinitions from the pydantic models: structural OpenAPI v3 schemas as the API server wants them.

A structural schema has no $ref, no anyOf around types and no title; optional fields are simply absent from `required`. CEL rules,
printer columns and short names come from the models' own declarations. Objects of 4 KiB descriptions are of no use to anyone: a
description is the first paragraph of a docstring or the field's own.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from backstay.api.base import GROUP, VERSION, Column, Resource

_KEEP = (
    "type",
    "format",
    "description",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-validations",
    "x-kubernetes-preserve-unknown-fields",
)
INT64 = {"type": "integer", "format": "int64"}


def custom_resource_definition(kind: type[Resource]) -> dict[str, Any]:
    """The CRD of one kind, as a plain dict ready for YAML."""
    info = kind.info
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in info.columns],
        "schema": {"openAPIV3Schema": _object_schema(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{info.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "backstay"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if info.namespaced else "Cluster",
            "names": {
                "kind": info.kind,
                "listKind": f"{info.kind}List",
                "plural": info.plural,
                "singular": info.singular,
                "shortNames": list(info.short_names),
                "categories": ["ha", "backstay"],
            },
            "versions": [version],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    if column.priority:
        entry["priority"] = column.priority
    if column.description:
        entry["description"] = column.description
    return entry


def _object_schema(kind: type[Resource]) -> dict[str, Any]:
    full = kind.model_json_schema(by_alias=True, mode="validation")
    definitions = full.get("$defs", {})
    properties = full["properties"]
    spec = _structural(properties["spec"], definitions)
    return {
        "type": "object",
        "description": _first_paragraph(kind.__doc__ or ""),
        "required": ["spec"] if "spec" in full.get("required", []) else [],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _structural(properties["status"], definitions),
        },
    } | ({} if "spec" in full.get("required", []) else {"required": ["spec"]})


def _first_paragraph(text: str) -> str:
    return " ".join(text.strip().split("\n\n")[0].split())


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """One schema node without references and unions; keeps what the API server understands."""
    node = _resolved(node, definitions)
    # Copies: YAML writes one list that stands in two places as an anchor and an alias.
    out = {key: deepcopy(node[key]) for key in _KEEP if key in node}
    if "description" in out:
        out["description"] = _first_paragraph(out["description"])
    if "const" in node:
        out["enum"] = [node["const"]]
    if "default" in node and node["default"] is not None and node["default"] not in ([], ""):
        out["default"] = node["default"]
    if "x-kubernetes-int-or-string" in out:
        out.pop("type", None)
    if out.get("type") == "integer":
        out["format"] = "int64"
    if node.get("type") == "array":
        out["items"] = _structural(node["items"], definitions)
        if "x-map-key" in node:
            out["x-kubernetes-list-type"] = "map"
            out["x-kubernetes-list-map-keys"] = [node["x-map-key"]]
    elif isinstance(node.get("additionalProperties"), dict):
        out["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    elif "properties" in node:
        out["properties"] = {
            name: _structural(child, definitions) for name, child in sorted(node["properties"].items())
        }
        if node.get("required"):
            out["required"] = sorted(node["required"])
    return out


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Follow $ref, and drop the null of `X | None`."""
    merged = dict(node)
    while True:
        if "$ref" in merged:
            target = definitions[merged.pop("$ref").rsplit("/", 1)[1]]
            merged = {**target, **merged}
        elif "anyOf" in merged:
            choices = [choice for choice in merged.pop("anyOf") if choice.get("type") != "null"]
            if len(choices) != 1:
                raise ValueError(f"a union cannot be structural: {choices}")
            merged = {**choices[0], **merged}
        elif len(merged.get("allOf", ())) == 1:
            merged = {**merged.pop("allOf")[0], **merged}
        else:
            return merged

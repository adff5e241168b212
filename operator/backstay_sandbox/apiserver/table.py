"""Objects as a meta.k8s.io/v1 Table: what `kubectl get` prints.

Assumes documents as the resource shows them. Events have no name column, as in the real server. A column whose
path finds nothing is empty; a date column shows an age.
"""

import json
from collections.abc import Sequence

from backstay.objectstore import Column, Json, JsonObject, Resource
from backstay_sandbox.apiserver.cells import COMPUTED, age_of
from backstay_sandbox.apiserver.jsonpath import PathError, text_of, values_at

_EVENTS = ("", "events")
_NAME = Column("Name", "string", ".metadata.name", format="name")
_AGE = Column("Age", "date", ".metadata.creationTimestamp")


def columns_of(resource: Resource) -> tuple[Column, ...]:
    """The columns a resource's table has."""
    computed = COMPUTED.get(resource.storage)
    if resource.storage == _EVENTS and computed is not None:
        return computed.columns
    if computed is not None:
        return (_NAME, *computed.columns)
    return (_NAME, *(resource.columns or (_AGE,)))


def table_of(
    resource: Resource,
    documents: Sequence[JsonObject],
    *,
    now: float,
    metadata: JsonObject,
    include: str,
    with_columns: bool = True,
) -> JsonObject:
    """A Table of documents. `include` is the query's includeObject: Metadata (default), Object or None."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns_of(resource)]
        if with_columns
        else None,
        "rows": [_row(resource, document, now=now, include=include) for document in documents],
    }


def partial_metadata(document: JsonObject) -> JsonObject:
    """An object of which only the metadata shows."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": document["metadata"]}


def _definition(column: Column) -> JsonObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or f"{column.name} of the object",
        "priority": column.priority,
    }


def _row(resource: Resource, document: JsonObject, *, now: float, include: str) -> JsonObject:
    computed = COMPUTED.get(resource.storage)
    if computed is not None:
        cells = computed.cells(document, now)
        if resource.storage != _EVENTS:
            cells = [document["metadata"]["name"], *cells]
    else:
        cells = [_cell(column, document, now) for column in columns_of(resource)]
    row: JsonObject = {"cells": cells}
    match include:
        case "Object":
            row["object"] = document
        case "None":
            row["object"] = None
        case _:
            row["object"] = partial_metadata(document)
    return row


def _cell(column: Column, document: JsonObject, now: float) -> Json:
    try:
        found = values_at(column.json_path, document)
    except PathError:
        return None
    if not found or found[0] is None:
        return "<unknown>" if column.type == "date" and column.json_path == _AGE.json_path else None
    value = found[0]
    match column.type:
        case "date":
            return age_of(value, now)
        case "integer":
            return int(value) if isinstance(value, int | float) else None
        case "number":
            return float(value) if isinstance(value, int | float) else None
        case "boolean":
            return value if isinstance(value, bool) else None
    if len(found) > 1:
        return ",".join(_shown(item) for item in found)
    return _shown(value)


def _shown(value: Json) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return text_of(value)

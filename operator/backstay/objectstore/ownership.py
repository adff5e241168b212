"""Who owns which field: the managedFields of an object, kept up to date by every write.

Every write goes through one of two doors: `after_update` (create, replace, any patch) gives the writer what it
changed; `after_apply` (server-side apply) gives the applier what its configuration holds, refuses to take a field
from another owner unless forced, and takes away what the applier no longer mentions. Assumes grafted objects;
refuses, with a Conflict ApiError, an apply that would take fields from others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from backstay.objectstore import fieldset
from backstay.objectstore.apply import merge, remove_fields
from backstay.objectstore.document import MISSING, Json, JsonObject, with_key
from backstay.objectstore.errors import apply_conflict
from backstay.objectstore.fieldset import EMPTY, FieldSet
from backstay.objectstore.schema import ListType, Schema

APPLY = "Apply"
UPDATE = "Update"

# Set by the server or part of the object's address: nobody owns them.
_UNOWNED = ("apiVersion", "kind")
_UNOWNED_METADATA = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
    "managedFields",
)

_STRING_MAP = Schema(type="object", additional=Schema(type="string"))
METADATA_SCHEMA = Schema(
    type="object",
    properties={
        "labels": _STRING_MAP,
        "annotations": _STRING_MAP,
        "finalizers": Schema(type="array", items=Schema(type="string"), list_type=ListType.SET),
        "ownerReferences": Schema(
            type="array",
            items=Schema(type="object", preserves_unknown=True, map_is_atomic=True),
            list_type=ListType.MAP,
            list_keys=("uid",),
        ),
    },
    preserves_unknown=True,
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and how: what a managedFields entry is known by, besides its operation."""

    manager: str
    api_version: str
    subresource: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One managedFields entry."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.manager, self.operation, self.subresource)

    def encoded(self) -> JsonObject:
        entry: JsonObject = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields,
        }
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry

    def described(self) -> str:
        """As conflict messages name an owner."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        text += f" using {self.api_version}"
        if self.operation == UPDATE and self.time:
            text += f" at {self.time}"
        return text


def entries_of(document: JsonObject | None) -> list[Entry]:
    """The managedFields of an object; entries of an unknown form are dropped."""
    if document is None:
        return []
    found = []
    for raw in document["metadata"].get("managedFields") or ():
        if isinstance(raw, dict) and isinstance(raw.get("fieldsV1"), dict):
            found.append(
                Entry(
                    manager=raw.get("manager", ""),
                    operation=raw.get("operation", UPDATE),
                    api_version=raw.get("apiVersion", ""),
                    subresource=raw.get("subresource", ""),
                    time=raw.get("time", ""),
                    fields=raw["fieldsV1"],
                )
            )
    return found


def _encoded(entries: Iterable[Entry]) -> list[JsonObject]:
    kept = [entry for entry in entries if entry.fields]
    kept.sort(key=lambda entry: (entry.operation, entry.time, entry.manager, entry.subresource))
    return [entry.encoded() for entry in kept]


def with_entries(document: JsonObject, encoded: Json) -> JsonObject:
    """`document` with that managedFields list (MISSING or empty takes it away)."""
    metadata = with_key(document["metadata"], "managedFields", encoded or MISSING)
    return with_key(document, "metadata", metadata)


def stripped(document: JsonObject) -> JsonObject:
    """`document` without what nobody owns."""
    owned = {key: value for key, value in document.items() if key not in _UNOWNED}
    metadata = document.get("metadata")
    if isinstance(metadata, dict):
        owned["metadata"] = {key: value for key, value in metadata.items() if key not in _UNOWNED_METADATA}
        if not owned["metadata"]:
            del owned["metadata"]
    return owned


def owned_schema(schema: Schema) -> Schema:
    """A resource's schema with what every object's metadata looks like."""
    return replace(schema, properties={**schema.properties, "metadata": METADATA_SCHEMA})


def _owned_changes(schema: Schema, old: JsonObject | None, new: JsonObject) -> tuple[FieldSet, FieldSet]:
    # Metadata itself is nobody's, only its members: it counts as there before and after.
    before = {"metadata": {}, **(stripped(old) if old is not None else {})}
    return fieldset.changes(schema, before, {"metadata": {}, **stripped(new)})


def after_update(schema: Schema, old: JsonObject | None, new: JsonObject, *, writer: Writer) -> JsonObject:
    """`new` with the managedFields of `old` brought up to date for a write by `writer`.

    `schema` is the resource's owned_schema. When the write changed nothing, nobody's entry changes.
    """
    entries = entries_of(old)
    changed, removed = _owned_changes(schema, old, new)
    if not changed and not removed:
        kept = old["metadata"].get("managedFields", MISSING) if old is not None else MISSING
        return with_entries(new, kept)
    mine: Entry | None = None
    others = []
    for entry in entries:
        left = fieldset.without_trees(entry.fields, removed)
        if entry.identity == (writer.manager, UPDATE, writer.subresource):
            mine = replace(entry, fields=left)
        else:
            others.append(replace(entry, fields=fieldset.difference(left, changed)))
    held = mine.fields if mine is not None else EMPTY
    fields = fieldset.union(held, changed)
    stays = mine is not None and not changed and fields == _fields_of(entries, mine.identity)
    others.append(
        Entry(
            manager=writer.manager,
            operation=UPDATE,
            api_version=writer.api_version,
            subresource=writer.subresource,
            time=mine.time if mine is not None and stays else writer.time,
            fields=fields,
        )
    )
    return with_entries(new, _encoded(others))


def _fields_of(entries: list[Entry], identity: tuple[str, str, str]) -> FieldSet:
    return next((entry.fields for entry in entries if entry.identity == identity), EMPTY)


def after_apply(
    schema: Schema, live: JsonObject | None, config: JsonObject, *, writer: Writer, force: bool
) -> JsonObject:
    """`live` with `config` applied by `writer`, and the managedFields that go with it.

    `config` must hold only what the writer may set here (no status at the main endpoint). Raises a Conflict
    ApiError when it changes what others own, unless `force`.
    """
    applied = fieldset.fields_of(schema, stripped(config), with_containers=False)
    entries = entries_of(live)
    identity = (writer.manager, APPLY, writer.subresource)
    last = _fields_of(entries, identity)
    others = [entry for entry in entries if entry.identity != identity]
    start: JsonObject = live if live is not None else {"metadata": {}}
    merged = merge(schema, start, config)
    given_up = fieldset.difference(last, applied)
    if given_up:
        keep = applied
        for entry in others:
            keep = fieldset.union(keep, entry.fields)
        left = remove_fields(schema, merged, given_up, keep=keep)
        merged = {"metadata": {}} if left is MISSING else left
        merged = {**merged, **{key: config[key] for key in _UNOWNED if key in config}}
        if "metadata" not in merged:
            merged["metadata"] = config["metadata"]
    changed, removed = _owned_changes(schema, live, merged)
    if not force:
        _refuse_conflicts(others, changed)
    survivors = [
        replace(entry, fields=fieldset.difference(fieldset.without_trees(entry.fields, removed), changed))
        for entry in others
    ]
    previous = next((entry for entry in entries if entry.identity == identity), None)
    keeps_time = previous is not None and previous.fields == applied and not changed and not removed
    survivors.append(
        Entry(
            manager=writer.manager,
            operation=APPLY,
            api_version=writer.api_version,
            subresource=writer.subresource,
            time=previous.time if previous is not None and keeps_time else writer.time,
            fields=applied,
        )
    )
    return with_entries(merged, _encoded(survivors))


def _refuse_conflicts(others: list[Entry], changed: FieldSet) -> None:
    causes: list[tuple[str, str]] = []
    for entry in others:
        taken = fieldset.intersection(entry.fields, changed)
        causes.extend((entry.described(), path) for path in fieldset.paths(taken))
    if causes:
        raise apply_conflict(causes)

"""What a structural schema does to a value before anyone judges it: prune unknown members and nulls, fill in defaults.

Both return the very same object when there was nothing to do, and share the untouched parts otherwise. Assumes the
value is a JSON tree; a part whose type does not fit the schema is left alone for `validation` to refuse.
"""

from backstay.objectstore.document import MISSING, Json, JsonObject
from backstay.objectstore.schema import Schema

# apiVersion, kind and metadata belong to every resource, embedded ones too: never pruned at their level.
RESOURCE_MEMBERS = ("apiVersion", "kind", "metadata")


def prune(
    schema: Schema,
    value: Json,
    *,
    unknown: list[str],
    old: Json = MISSING,
    path: str = "",
    is_resource: bool = False,
) -> Json:
    """`value` without the members the schema does not know, whose paths are added to `unknown`, and without nulls that may not be.

    Parts that are the very object in `old`, the stored value, were pruned when they were stored: skipped.
    """
    if value is old:
        return value
    if isinstance(value, dict):
        return _prune_object(schema, value, unknown=unknown, old=old, path=path, is_resource=is_resource)
    if isinstance(value, list) and schema.items is not None:
        return _prune_list(schema.items, value, unknown=unknown, old=old, path=path)
    return value


def _prune_object(
    schema: Schema, value: JsonObject, *, unknown: list[str], old: Json, path: str, is_resource: bool
) -> JsonObject:
    is_resource = is_resource or schema.embedded_resource
    before = old if isinstance(old, dict) else {}
    kept: JsonObject = {}
    changed = False
    for key, item in value.items():
        child = schema.child(key)
        where = f"{path}.{key}" if path else key
        if is_resource and key in RESOURCE_MEMBERS:
            # A schema may describe metadata without naming its members: they are the server's, not unknown.
            kept[key] = item
        elif item is None and child is not None and not child.nullable and child.default is MISSING:
            changed = True  # a null that may not be counts as not given
        elif child is not None:
            pruned = prune(child, item, unknown=unknown, old=before.get(key, MISSING), path=where)
            changed = changed or pruned is not item
            kept[key] = pruned
        elif schema.keeps_any_child:
            kept[key] = item
        else:
            unknown.append(where)
            changed = True
    return kept if changed else value


def _prune_list(items: Schema, value: list[Json], *, unknown: list[str], old: Json, path: str) -> list[Json]:
    before = old if isinstance(old, list) else []
    pruned = [
        prune(items, item, unknown=unknown, old=_item_at(before, at), path=f"{path}[{at}]")
        for at, item in enumerate(value)
    ]
    if all(a is b for a, b in zip(pruned, value, strict=True)):
        return value
    return pruned


def _item_at(items: list[Json], at: int) -> Json:
    return items[at] if at < len(items) else MISSING


def fill_defaults(schema: Schema, value: Json, *, old: Json = MISSING) -> Json:
    """`value` with the schema's defaults where a member is missing, or is null and may not be.

    Parts that are the very object in `old`, the stored value, have theirs already: skipped.
    """
    if not schema.has_defaults or value is old:
        return value
    if isinstance(value, dict):
        return _fill_object(schema, value, old if isinstance(old, dict) else {})
    if isinstance(value, list) and schema.items is not None and schema.items.has_defaults:
        before = old if isinstance(old, list) else []
        filled = [
            fill_defaults(schema.items, item, old=_item_at(before, at)) for at, item in enumerate(value)
        ]
        return value if all(a is b for a, b in zip(filled, value, strict=True)) else filled
    return value


def _fill_object(schema: Schema, value: JsonObject, before: JsonObject) -> JsonObject:
    filled: JsonObject | None = None
    for key, child in schema.properties.items():
        if not child.has_defaults:
            continue
        item = value.get(key, MISSING)
        if child.default is not MISSING and (item is MISSING or (item is None and not child.nullable)):
            item_filled = fill_defaults(child, child.default)
        elif item is MISSING:
            continue
        else:
            item_filled = fill_defaults(child, item, old=before.get(key, MISSING))
        if item_filled is not item:
            filled = filled if filled is not None else dict(value)
            filled[key] = item_filled
    if schema.additional is not None and schema.additional.has_defaults:
        for key, item in value.items():
            if key in schema.properties:
                continue
            item_filled = fill_defaults(schema.additional, item, old=before.get(key, MISSING))
            if item_filled is not item:
                filled = filled if filled is not None else dict(value)
                filled[key] = item_filled
    return value if filled is None else filled

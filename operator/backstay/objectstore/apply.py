"""Server-side apply's value arithmetic: merge a configuration into an object, and take away what it gave up.

Follows the schema: objects merge by member, map-like lists by key, set-like lists by value, everything else is
replaced as a whole. Assumes values grafted nowhere yet; returns new trees that share the untouched parts.
"""

from backstay.objectstore.document import MISSING, Json, JsonObject
from backstay.objectstore.fieldset import FieldSet, is_granular, item_step, member_schema
from backstay.objectstore.schema import ANYTHING, ListType, Schema


def merge(schema: Schema, live: Json, config: Json) -> Json:
    """`live` with everything in `config` set."""
    if isinstance(config, dict) and isinstance(live, dict) and not schema.map_is_atomic:
        merged = dict(live)
        for key, item in config.items():
            merged[key] = merge(member_schema(schema, key), live[key], item) if key in live else item
        return merged
    if isinstance(config, list) and isinstance(live, list) and schema.list_type is not ListType.ATOMIC:
        return _merge_list(schema, live, config)
    return config


def _merge_list(schema: Schema, live: list[Json], config: list[Json]) -> list[Json]:
    """Items in the configuration's order; what only the live list has keeps its place before its follower.

    New items after the configuration's last known one go to the end.
    """
    items = schema.items or ANYTHING
    wanted = {item_step(schema, item) for item in config}
    positions = {item_step(schema, item): at for at, item in enumerate(live)}
    merged: list[Json] = []
    taken = 0

    def take_strangers(until: int) -> None:
        nonlocal taken
        merged.extend(item for item in live[taken:until] if item_step(schema, item) not in wanted)
        taken = max(taken, until)

    known = [at for at, item in enumerate(config) if item_step(schema, item) in positions]
    last_known = known[-1] if known else -1
    for order, item in enumerate(config):
        at = positions.get(item_step(schema, item))
        if at is None:
            if order > last_known:
                take_strangers(len(live))
            merged.append(item)
        else:
            take_strangers(at)
            merged.append(merge(items, live[at], item))
    take_strangers(len(live))
    return merged


def remove_fields(schema: Schema, value: Json, fields: FieldSet, *, keep: FieldSet) -> Json:
    """`value` without the given fields, except what `keep` holds; MISSING when nothing is left of it.

    A container that is emptied goes too, unless `keep` holds it.
    """
    if not is_granular(schema, value):
        return value
    if isinstance(value, dict):
        return _remove_members(schema, value, fields, keep=keep)
    items = schema.items or ANYTHING
    left = []
    for item in value:
        step = item_step(schema, item)
        kept = _remove_part(items, item, fields.get(step), keep=keep.get(step))
        if kept is not MISSING:
            left.append(kept)
    return _left_over(value, left, fields, keep)


def _remove_members(schema: Schema, value: JsonObject, fields: FieldSet, *, keep: FieldSet) -> Json:
    left: JsonObject = {}
    for key, item in value.items():
        step = f"f:{key}"
        kept = _remove_part(member_schema(schema, key), item, fields.get(step), keep=keep.get(step))
        if kept is not MISSING:
            left[key] = kept
    return _left_over(value, left, fields, keep)


def _remove_part(schema: Schema, item: Json, node: FieldSet | None, *, keep: FieldSet | None) -> Json:
    if node is None:
        return item
    if keep is None:
        # Nobody else holds this or anything below it. A leaf, or a list item given up as a whole, goes.
        if not node or "." in node:
            return MISSING
        return remove_fields(schema, item, node, keep={})
    if not node:
        return item
    kept = remove_fields(schema, item, node, keep=keep)
    return item if kept is MISSING else kept


def _left_over(value: Json, left: Json, fields: FieldSet, keep: FieldSet) -> Json:
    if len(left) == len(value) and all(a is b for a, b in zip(_values(left), _values(value), strict=True)):
        return value
    if not left and not keep and fields:
        return MISSING
    return left


def _values(container: Json) -> list[Json]:
    return list(container.values()) if isinstance(container, dict) else container

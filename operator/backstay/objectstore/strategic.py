"""Strategic merge patch: a merge patch that merges lists by key, with directives inside the patch.

kubectl sends it for built-in kinds only. Follows the schema's list types (a map-like list merges by its first key,
a set-like one by value) and honours `$patch`, `$deleteFromPrimitiveList`, `$setElementOrder` and `$retainKeys`.
Assumes documents as `json.loads` makes them; refuses, with PatchError, an unknown directive.
"""

from backstay.objectstore.document import Json, JsonObject
from backstay.objectstore.fieldset import member_schema
from backstay.objectstore.patch import PatchError
from backstay.objectstore.schema import ANYTHING, ListType, Schema

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(schema: Schema, target: Json, patch: Json) -> Json:
    """`target` with a strategic merge patch applied."""
    if not isinstance(patch, dict):
        return patch
    base: JsonObject = target if isinstance(target, dict) else {}
    match patch.get(_PATCH):
        case None | "merge":
            pass
        case "replace":
            return {key: value for key, value in patch.items() if key != _PATCH}
        case "delete":
            return {}
        case unknown:
            raise PatchError(f"Unknown patch type found: {unknown}")
    merged = dict(base)
    if isinstance(retained := patch.get(_RETAIN), list):
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVES):
            field = key.removeprefix(_DELETE_PRIMITIVES)
            merged[field] = [item for item in merged.get(field) or [] if item not in value]
        elif not key.startswith("$"):
            _merge_member(member_schema(schema, key), merged, key, value)
    for key, value in patch.items():
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            merged[field] = _in_order(member_schema(schema, field), merged.get(field) or [], value)
    return merged


def _merge_member(schema: Schema, merged: JsonObject, key: str, value: Json) -> None:
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        merged[key] = strategic_merge(schema, merged.get(key), value)
    elif isinstance(value, list):
        merged[key] = _merge_list(schema, merged.get(key), value)
    else:
        merged[key] = value


def _merge_key(schema: Schema) -> str:
    return schema.list_keys[0] if schema.list_type is ListType.MAP and schema.list_keys else ""


def _merge_list(schema: Schema, target: Json, patch: list[Json]) -> list[Json]:
    base = target if isinstance(target, list) else []
    replaces = any(isinstance(item, dict) and item.get(_PATCH) == "replace" for item in patch)
    if replaces:
        return [item for item in patch if not (isinstance(item, dict) and _PATCH in item)]
    if schema.list_type is ListType.ATOMIC or schema.patch_replaces_list:
        return patch
    if schema.list_type is ListType.SET:
        return [*base, *(item for item in patch if item not in base)]
    key = _merge_key(schema)
    items = schema.items or ANYTHING
    merged = list(base)
    for change in patch:
        if not isinstance(change, dict) or key not in change:
            raise PatchError(f"map: {change} does not contain declared merge key: {key}")
        found = next((at for at, item in enumerate(merged) if item.get(key) == change[key]), None)
        if change.get(_PATCH) == "delete":
            merged = [item for item in merged if item.get(key) != change[key]]
        elif found is None:
            merged.append(strategic_merge(items, {}, change))
        else:
            merged[found] = strategic_merge(items, merged[found], change)
    return merged


def _in_order(schema: Schema, items: list[Json], order: list[Json]) -> list[Json]:
    """`items` sorted as `order` lists them; those it does not mention keep their place among themselves, last."""
    key = _merge_key(schema)

    def identity(item: Json) -> Json:
        return item.get(key) if key and isinstance(item, dict) else item

    ranks = [identity(item) for item in order]

    def rank(item: Json) -> int:
        return ranks.index(identity(item)) if identity(item) in ranks else len(ranks)

    return sorted(items, key=rank)

"""Sets of field paths in the FieldsV1 form of managedFields, and how to read them off an object.

A set is a trie of JSON objects: a key is one path step (`f:name` a member, `k:{...}` an item of a map-like list,
`v:...` an item of a set-like one), an empty object is a field in the set, `"."` marks a field that is in the set
besides some of its children. The trie in an object's managedFields is used as it is: nothing is decoded, and what
an operation does not touch is shared. Assumes sets made here or by a client that means well: a strange key is kept.
"""

import json
from collections.abc import Iterator

from backstay.objectstore.document import MISSING, Json, JsonObject
from backstay.objectstore.schema import ANYTHING, ListType, Schema

FieldSet = JsonObject
"""A FieldsV1 trie. The empty object is the empty set."""

EMPTY: FieldSet = {}
_SELF = "."
_LEAF: JsonObject = {}


def _is_member(node: JsonObject) -> bool:
    return not node or _SELF in node


def _node(is_member: bool, children: JsonObject) -> JsonObject | None:
    """The trie node with these children; None when it holds nothing at all."""
    if not children:
        return _LEAF if is_member else None
    return {_SELF: _LEAF, **children} if is_member else children


def _children(node: JsonObject) -> JsonObject:
    return {key: child for key, child in node.items() if key != _SELF} if _SELF in node else node


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    if not a or a is b:
        return b
    if not b:
        return a
    merged = dict(a)
    for key, theirs in b.items():
        mine = a.get(key)
        merged[key] = theirs if mine is None else _union_node(mine, theirs)
    return merged


def _union_node(a: JsonObject, b: JsonObject) -> JsonObject:
    if a is b or a == b:
        return a
    node = _node(_is_member(a) or _is_member(b), union(_children(a), _children(b)))
    assert node is not None, "the union of two nodes that hold something holds something"
    return node


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """The fields of `a` that are not in `b`."""
    if not a or not b:
        return a
    kept: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        if theirs is None:
            kept[key] = mine
            continue
        node = _node(
            _is_member(mine) and not _is_member(theirs), difference(_children(mine), _children(theirs))
        )
        if node is not None:
            kept[key] = node
    return kept


def without_trees(a: FieldSet, b: FieldSet) -> FieldSet:
    """The fields of `a` that are neither in `b` nor below a field of `b`."""
    if not a or not b:
        return a
    kept: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        if theirs is None:
            kept[key] = mine
        elif not _is_member(theirs):
            node = _node(_is_member(mine), without_trees(_children(mine), theirs))
            if node is not None:
                kept[key] = node
    return kept


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    if not a or not b:
        return EMPTY
    common: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        if theirs is None:
            continue
        node = _node(
            _is_member(mine) and _is_member(theirs), intersection(_children(mine), _children(theirs))
        )
        if node is not None:
            common[key] = node
    return common


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """The fields of a set, spelled as conflict messages spell them (`.spec.ports[port=80].name`)."""
    for key, node in fields.items():
        if key == _SELF:
            continue
        where = prefix + _step_text(key)
        if _is_member(node):
            yield where
        yield from paths(node, where)


def _step_text(key: str) -> str:
    mark, _, text = key.partition(":")
    match mark:
        case "f":
            return f".{text}"
        case "k":
            fields = json.loads(text)
            return (
                "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(fields.items())) + "]"
            )
        case "v":
            return f"[={text}]"
    return f"[{text}]"


def item_step(schema: Schema, item: Json) -> str:
    """The path step of one list item; empty when the item has no identity of its own."""
    if schema.list_type is ListType.SET:
        return "v:" + json.dumps(item, separators=(",", ":"), ensure_ascii=False)
    if schema.list_type is ListType.MAP and isinstance(item, dict) and schema.items is not None:
        keys = {}
        for name in sorted(schema.list_keys):
            child = schema.items.properties.get(name)
            fallback = child.default if child is not None and child.default is not MISSING else None
            keys[name] = item.get(name, fallback)
        return "k:" + json.dumps(keys, separators=(",", ":"), ensure_ascii=False)
    return ""


def is_granular(schema: Schema, value: Json) -> bool:
    """Whether the value's parts are owned one by one, not the value as a whole."""
    if isinstance(value, dict):
        return not schema.map_is_atomic
    return isinstance(value, list) and schema.list_type is not ListType.ATOMIC


def member_schema(schema: Schema, key: str) -> Schema:
    return schema.child(key) or ANYTHING


def parts(schema: Schema, value: Json) -> Iterator[tuple[str, Schema, Json]]:
    """The parts of a granular value: path step, schema and value of each."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"f:{key}", member_schema(schema, key), item
    else:
        items = schema.items or ANYTHING
        for item in value:
            yield item_step(schema, item), items, item


def fields_of(schema: Schema, value: Json, *, with_containers: bool) -> JsonObject:
    """The trie node of everything in `value`.

    With containers, an object or list is a field besides its parts (as an update owns it); without, only leaves,
    empty containers and list items are (as an applied configuration owns them).
    """
    if not value or not is_granular(schema, value):
        return _LEAF
    children: JsonObject = {}
    for step, child, item in parts(schema, value):
        node = fields_of(child, item, with_containers=with_containers)
        if node and _SELF not in node and isinstance(value, list):
            node = {_SELF: _LEAF, **node}
        children[step] = node
    return {_SELF: _LEAF, **children} if with_containers else children


def changes(schema: Schema, old: Json, new: Json) -> tuple[FieldSet, FieldSet]:
    """What a write did: (fields added or modified, roots of what was removed), both relative to the value."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    before = {step: item for step, _, item in parts(schema, old)}
    for step, child, item in parts(schema, new):
        was = before.pop(step, MISSING)
        if was is item:
            continue
        if was is MISSING:
            changed[step] = fields_of(child, item, with_containers=True)
        elif _comparable(child, was, item):
            below, gone = changes(child, was, item)
            if below:
                changed[step] = below
            if gone:
                removed[step] = gone
        elif type(was) is not type(item) or was != item:
            changed[step] = fields_of(child, item, with_containers=True)
    for step in before:
        removed[step] = _LEAF
    return changed, removed


def _comparable(schema: Schema, a: Json, b: Json) -> bool:
    return type(a) is type(b) and is_granular(schema, a)

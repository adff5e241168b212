"""What a rule may say about a schema: fields that exist, operators whose operands fit.

A real server refuses a definition whose rule names an unknown field or compares a string with a number; so does this.
It infers as much as the schema and the literals say, and calls the rest dynamic. Assumes a tree that `syntax` made.
Refuses, with RuleFailure in the real server's words, what is certainly wrong; never what may be right.
"""

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from backstay.objectstore.document import Json
from backstay.objectstore.expressions.syntax import (
    Call,
    Conditional,
    Index,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Operation,
    Select,
    unescaped,
)
from backstay.objectstore.schema import RuleFailure, Schema


class Kind(Enum):
    """The static type of an expression; DYN is "anything"."""

    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    BOOL = "bool"
    NULL = "null"
    LIST = "list"
    MAP = "map"
    DYN = "dyn"


@dataclass(frozen=True, slots=True)
class Static:
    """What is known of an expression: its kind and, for parts of the object, its schema."""

    kind: Kind
    schema: Schema | None = None
    item: "Static | None" = None
    """Of a list that is no part of the object: its items."""


_DYN = Static(Kind.DYN)
_BOOL = Static(Kind.BOOL)
_INT = Static(Kind.INT)
_STRING = Static(Kind.STRING)
_NUMBERS = (Kind.INT, Kind.DOUBLE)
_ROOT_METADATA = ("name", "generateName")
_SCALARS = {"integer": Kind.INT, "number": Kind.DOUBLE, "string": Kind.STRING, "boolean": Kind.BOOL}
_LITERALS: dict[type, Kind] = {
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.DOUBLE,
    str: Kind.STRING,
    type(None): Kind.NULL,
}
_RESULTS = {
    "size": _INT,
    "int": _INT,
    "indexOf": _INT,
    "lastIndexOf": _INT,
    "double": Static(Kind.DOUBLE),
    "string": _STRING,
    "lowerAscii": _STRING,
    "upperAscii": _STRING,
    "trim": _STRING,
    "replace": _STRING,
    "join": _STRING,
    "substring": _STRING,
    "charAt": _STRING,
    "find": _STRING,
    "bool": _BOOL,
    "matches": _BOOL,
    "startsWith": _BOOL,
    "endsWith": _BOOL,
    "contains": _BOOL,
    "isSorted": _BOOL,
    "isIP": _BOOL,
    "isCIDR": _BOOL,
    "split": Static(Kind.LIST, item=_STRING),
    "findAll": Static(Kind.LIST, item=_STRING),
}
_TEXT_METHODS = frozenset(
    (
        *(
            "matches",
            "startsWith",
            "endsWith",
            "contains",
            "lowerAscii",
            "upperAscii",
            "trim",
            "replace",
            "split",
        ),
        *("substring", "charAt", "find", "findAll"),
    )
)
_WITHOUT_STRINGS = ("date-time", "date", "duration", "byte")
"""Formats whose strings CEL sees as another type."""


def static_of(schema: Schema | None) -> Static:
    """What is known of a value that has this schema."""
    if schema is None or schema.int_or_string:
        return _DYN
    if schema.type == "object":
        return Static(Kind.MAP, schema)
    if schema.type == "array":
        return Static(Kind.LIST, schema)
    if schema.type == "string" and schema.format in _WITHOUT_STRINGS:
        return _DYN
    return Static(_SCALARS.get(schema.type, Kind.DYN))


def check(node: Node, schema: Schema, *, wanted: Kind) -> None:
    """Raises RuleFailure unless the expression, with `self` of this schema, can yield a value of the wanted kind."""
    known = static_of(schema)
    found = _Checker().kind_of(node, {"self": known, "oldSelf": known})
    if found.kind not in (wanted, Kind.DYN):
        raise RuleFailure(f"must evaluate to a {wanted.value}")


class _Checker:
    def kind_of(self, node: Node, scope: dict[str, Static]) -> Static:
        match node:
            case Literal(value):
                return Static(_literal_kind(value))
            case Name(name):
                return scope.get(name, _DYN)
            case Select(operand, member):
                return _member(self.kind_of(operand, scope), unescaped(member))
            case Index(operand, index):
                self.kind_of(index, scope)
                return _item(self.kind_of(operand, scope))
            case Operation(symbol, operands):
                return _operation(symbol, [self.kind_of(operand, scope) for operand in operands])
            case Conditional(test, yes, no):
                _want_bool("_?_:_", [self.kind_of(test, scope)])
                return _common([self.kind_of(yes, scope), self.kind_of(no, scope)])
            case ListOf(items):
                return Static(Kind.LIST, item=_common([self.kind_of(item, scope) for item in items]))
            case MapOf(entries):
                for key, value in entries:
                    self.kind_of(key, scope)
                    self.kind_of(value, scope)
                return Static(Kind.MAP)
            case Call():
                return self._call(node, scope)
            case _:
                assert_never(node)

    def _call(self, node: Call, scope: dict[str, Static]) -> Static:
        target = self.kind_of(node.target, scope) if node.target is not None else None
        if target is not None and node.function in _MACROS:
            return self._macro(node, target, scope)
        for argument in node.arguments:
            self.kind_of(argument, scope)
        if node.function == "has":
            return _BOOL
        if (
            target is not None
            and node.function in _TEXT_METHODS
            and target.kind not in (Kind.STRING, Kind.DYN)
        ):
            raise _no_overload(node.function, [target])
        return _RESULTS.get(node.function, _DYN)

    def _macro(self, node: Call, target: Static, scope: dict[str, Static]) -> Static:
        variable = node.arguments[0] if node.arguments else None
        name = variable.name if isinstance(variable, Name) else ""
        if target.kind not in (Kind.LIST, Kind.MAP, Kind.DYN):
            raise RuleFailure(f"expression of type '{target.kind.value}' cannot be range of a comprehension")
        bound = _STRING if target.kind is Kind.MAP else _item(target)
        found = [self.kind_of(argument, {**scope, name: bound}) for argument in node.arguments[1:]]
        if node.function == "map":
            return Static(Kind.LIST, item=found[-1] if found else _DYN)
        _want_bool(node.function, found)
        return Static(Kind.LIST, item=bound) if node.function == "filter" else _BOOL


_MACROS = ("all", "exists", "exists_one", "existsOne", "filter", "map")


def _literal_kind(value: Json) -> Kind:
    return _LITERALS.get(type(value), Kind.DYN)


def _member(operand: Static, name: str) -> Static:
    if operand.kind not in (Kind.MAP, Kind.DYN):
        raise RuleFailure(f"type '{operand.kind.value}' does not support field selection")
    schema = operand.schema
    if schema is None:
        return _DYN
    child = schema.child(name)
    if child is not None:
        return static_of(child)
    if name in ("apiVersion", "kind"):
        return _STRING
    if name == "metadata":
        return Static(Kind.MAP, _METADATA)
    raise RuleFailure(f"undefined field '{name}'")


_METADATA = Schema(type="object", properties={name: Schema(type="string") for name in _ROOT_METADATA})


def _item(operand: Static) -> Static:
    if operand.kind not in (Kind.LIST, Kind.MAP, Kind.DYN):
        raise _no_overload("_[_]", [operand])
    if operand.item is not None:
        return operand.item
    if operand.schema is None:
        return _DYN
    return static_of(operand.schema.items if operand.kind is Kind.LIST else operand.schema.additional)


def _common(found: list[Static]) -> Static:
    """What is known of a value that is one of these."""
    kinds = {static.kind for static in found}
    if len(kinds) != 1:
        return _DYN
    return found[0] if all(static.schema is found[0].schema for static in found) else Static(found[0].kind)


def _want_bool(name: str, operands: list[Static]) -> None:
    if any(operand.kind not in (Kind.BOOL, Kind.DYN) for operand in operands):
        raise _no_overload(name, operands)


def _no_overload(name: str, operands: list[Static]) -> RuleFailure:
    kinds = ", ".join(operand.kind.value for operand in operands)
    return RuleFailure(f"found no matching overload for '{name}' applied to '({kinds})'")


def _operation(symbol: str, operands: list[Static]) -> Static:
    kinds = [operand.kind for operand in operands]
    match symbol:
        case "not":
            _want_bool("!_", operands)
            return _BOOL
        case "&&" | "||":
            _want_bool(f"_{symbol}_", operands)
            return _BOOL
        case "negate":
            return operands[0]
        case "in":
            if kinds[1] not in (Kind.LIST, Kind.MAP, Kind.DYN):
                raise _no_overload("@in", operands)
            return _BOOL
        case "==" | "!=" | "<" | "<=" | ">" | ">=":
            if not _comparable(kinds[0], kinds[1]):
                raise _no_overload(f"_{symbol}_", operands)
            return _BOOL
    if Kind.DYN in kinds:
        return _DYN
    allowed = {"+": (*_NUMBERS, Kind.STRING, Kind.LIST), "%": (Kind.INT,)}.get(symbol, _NUMBERS)
    if kinds[0] is not kinds[1] or kinds[0] not in allowed:
        raise _no_overload(f"_{symbol}_", operands)
    return Static(kinds[0])


def _comparable(a: Kind, b: Kind) -> bool:
    if a is b or Kind.DYN in (a, b) or Kind.NULL in (a, b):
        return True
    return a in _NUMBERS and b in _NUMBERS

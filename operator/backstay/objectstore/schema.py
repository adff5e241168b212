"""Structural schemas (the OpenAPI v3 subset of CustomResourceDefinitions), compiled once into nodes to walk fast.

A node answers four questions about a value: what is unknown in it (`structural`), what is missing (`structural`),
what is wrong (`validation`, `rules`), and how it merges (`apply`, `strategic`). Assumes the schema's JSON was
accepted by `crd`; refuses, with SchemaError, what cannot be compiled at all.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from backstay.objectstore.document import MISSING, Json, JsonObject


class SchemaError(Exception):
    """A schema that cannot be compiled: where, and why."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


PythonType = type[str] | type[bool] | type[int]


class ListType(Enum):
    """x-kubernetes-list-type: how two writers' lists become one."""

    ATOMIC = "atomic"
    SET = "set"
    MAP = "map"


class RuleProgram(Protocol):
    """A compiled x-kubernetes-validations rule or messageExpression."""

    uses_old_self: bool

    def evaluate(self, value: Json, old: Json) -> Json:
        """The expression's value; `old` is MISSING outside transitions. Raises RuleFailure when it cannot say."""
        ...


class RuleFailure(Exception):
    """A rule that could not be compiled or evaluated, in words for the client."""


class RuleResult(Enum):
    """What an expression is for."""

    VERDICT = "verdict"
    MESSAGE = "message"


class RuleCompiler(Protocol):
    """Compiles CEL; handed in, so that the store depends on no particular implementation."""

    def compile(self, expression: str, schema: "Schema", *, yields: RuleResult) -> RuleProgram:
        """`schema` is that of `self`. Raises RuleFailure when the expression is not valid."""
        ...


@dataclass(slots=True, eq=False)
class Rule:
    """One x-kubernetes-validations entry."""

    program: RuleProgram
    expression: str
    message: str
    message_program: RuleProgram | None
    reason: str
    field_path: str
    optional_old_self: bool
    # The last value for which the rule held with oldSelf being that same value: values are immutable, so a
    # part nobody touched needs no second evaluation.
    held_unchanged_for: Json = MISSING

    @property
    def is_transition(self) -> bool:
        return self.program.uses_old_self


@dataclass(slots=True, eq=False)
class Schema:
    """One node of a compiled schema. Empty `type` means any type."""

    type: str = ""
    properties: dict[str, "Schema"] = field(default_factory=dict)
    additional: "Schema | None" = None
    allows_any_property: bool = False
    items: "Schema | None" = None
    required: tuple[str, ...] = ()
    nullable: bool = False
    preserves_unknown: bool = False
    int_or_string: bool = False
    embedded_resource: bool = False
    default: Json = MISSING
    enum: tuple[Json, ...] | None = None
    pattern: re.Pattern[str] | None = None
    format: str = ""
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    length_min: int | None = None
    length_max: int | None = None
    items_min: int | None = None
    items_max: int | None = None
    properties_min: int | None = None
    properties_max: int | None = None
    unique_items: bool = False
    list_type: ListType = ListType.ATOMIC
    list_keys: tuple[str, ...] = ()
    map_is_atomic: bool = False
    all_of: tuple["Schema", ...] = ()
    any_of: tuple["Schema", ...] = ()
    one_of: tuple["Schema", ...] = ()
    negated: "Schema | None" = None
    rules: tuple[Rule, ...] = ()
    has_rules: bool = False
    """Whether this node or any below has CEL rules."""
    has_defaults: bool = False
    """Whether this node or any below has a default."""
    plain_type: PythonType | None = None
    """Set when a value of exactly this type is right, whatever it is: most members need no further look."""
    patch_replaces_list: bool = False
    """For a strategic patch: a list that is replaced as a whole even though it merges under apply."""

    def child(self, key: str) -> "Schema | None":
        """The node of member `key` of an object, or None when the schema does not know it."""
        return self.properties.get(key) or self.additional

    @property
    def keeps_any_child(self) -> bool:
        """Whether members that no property names survive pruning."""
        return self.preserves_unknown or self.allows_any_property


ANYTHING = Schema(preserves_unknown=True)
"""The node of a value about which nothing is known: kept as it is, objects merge by member, lists are atomic."""

_VALUE_WORDS: tuple[tuple[str, str], ...] = (
    ("minimum", "minimum"),
    ("maximum", "maximum"),
    ("multipleOf", "multiple_of"),
    ("minLength", "length_min"),
    ("maxLength", "length_max"),
    ("minItems", "items_min"),
    ("maxItems", "items_max"),
    ("minProperties", "properties_min"),
    ("maxProperties", "properties_max"),
)


def compile_schema(raw: JsonObject, *, rules: RuleCompiler | None = None, path: str = "") -> Schema:
    """The compiled node of a structural schema.

    `rules` compiles x-kubernetes-validations; without it they are left out. Raises SchemaError.
    """
    return _Compiler(rules).node(raw, path)


class _Compiler:
    def __init__(self, rules: RuleCompiler | None) -> None:
        self._rules = rules

    def node(self, raw: Json, path: str) -> Schema:
        if not isinstance(raw, dict):
            raise SchemaError(path, "must be an object")
        schema = Schema(
            type=raw.get("type", ""),
            required=tuple(raw.get("required", ())),
            nullable=bool(raw.get("nullable")),
            preserves_unknown=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
            int_or_string=bool(raw.get("x-kubernetes-int-or-string")),
            embedded_resource=bool(raw.get("x-kubernetes-embedded-resource")),
            default=raw.get("default", MISSING),
            enum=tuple(raw["enum"]) if "enum" in raw else None,
            format=raw.get("format", ""),
            exclusive_minimum=bool(raw.get("exclusiveMinimum")),
            exclusive_maximum=bool(raw.get("exclusiveMaximum")),
            unique_items=bool(raw.get("uniqueItems")),
            list_keys=tuple(raw.get("x-kubernetes-list-map-keys", ())),
            map_is_atomic=raw.get("x-kubernetes-map-type") == "atomic",
            patch_replaces_list=raw.get("x-kubernetes-patch-strategy") == "replace",
        )
        for word, attribute in _VALUE_WORDS:
            if word in raw:
                setattr(schema, attribute, raw[word])
        schema.list_type = _list_type(raw, path)
        schema.pattern = _pattern(raw, path)
        self._children(schema, raw, path)
        self._junctors(schema, raw, path)
        schema.rules = self._compiled_rules(schema, raw, path)
        schema.plain_type = _plain_type(raw)
        below = [*schema.properties.values(), *filter(None, (schema.additional, schema.items))]
        schema.has_rules = bool(schema.rules) or any(child.has_rules for child in below)
        schema.has_defaults = schema.default is not MISSING or any(child.has_defaults for child in below)
        return schema

    def _children(self, schema: Schema, raw: JsonObject, path: str) -> None:
        for name, child in raw.get("properties", {}).items():
            schema.properties[name] = self.node(child, f"{path}.properties[{name}]")
        additional = raw.get("additionalProperties")
        if isinstance(additional, dict):
            schema.additional = self.node(additional, f"{path}.additionalProperties")
        elif additional is True:
            schema.allows_any_property = True
        if "items" in raw:
            schema.items = self.node(raw["items"], f"{path}.items")

    def _junctors(self, schema: Schema, raw: JsonObject, path: str) -> None:
        def branch(word: str) -> tuple[Schema, ...]:
            return tuple(self.node(part, f"{path}.{word}[{at}]") for at, part in enumerate(raw.get(word, ())))

        schema.all_of = branch("allOf")
        schema.any_of = branch("anyOf")
        schema.one_of = branch("oneOf")
        if "not" in raw:
            schema.negated = self.node(raw["not"], f"{path}.not")

    def _compiled_rules(self, schema: Schema, raw: JsonObject, path: str) -> tuple[Rule, ...]:
        if self._rules is None:
            return ()
        found = []
        for at, entry in enumerate(raw.get("x-kubernetes-validations") or ()):
            where = f"{path}.x-kubernetes-validations[{at}]"
            expression, worded = entry.get("rule", ""), entry.get("messageExpression")
            message = None
            program = self._program(schema, expression, f"{where}.rule", yields=RuleResult.VERDICT)
            if worded:
                message = self._program(
                    schema, worded, f"{where}.messageExpression", yields=RuleResult.MESSAGE
                )
            found.append(
                Rule(
                    program=program,
                    expression=expression,
                    message=entry.get("message", ""),
                    message_program=message,
                    reason=entry.get("reason", "FieldValueInvalid"),
                    field_path=entry.get("fieldPath", ""),
                    optional_old_self=bool(entry.get("optionalOldSelf")),
                )
            )
        return tuple(found)

    def _program(self, schema: Schema, expression: str, where: str, *, yields: RuleResult) -> RuleProgram:
        assert self._rules is not None, "only rules that are enforced are compiled"
        try:
            return self._rules.compile(expression, schema, yields=yields)
        except RuleFailure as failure:
            raise SchemaError(where, f"compilation failed: {failure}") from failure


_PLAIN_TYPES: dict[str, PythonType] = {"string": str, "boolean": bool, "integer": int}
_HARMLESS_WORDS = frozenset(
    ("type", "description", "default", "nullable", "title", "example", "externalDocs")
)


def _plain_type(raw: JsonObject) -> PythonType | None:
    """The Python type that is all a scalar schema asks for; None when it asks for more."""
    return _PLAIN_TYPES.get(raw.get("type", "")) if _HARMLESS_WORDS.issuperset(raw) else None


def _list_type(raw: JsonObject, path: str) -> ListType:
    word = raw.get("x-kubernetes-list-type", "atomic")
    try:
        return ListType(word)
    except ValueError:
        raise SchemaError(f"{path}.x-kubernetes-list-type", f"unsupported list type {word!r}") from None


def _pattern(raw: JsonObject, path: str) -> re.Pattern[str] | None:
    if "pattern" not in raw:
        return None
    try:
        return re.compile(raw["pattern"])
    except re.error as broken:
        raise SchemaError(
            f"{path}.pattern", f"must be a valid regular expression, but isn't: {broken}"
        ) from broken

"""Label and field selectors: parsed once, matched often.

Assumes selector strings as clients send them in a query. Refuses, with a BadRequest ApiError, what does not parse
and field labels the resource does not support.
"""

import re
from dataclasses import dataclass
from enum import Enum

from backstay.objectstore.document import Json, JsonObject, at_path
from backstay.objectstore.errors import ApiError, bad_request


class Operator(Enum):
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: JsonObject) -> bool:
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values and self.key in labels
            case Operator.NOT_IN:
                # An absent label is not one of the values: Kubernetes lets it match.
                return self.key not in labels or labels[self.key] not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.ABSENT:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """`path = value` or `path != value` on an object's field; a missing field counts as the empty string."""

    path: tuple[str, ...]
    value: str
    equal: bool

    def matches(self, document: JsonObject) -> bool:
        return (_text(at_path(document, self.path)) == self.value) is self.equal


@dataclass(frozen=True, slots=True)
class Selector:
    """What a list or a watch wants to see. The empty one selects everything."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    def matches(self, document: JsonObject) -> bool:
        if self.labels:
            labels = document["metadata"].get("labels") or {}
            if not all(requirement.matches(labels) for requirement in self.labels):
                return False
        return all(term.matches(document) for term in self.fields)

    @property
    def selects_all(self) -> bool:
        return not self.labels and not self.fields

    @property
    def single_name(self) -> str | None:
        """The one metadata.name that can match, if the selector pins it: saves looking at every object."""
        for term in self.fields:
            if term.equal and term.path == ("metadata", "name"):
                return term.value
        return None


EVERYTHING = Selector()


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def parse_selector(labels: str, fields: str, *, allowed_fields: tuple[str, ...] = ()) -> Selector:
    """A selector from the labelSelector and fieldSelector texts of a query; both may be empty."""
    if not labels and not fields:
        return EVERYTHING
    return Selector(labels=parse_labels(labels), fields=parse_fields(fields, allowed=allowed_fields))


_SET = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)$")
_EXISTS = re.compile(r"^(?P<absent>!\s*)?(?P<key>[^\s!=,()]+)$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")


def parse_labels(text: str) -> tuple[Requirement, ...]:
    return tuple(_requirement(part.strip(), text) for part in _split_outside_parentheses(text))


def _requirement(part: str, whole: str) -> Requirement:
    if found := _SET.match(part):
        values = tuple(value.strip() for value in found["values"].split(","))
        operator = Operator.IN if found["op"] == "in" else Operator.NOT_IN
        return Requirement(found["key"], operator, _checked(values, whole))
    if found := _EQUAL.match(part):
        operator = Operator.NOT_IN if found["op"] == "!=" else Operator.IN
        return Requirement(found["key"], operator, _checked((found["value"],), whole))
    if found := _EXISTS.match(part):
        return Requirement(found["key"], Operator.ABSENT if found["absent"] else Operator.EXISTS)
    raise _unparsable(whole, part)


def _checked(values: tuple[str, ...], whole: str) -> tuple[str, ...]:
    for value in values:
        if not _LABEL_VALUE.match(value) or len(value) > 63:
            raise _unparsable(whole, value)
    return values


def _unparsable(whole: str, part: str) -> ApiError:
    return bad_request(f'unable to parse requirement: found "{part}" in selector "{whole}"')


def _split_outside_parentheses(text: str) -> list[str]:
    parts: list[str] = []
    depth = start = 0
    for at, letter in enumerate(text):
        if letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def parse_fields(text: str, *, allowed: tuple[str, ...]) -> tuple[FieldTerm, ...]:
    """Field terms; `allowed` are the dotted paths the resource supports besides its name and namespace."""
    terms = []
    for part in text.split(","):
        if not part:
            continue
        path, mark, value = _field_parts(part)
        if path not in ("metadata.name", "metadata.namespace") and path not in allowed:
            raise bad_request(f"field label not supported: {path}")
        terms.append(FieldTerm(tuple(path.split(".")), value, mark != "!="))
    return tuple(terms)


def _field_parts(part: str) -> tuple[str, str, str]:
    for mark in ("!=", "==", "="):
        path, found, value = part.partition(mark)
        if found:
            return path.strip(), mark, value.strip().replace("\\,", ",").replace("\\=", "=")
    raise bad_request(f'invalid selector: "{part}"; can\'t understand "{part}"')

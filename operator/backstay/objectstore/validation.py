"""Judges a value by its structural schema, in the API server's words.

Ratchets: a part that is the very object the store already holds is not judged again, so tightening a schema never
blocks an update elsewhere in an old object. Assumes pruned and defaulted values grafted on the stored ones.
Collects every error it finds, up to a bound; raises none.
"""

import ipaddress
import re
from base64 import b64decode
from dataclasses import dataclass, field

from backstay.objectstore.document import MISSING, Json, JsonObject, kind_name
from backstay.objectstore.errors import FieldError, FieldFault, invalid_value, shown
from backstay.objectstore.schema import ListType, Schema
from backstay.objectstore.timestamps import unix_seconds

ERRORS_MAX = 64
"""After so many errors a report helps nobody; judging stops."""


@dataclass(slots=True)
class Findings:
    """The errors found so far."""

    errors: list[FieldError] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.errors) >= ERRORS_MAX

    def add(self, error: FieldError) -> None:
        if not self.is_full:
            self.errors.append(error)


def validate(schema: Schema, value: Json, *, old: Json = MISSING, path: str, findings: Findings) -> None:
    """Adds what is wrong with `value` to `findings`. `old` is the stored value at the same place, if there is one."""
    if value is old or findings.is_full:
        return
    if value is None and schema.nullable:
        return
    if not _type_fits(schema, value):
        _report_type(schema, value, path, findings)
        return
    if isinstance(value, dict):
        _validate_object(schema, value, old=old, path=path, findings=findings)
    elif isinstance(value, list):
        _validate_list(schema, value, old=old, path=path, findings=findings)
    elif isinstance(value, str):
        _validate_string(schema, value, path=path, findings=findings)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _validate_number(schema, value, path=path, findings=findings)
    if schema.enum is not None and not any(
        type(value) is type(choice) and value == choice for choice in schema.enum
    ):
        choices = ", ".join(shown(choice) for choice in schema.enum)
        text = f"Unsupported value: {shown(value)}: supported values: {choices}"
        findings.add(FieldError(FieldFault.NOT_SUPPORTED, path, text))
    _validate_junctors(schema, value, path=path, findings=findings)


def _type_fits(schema: Schema, value: Json) -> bool:
    if schema.int_or_string:
        return isinstance(value, int | str) and not isinstance(value, bool)
    match schema.type:
        case "":
            return True
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _report_type(schema: Schema, value: Json, path: str, findings: Findings) -> None:
    wanted = "integer or string" if schema.int_or_string else schema.type
    found = kind_name(value)
    text = f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
    findings.add(FieldError(FieldFault.TYPE_INVALID, path, text))


def _validate_object(schema: Schema, value: JsonObject, *, old: Json, path: str, findings: Findings) -> None:
    before = old if isinstance(old, dict) else {}
    for key in schema.required:
        if key not in value:
            findings.add(FieldError(FieldFault.REQUIRED, f"{path}.{key}" if path else key, "Required value"))
    count = len(value)
    if schema.properties_min is not None and count < schema.properties_min:
        text = f"{path} in body should have at least {schema.properties_min} properties"
        findings.add(invalid_value(path, count, text))
    if schema.properties_max is not None and count > schema.properties_max:
        findings.add(_too_many(path, count, schema.properties_max))
    for key, item in value.items():
        child = schema.child(key)
        if child is not None and type(item) is not child.plain_type:
            counterpart = before.get(key, MISSING)
            if item is not counterpart:
                where = f"{path}.{key}" if path else key
                validate(child, item, old=counterpart, path=where, findings=findings)


def _validate_list(schema: Schema, value: list[Json], *, old: Json, path: str, findings: Findings) -> None:
    count = len(value)
    if schema.items_min is not None and count < schema.items_min:
        text = f"{path} in body should have at least {schema.items_min} items"
        findings.add(invalid_value(path, count, text))
    if schema.items_max is not None and count > schema.items_max:
        findings.add(_too_many(path, count, schema.items_max))
    _report_duplicates(schema, value, path, findings)
    if schema.items is None:
        return
    if schema.list_type is ListType.MAP:
        before = keyed_items(schema, old)
        for at, item in enumerate(value):
            counterpart = before.get(item_key(schema, item), MISSING)
            validate(schema.items, item, old=counterpart, path=f"{path}[{at}]", findings=findings)
        return
    stored = old if isinstance(old, list) else []
    for at, item in enumerate(value):
        # Items without identity have no counterpart to ratchet on, but the very object at the same place was
        # judged when it was stored: a long list of which one item changed costs one item.
        if at >= len(stored) or item is not stored[at]:
            validate(schema.items, item, path=f"{path}[{at}]", findings=findings)


def item_key(schema: Schema, item: Json) -> str:
    """What tells one item of a map-like list from the others; empty for what has no identity."""
    if schema.list_type is not ListType.MAP or not isinstance(item, dict) or schema.items is None:
        return ""
    parts = []
    for key in schema.list_keys:
        child = schema.items.properties.get(key)
        fallback = child.default if child is not None and child.default is not MISSING else None
        parts.append(item.get(key, fallback))
    return shown(parts)


def keyed_items(schema: Schema, value: Json) -> dict[str, Json]:
    """The items of a map-like list by identity; empty for other lists, whose items have no counterpart."""
    if schema.list_type is not ListType.MAP or not isinstance(value, list):
        return {}
    return {item_key(schema, item): item for item in value}


def _report_duplicates(schema: Schema, value: list[Json], path: str, findings: Findings) -> None:
    if schema.list_type is ListType.ATOMIC and not schema.unique_items:
        return
    seen: set[str] = set()
    for at, item in enumerate(value):
        is_map = schema.list_type is ListType.MAP
        identity = item_key(schema, item) if is_map else shown(item)
        if identity in seen:
            shown_item = {key: item.get(key) for key in schema.list_keys} if is_map else item
            text = f"Duplicate value: {shown(shown_item)}"
            findings.add(FieldError(FieldFault.DUPLICATE, f"{path}[{at}]", text))
        seen.add(identity)


def _too_many(path: str, count: int, limit: int) -> FieldError:
    return FieldError(FieldFault.TOO_MANY, path, f"Too many: {count}: must have at most {limit} items")


def _validate_string(schema: Schema, value: str, *, path: str, findings: Findings) -> None:
    if schema.length_min is not None and len(value) < schema.length_min:
        text = f"{path} in body should be at least {schema.length_min} chars long"
        findings.add(invalid_value(path, value, text))
    if schema.length_max is not None and len(value) > schema.length_max:
        text = f"Too long: may not be more than {schema.length_max} bytes"
        findings.add(FieldError(FieldFault.TOO_LONG, path, text))
    if schema.pattern is not None and not schema.pattern.search(value):
        text = f"{path} in body should match '{schema.pattern.pattern}'"
        findings.add(invalid_value(path, value, text))
    if schema.format and not format_fits(schema.format, value):
        text = f"{path} in body must be of type {schema.format}: {shown(value)}"
        findings.add(invalid_value(path, value, text))


def _validate_number(schema: Schema, value: float, *, path: str, findings: Findings) -> None:
    low, high = schema.minimum, schema.maximum
    if low is not None and (value < low or (schema.exclusive_minimum and value == low)):
        word = "greater than" if schema.exclusive_minimum else "greater than or equal to"
        findings.add(invalid_value(path, value, f"{path} in body should be {word} {low:g}"))
    if high is not None and (value > high or (schema.exclusive_maximum and value == high)):
        word = "less than" if schema.exclusive_maximum else "less than or equal to"
        findings.add(invalid_value(path, value, f"{path} in body should be {word} {high:g}"))
    if schema.multiple_of is not None and value % schema.multiple_of != 0:
        findings.add(
            invalid_value(path, value, f"{path} in body should be a multiple of {schema.multiple_of:g}")
        )
    bits = {"int32": 31, "int64": 63}.get(schema.format)
    if bits is not None and not -(2**bits) <= value < 2**bits:
        findings.add(
            invalid_value(path, value, f"{path} in body must be of type {schema.format}: {shown(value)}")
        )


def _holds(schema: Schema, value: Json) -> bool:
    findings = Findings()
    validate(schema, value, path="", findings=findings)
    return not findings.errors


def _validate_junctors(schema: Schema, value: Json, *, path: str, findings: Findings) -> None:
    for part in schema.all_of:
        validate(part, value, path=path, findings=findings)
    if schema.any_of and not any(_holds(part, value) for part in schema.any_of):
        findings.add(_junctor_error(path, value, "must validate at least one schema (anyOf)"))
    if schema.one_of:
        fitting = sum(_holds(part, value) for part in schema.one_of)
        if fitting != 1:
            found = "Found none valid" if fitting == 0 else f"Found {fitting} valid alternatives"
            findings.add(
                _junctor_error(path, value, f"must validate one and only one schema (oneOf). {found}")
            )
    if schema.negated is not None and _holds(schema.negated, value):
        findings.add(_junctor_error(path, value, "must not validate the schema (not)"))


def _junctor_error(path: str, value: Json, text: str) -> FieldError:
    sentence = f'Invalid value: {shown(value)}: "{path}" {text}'
    return FieldError(FieldFault.INVALID, path, sentence)


_DURATION = re.compile(
    r"^[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*$|^0$"
)
_UUID = re.compile(r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")


def format_fits(name: str, value: str) -> bool:
    """Whether a string has the named format; formats the API server does not check always fit."""
    match name:
        case "date-time":
            return unix_seconds(value) is not None
        case "date":
            return _DATE.match(value) is not None
        case "duration":
            return _DURATION.match(value) is not None
        case "uuid":
            return _UUID.match(value) is not None
        case "ipv4" | "ipv6" | "cidr":
            return _address_fits(name, value)
        case "byte":
            return _base64_fits(value)
    return True


def _address_fits(name: str, value: str) -> bool:
    try:
        if name == "cidr":
            return "/" in value and ipaddress.ip_network(value, strict=False) is not None
        return ipaddress.ip_address(value).version == (4 if name == "ipv4" else 6)
    except ValueError:
        return False


def _base64_fits(value: str) -> bool:
    try:
        b64decode(value, validate=True)
    except ValueError:
        return False
    return True

"""Walks a value along its schema and evaluates the x-kubernetes-validations rules on the way.

The language itself is handed in (`schema.RuleCompiler`); this module knows only which rule applies where: a
transition rule (one that mentions oldSelf) where the stored object has the same part, any other rule where the
part is new or changed. Assumes values that passed `validation`, grafted on the stored ones.
"""

from backstay.objectstore.document import MISSING, Json, kind_name
from backstay.objectstore.errors import FieldError, FieldFault
from backstay.objectstore.schema import ListType, Rule, RuleFailure, Schema
from backstay.objectstore.validation import Findings, item_key, keyed_items


def check_rules(schema: Schema, value: Json, *, old: Json = MISSING, path: str, findings: Findings) -> None:
    """Adds what the rules refuse to `findings`. `old` is the stored value at the same place, or MISSING."""
    if not schema.has_rules or value is None or findings.is_full:
        return
    for rule in schema.rules:
        error = _verdict(rule, value, old=old, path=path)
        if error is not None:
            findings.add(error)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for key, item in value.items():
            child = schema.child(key)
            if child is not None and child.has_rules:
                where = f"{path}.{key}" if path else key
                check_rules(child, item, old=before.get(key, MISSING), path=where, findings=findings)
    elif isinstance(value, list) and schema.items is not None and schema.items.has_rules:
        _check_items(schema, schema.items, value, old=old, path=path, findings=findings)


def _check_items(
    schema: Schema, items: Schema, value: list[Json], *, old: Json, path: str, findings: Findings
) -> None:
    before = keyed_items(schema, old)
    stored = old if isinstance(old, list) and schema.list_type is not ListType.MAP else []
    for at, item in enumerate(value):
        # Items of a list without keys have no counterpart: no transition to judge. But the very object at the
        # same place was judged when it was stored.
        if at < len(stored) and item is stored[at]:
            continue
        counterpart = before.get(item_key(schema, item), MISSING)
        check_rules(items, item, old=counterpart, path=f"{path}[{at}]", findings=findings)


def _verdict(rule: Rule, value: Json, *, old: Json, path: str) -> FieldError | None:
    unchanged = value is old
    if rule.is_transition:
        if old is MISSING and not rule.optional_old_self:
            return None
        if unchanged and rule.held_unchanged_for is value:
            return None
    elif unchanged:
        return None
    try:
        held = rule.program.evaluate(value, old)
    except RuleFailure as failure:
        return _refusal(rule, value, path, f"rule evaluation failed: {failure}")
    if held is True:
        if unchanged:
            rule.held_unchanged_for = value
        return None
    return _refusal(rule, value, path, _message(rule, value, old))


def _message(rule: Rule, value: Json, old: Json) -> str:
    if rule.message_program is not None:
        try:
            worded = rule.message_program.evaluate(value, old)
        except RuleFailure:
            worded = None
        if isinstance(worded, str) and worded.strip() and "\n" not in worded:
            return worded
    return rule.message or f"failed rule: {rule.expression}"


def _refusal(rule: Rule, value: Json, path: str, text: str) -> FieldError:
    where = f"{path}{rule.field_path}" if path else rule.field_path.removeprefix(".")
    match rule.reason:
        case "FieldValueForbidden":
            return FieldError(FieldFault.FORBIDDEN, where, f"Forbidden: {text}")
        case "FieldValueRequired":
            return FieldError(FieldFault.REQUIRED, where, f"Required value: {text}")
        case "FieldValueDuplicate":
            return FieldError(FieldFault.DUPLICATE, where, f'Duplicate value: "{kind_name(value)}"')
    if isinstance(value, dict | list):
        return FieldError(FieldFault.INVALID, where, f"Invalid value: {text}")
    return FieldError(FieldFault.INVALID, where, f'Invalid value: "{kind_name(value)}": {text}')

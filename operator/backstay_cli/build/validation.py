"""Parameters against the agent's own meta-data, and the operations that it advises. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from backstay.api.quantities import duration_text
from backstay.ocf.metadata import Action, Metadata, Parameter
from backstay_cli.build.words import Value
from backstay_cli.errors import nearest

_ADVISED = ("start", "stop", "promote", "demote", "migrate_to", "migrate_from")
_ROLES = {"master": "Promoted", "slave": "Unpromoted", "promoted": "Promoted", "unpromoted": "Unpromoted"}


def parameter_faults(
    metadata: Metadata, params: Mapping[str, str], elsewhere: Iterable[str] = ()
) -> Iterator[str]:
    """What is wrong with parameters, a sentence each. `elsewhere` are names whose values come from Secrets."""
    known = {parameter.name: parameter for parameter in metadata.parameters}
    for name, value in params.items():
        if name not in known:
            hint = nearest(name, known)
            yield f"{metadata.name} has no parameter {name!r}" + (f" ({hint})" if hint else "")
        else:
            yield from _type_fault(known[name], value)
    given = {*params, *elsewhere}
    for parameter in metadata.parameters:
        if parameter.required and not parameter.default and parameter.name not in given:
            what = f" ({parameter.short_description})" if parameter.short_description else ""
            yield f"{metadata.name} needs the parameter {parameter.name!r}{what}"


def advised_operations(metadata: Metadata) -> Sequence[Mapping[str, Value]]:
    """Operations as pcs takes them from the meta-data: monitors of depth 0, and the timeouts of the others."""
    found: list[Mapping[str, Value]] = []
    for action in metadata.actions:
        if action.name in ("monitor", "status") and action.depth in ("", "0") and action.interval_ms:
            found.append(_monitor(action))
        elif action.name in _ADVISED and action.timeout_ms:
            found.append({"name": action.name, "timeout": duration_text(action.timeout_ms)})
    return _first_of_each(found)


def _monitor(action: Action) -> Mapping[str, Value]:
    operation: dict[str, Value] = {"name": "monitor", "interval": duration_text(action.interval_ms or 60_000)}
    if action.timeout_ms:
        operation["timeout"] = duration_text(action.timeout_ms)
    role = _ROLES.get(action.role.lower())
    if role:
        operation["role"] = role
    return operation


def _first_of_each(operations: Sequence[Mapping[str, Value]]) -> Sequence[Mapping[str, Value]]:
    """One operation per name and role: some agents list both monitor and status."""
    kept: dict[tuple[Value, Value], Mapping[str, Value]] = {}
    for operation in operations:
        kept.setdefault((operation["name"], operation.get("role", "")), operation)
    return tuple(kept.values())


def _type_fault(parameter: Parameter, value: str) -> Iterator[str]:
    match parameter.type:
        case "integer" if not value.lstrip("+-").isdigit():
            yield f"{parameter.name}={value}: it is an integer"
        case "boolean" if value.lower() not in (
            "true",
            "false",
            "yes",
            "no",
            "on",
            "off",
            "1",
            "0",
            "y",
            "n",
            "t",
            "f",
        ):
            yield f"{parameter.name}={value}: it is a boolean (true or false)"
        case "select" if parameter.choices and value not in parameter.choices:
            yield f"{parameter.name}={value}: it is one of {', '.join(parameter.choices)}"
        case _:
            pass

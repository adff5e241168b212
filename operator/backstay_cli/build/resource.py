"""The manifest of an HAResource, and the edit of a ResourceGroup, that `resource create` makes.

Assumes an agent name written out in full. Default operations are pcs's: the agent's own advice (start, stop, promote,
demote timeouts, and each monitor of depth 0), where its meta-data is known, and else one monitor every 60 s: a
resource without a monitor would not be watched at all. The result is checked by the same models that made the CRDs;
what they refuse is a UsageError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backstay_cli.build.names import kubernetes_name
from backstay_cli.build.words import Value, Words
from backstay_cli.errors import CliError, UsageError, nearest

API_VERSION = "ha.backstay.io/v1alpha1"
DEFAULT_MONITOR: Mapping[str, Value] = {"name": "monitor", "interval": "60s"}

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where in a group a new member goes: at the end, or before or after a member (one of the two at most)."""

    before: str = ""
    after: str = ""


def resource_manifest(
    resource_id: str,
    agent: str,
    words: Words,
    *,
    namespace: str,
    disabled: bool,
    advised: Sequence[Mapping[str, Value]],
) -> Obj:
    """The object to create. `advised` are default operations; one that the words name is left to the words.

    Raises UsageError when the API's models refuse it."""
    name = kubernetes_name(resource_id)
    spec: Obj = {}
    if name != resource_id:
        spec["resourceId"] = resource_id
    spec["agent"] = agent
    if words.params:
        spec["params"] = dict(words.params)
    operations = _operations(words.operations, advised)
    if operations:
        spec["operations"] = operations
    meta = dict(words.meta) | ({"targetRole": "Stopped"} if disabled else {})
    if meta:
        spec["meta"] = meta
    if words.clone is not None:
        spec["clone"] = dict(words.clone)
    _check(spec)
    return {
        "apiVersion": API_VERSION,
        "kind": "HAResource",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def group_manifest(group_id: str, member: str, *, namespace: str) -> Obj:
    """A new group with one member."""
    name = kubernetes_name(group_id)
    spec: Obj = {"resourceId": group_id} if name != group_id else {}
    spec["members"] = [{"resource": member}]
    return {
        "apiVersion": API_VERSION,
        "kind": "ResourceGroup",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def with_member(group: Obj, member: str, placement: Placement) -> list[Obj]:
    """The members of `group` with `member` put in. Names in `placement` are object names or ids of inline members.

    Raises CliError when it is a member already or the neighbour is not."""
    members: list[Obj] = list(group.get("spec", {}).get("members", []))
    known = [entry.get("resource") or entry.get("name", "") for entry in members]
    group_name = group.get("metadata", {}).get("name", "")
    if member in known:
        raise CliError(f"{member} is in the group {group_name} already")
    neighbour = placement.before or placement.after
    if not neighbour:
        return [*members, {"resource": member}]
    if neighbour not in known:
        raise CliError(f"{neighbour} is not in the group {group_name}", hint=nearest(neighbour, known))
    at = known.index(neighbour) + (1 if placement.after else 0)
    return [*members[:at], {"resource": member}, *members[at:]]


def without_member(group: Obj, member: str) -> list[Obj]:
    """The members of `group` without `member`. Raises CliError when it is not one."""
    members: list[Obj] = list(group.get("spec", {}).get("members", []))
    left = [entry for entry in members if member not in (entry.get("resource"), entry.get("name"))]
    if len(left) == len(members):
        raise CliError(f"{member} is not in the group {group.get('metadata', {}).get('name', '')}")
    return left


def _operations(
    given: Sequence[Mapping[str, Value]], advised: Sequence[Mapping[str, Value]]
) -> list[dict[str, Value]]:
    """What was given, completed with what is advised: a given monitor without an interval takes the advised one."""
    advice = {_operation_key(op): op for op in advised}
    completed = [{**advice.get(_operation_key(op), {}), **op} for op in given]
    # A monitor that was given without a role replaces every advised one, or it would be watched twice.
    named = {str(op["name"]) for op in given}
    rest = [dict(op) for op in advised if str(op["name"]) not in named]
    return sorted([*completed, *rest], key=lambda op: _ORDER.index(str(op["name"])))


_ORDER = ("monitor", "start", "stop", "promote", "demote", "notify", "reload", "migrate_to", "migrate_from")


def _operation_key(op: Mapping[str, Value]) -> tuple[str, str]:
    return str(op["name"]), str(op.get("role", ""))


def _check(spec: Obj) -> None:
    from pydantic import ValidationError

    from backstay.api.resource import HAResourceSpec

    try:
        HAResourceSpec.model_validate(spec)
    except ValidationError as error:
        raise UsageError("; ".join(validation_messages(error))) from None


def validation_messages(error: Any) -> list[str]:
    """One line per fault of a pydantic ValidationError: the field, the value, what is wrong."""
    lines = []
    for fault in error.errors():
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(
            "."
        )
        value = fault.get("input")
        shown = f" {value!r}" if isinstance(value, (str, int, bool)) else ""
        said = (
            "has a wrong form" if "pattern" in fault["type"] else fault["msg"].removeprefix("Value error, ")
        )
        lines.append(f"{where}{shown}: {said}")
    return lines

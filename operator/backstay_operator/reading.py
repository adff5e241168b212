"""Objects of the API as the models, reading only what differs from the version before.

A node's plan says a thousand things of which a new version changes a few, and a status that is written changes nothing of what people
wrote. So what a version says in the very words of the one before is the same parsed value, by identity: it costs no parsing, and what
was made of it stands (`backstay.state.kept`). Assumes that parsed values are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from backstay.api import HANodePlan, Resource
from backstay.numerals import shortened
from backstay.state.assemble_problem import Problem
from backstay_kube.client import Obj

R = TypeVar("R", bound=Resource)

MESSAGE_MAX = 1024
KEPT_MAX = 20_000
"""Objects of a kind, those that are gone by now among them."""
LISTS: Mapping[str, Callable[[Obj], object]] = {
    "history": lambda one: (one.get("resource"), one.get("operation"), one.get("intervalMs")),
    "results": lambda one: one.get("id"),
    "pending": lambda one: one.get("actionId"),
    "absences": lambda one: one.get("agent"),
    "failures": lambda one: (one.get("resource"), one.get("operation"), one.get("intervalMs")),
    "metadata": lambda one: one.get("agent"),
}
"""Sections of a plan's status that are lists of things of their own, and by what a thing is known."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One version: as it came, and as read."""

    raw: Mapping[str, Any]
    item: Resource


class Reader:
    """Of one kind. Keeps the last version of each object."""

    def __init__(self) -> None:
        self._last: dict[str, _Read] = {}

    def read(self, model: type[R], obj: Obj) -> R | Problem:
        """Fields of a later version are passed over: during an upgrade the definitions may be newer than this program."""
        uid = str(obj["metadata"].get("uid", ""))
        before = self._last.get(uid) if uid else None
        item: R | ValidationError
        try:
            item = model.model_validate(_with_known(obj, before) if before else obj, extra="ignore")
        except ValidationError as error:
            item = _in_spite_of_status(model, obj, error)
        except (AttributeError, TypeError, ValueError):
            item = _as_it_came(model, obj)  # not even a list where one belongs: nothing to compare with
        if isinstance(item, ValidationError):
            self._last.pop(uid, None)
            return _problem(model, obj, item)
        if len(self._last) > KEPT_MAX:
            self._last.clear()
        if uid:
            self._last[uid] = _Read(obj, item)
        return item


def _as_it_came(model: type[R], obj: Obj) -> R | ValidationError:
    try:
        return model.model_validate(obj, extra="ignore")
    except ValidationError as error:
        return _in_spite_of_status(model, obj, error)


def _in_spite_of_status(model: type[R], obj: Obj, error: ValidationError) -> R | ValidationError:
    """The object without those parts of its status that cannot be read: the DC writes them again. A plan's status is the node's
    own word, of which nothing may be left out."""
    if model is HANodePlan:
        return error
    paths = [one["loc"] for one in error.errors(include_input=False, include_url=False)]
    if any(len(path) < 1 or path[0] != "status" for path in paths):
        return error
    status = obj.get("status")
    bad = {path[1] for path in paths if len(path) > 1}
    rest = (
        {name: value for name, value in status.items() if name not in bad}
        if isinstance(status, Mapping)
        else {}
    )
    try:
        return model.model_validate({**obj, "status": rest if bad else {}}, extra="ignore")
    except ValidationError:
        return error


def _with_known(obj: Obj, before: _Read) -> Obj:
    """The object, with parsed values where it says what it said before."""
    known = {}
    for name in ("spec", "status"):
        new, old = obj.get(name), before.raw.get(name)
        if new is None or old is None:
            continue
        if new == old:
            known[name] = getattr(before.item, name)
        elif name == "status" and hasattr(before.item.status, "history"):  # type: ignore[attr-defined]
            known[name] = _status_with_known(new, old, before.item.status)  # type: ignore[attr-defined]
    return {**obj, **known}


def _status_with_known(new: Obj, old: Obj, parsed: object) -> Obj:
    known: Obj = {}
    for name, key_of in LISTS.items():
        items, olds = new.get(name), old.get(name)
        if not items or not olds:
            continue
        there = {key_of(one): (one, value) for one, value in zip(olds, getattr(parsed, name), strict=True)}
        known[name] = [_known_item(one, there.get(key_of(one))) for one in items]
    return {**new, **known}


def _known_item(new: Obj, known: tuple[Obj, object] | None) -> object:
    return known[1] if known is not None and known[0] == new else new


def _problem(model: type[Resource], obj: Obj, error: ValidationError) -> Problem:
    first = error.errors(include_input=False, include_url=False)[0]
    path = shortened(".".join(str(part) for part in first["loc"]))
    metadata = obj["metadata"]
    return Problem(
        kind=model.info.kind,
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        code="Invalid",
        message=f"{path}: {first['msg']}"[:MESSAGE_MAX],
        field=path,
    )

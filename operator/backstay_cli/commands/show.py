"""`resource show`: the list as in status, or the configuration of some."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from backstay.api.resource import ResourceTemplate
from backstay_cli.build.words import CLONE, META, OPERATION_OPTIONS
from backstay_cli.edit import holder
from backstay_cli.gather import Wanted, gather
from backstay_cli.output import dump
from backstay_cli.render.paint import Paint, paint_for
from backstay_cli.render.status_document import status_document
from backstay_cli.render.status_text import resource_lines
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, View, find, targets


async def show(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    paint = paint_for(session.out, session.environ)
    chosen = [find(view, word, namespace=session.namespace) for word in arguments.ids]
    if arguments.output != "text":
        session.show(await _objects(session, chosen or list(targets(view)), arguments.output))
        return 0
    if not chosen:
        document = status_document(view)
        session.show("\n".join(resource_lines(document.resources, document.nodes, paint)))
        return 0
    for target in chosen:
        session.show("\n".join(_configuration(view, target, paint, indent=0)))
    return 0


async def _objects(session: Session, chosen: list[Target], form: str) -> str:
    """The objects as the API has them, each once (inline members are part of their group)."""
    places = dict.fromkeys(holder(target) for target in chosen)
    objects: list[dict[str, Any]] = []
    for kind, name, namespace in places:
        obj = await session.api.get(kind, name, namespace)
        obj.setdefault("apiVersion", kind.api_version)
        obj.setdefault("kind", kind.name)
        obj["metadata"].pop("managedFields", None)
        objects.append(obj)
    return dump(objects, form)


def _configuration(view: View, target: Target, paint: Paint, *, indent: int) -> Iterator[str]:
    margin = " " * indent
    if target.kind is TargetKind.GROUP:
        assert target.group is not None
        yield f"{margin}Group: {paint.heading(target.id)}"
        yield from _pairs("Meta Attributes", _spelled(target.group.spec.meta.wire(), META), margin)
        for member in targets(view):
            if member.group is target.group and member.kind is not TargetKind.GROUP:
                yield from _configuration(view, member, paint, indent=indent + 2)
        return
    assert target.template is not None
    yield f"{margin}Resource: {paint.heading(target.id)} ({target.template.agent})"
    yield from _template(target.template, margin)
    if target.resource is not None:
        if target.resource.spec.clone is not None:
            yield from _pairs("Clone", _spelled(target.resource.spec.clone.wire(), CLONE), margin)
        status = target.resource.status
        yield f"{margin}  State: {target.role or 'not yet seen by a DC'}{' on ' if target.nodes else ''}{' '.join(target.nodes)}"
        if status.why:
            yield f"{margin}  Why: {status.why}"
        for count in status.fail_counts:
            reason = f" ({count.reason})" if count.reason else ""
            yield f"{margin}  Failures: {count.operation} on {count.node}: {count.count}{reason}"


def _template(template: ResourceTemplate, margin: str) -> Iterator[str]:
    secrets = {
        name: f"<secret {p.secret_key_ref.name}/{p.secret_key_ref.key}>"
        for name, p in template.params_from.items()
    }
    yield from _pairs("Attributes", {**template.params, **secrets}, margin)
    yield from _pairs("Meta Attributes", _spelled(template.meta.wire(), META), margin)
    yield from _pairs("Utilization", template.utilization, margin)
    if template.operations:
        yield f"{margin}  Operations:"
        for operation in template.operations:
            options = _spelled(operation.wire(), OPERATION_OPTIONS)
            options |= operation.params
            yield f"{margin}    {operation.name}: {' '.join(f'{name}={_shown(value)}' for name, value in options.items())}"


def _pairs(title: str, pairs: Mapping[str, object], margin: str) -> Iterator[str]:
    if pairs:
        yield f"{margin}  {title}:"
        for name, value in pairs.items():
            yield f"{margin}    {name}={_shown(value)}"


def _spelled(fields: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a manifest under the names that `create` takes them by; what has none is left out."""
    names: dict[str, str] = {}
    for word, field_name in words.items():
        names.setdefault(field_name, word)
    return {names[field_name]: value for field_name, value in fields.items() if field_name in names}


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

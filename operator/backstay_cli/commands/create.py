"""`resource create`: from pcs's words to an HAResource (and its place in a ResourceGroup), checked before anything is written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from backstay_cli.build.agents import Catalogue, catalogue, check_installed, full_name, resolve
from backstay_cli.build.names import kubernetes_name
from backstay_cli.build.resource import (
    DEFAULT_MONITOR,
    Placement,
    group_manifest,
    resource_manifest,
    with_member,
    without_member,
)
from backstay_cli.build.validation import advised_operations, parameter_faults
from backstay_cli.build.words import Value, Words, parse_words
from backstay_cli.edit import edit
from backstay_cli.errors import CliError, UsageError
from backstay_cli.gather import Wanted, gather
from backstay_cli.metadata_source import fetch, parsed, published
from backstay_cli.output import dump
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, View, targets
from backstay_cli.wait import wait_for_roles
from backstay_kube import kinds
from backstay_kube.errors import ApiConflict, ApiError

Obj = dict[str, Any]


async def create(session: Session, arguments: argparse.Namespace) -> int:
    words = parse_words(arguments.words)
    placement = _placement(arguments)
    dry = arguments.dry_run == "client"
    view = await _view(session, dry=dry)
    agent, advised = await _agent(session, view, words=words, arguments=arguments)
    if arguments.no_default_ops:
        advised = ()
    manifest = resource_manifest(
        arguments.id, agent, words, namespace=session.home, disabled=arguments.disabled, advised=advised
    )
    if view is not None:
        _refuse_taken_id(view, arguments.id)
    group = _group(view, arguments.group, session) if arguments.group else None
    _refuse_clone_in_group(words, arguments.group)
    if group is not None and group.group is not None:
        neighbour = _neighbour(group, placement)
        with_member(
            _members_of(group), manifest["metadata"]["name"], neighbour
        )  # refused before anything is written
        placement = neighbour
        manifest["metadata"]["namespace"] = group.namespace
    if dry:
        session.show(dump(_dry_objects(manifest, group, arguments, placement), arguments.output))
        return 0
    await _write(session, manifest, group, group_id=arguments.group, placement=placement)
    shown = dump([manifest], arguments.output)
    session.show(f"{shown} created" if arguments.output == "name" else shown)
    if arguments.wait is not None:
        await wait_for_roles(
            session, [arguments.id], running=not arguments.disabled, timeout_s=arguments.wait
        )
    return 0


def _placement(arguments: argparse.Namespace) -> Placement:
    if (arguments.before or arguments.after) and not arguments.group:
        raise UsageError("--before and --after place a member in a group", hint="name it with --group GROUP")
    return Placement(before=arguments.before, after=arguments.after)


async def _view(session: Session, *, dry: bool) -> View | None:
    """The cluster; for a dry run None when there is none to ask, which is said."""
    try:
        return await gather(session, Wanted(plans=True))
    except (CliError, ApiError) as error:
        if not dry:
            raise
        session.say(f"note: no cluster was asked ({error}): nothing is checked against its agents")
        return None


async def _agent(
    session: Session, view: View | None, *, words: Words, arguments: argparse.Namespace
) -> tuple[str, Sequence[Mapping[str, Value]]]:
    """The agent's full name, and its default operations. Raises CliError when parameters do not suit it."""
    if view is None:
        full = full_name(arguments.agent)
        if not full:
            raise CliError(
                f"{arguments.agent!r} is a short name, and there is no cluster to ask what it means",
                hint=f"write it in full, for example ocf:heartbeat:{arguments.agent}",
            )
        return full, (DEFAULT_MONITOR,)
    known = catalogue(view.plans)
    agent = resolve(arguments.agent, known)
    if not agent.startswith("ocf:"):
        return agent, (DEFAULT_MONITOR,)
    if arguments.force:
        copy = published(view.plans, agent)
        usable = copy is not None and copy.rc == 0
        return agent, (advised_operations(parsed(copy)) if usable and copy else ()) or (DEFAULT_MONITOR,)
    return agent, await _checked(session, view, known, agent=agent, words=words, arguments=arguments)


async def _checked(
    session: Session,
    view: View,
    known: Catalogue,
    *,
    agent: str,
    words: Words,
    arguments: argparse.Namespace,
) -> Sequence[Mapping[str, Value]]:
    """Default operations of an agent whose meta-data accepts the parameters; a dry run takes only what is published."""
    warning = check_installed(agent, known)
    if warning:
        session.say(f"warning: {warning}")
    copy = published(view.plans, agent)
    if copy is None and arguments.dry_run == "client":
        session.say(
            f"note: no node has published the meta-data of {agent} (kubectl ha resource describe {agent} asks for it): "
            "parameters are not checked, and only a monitor is added"
        )
        return (DEFAULT_MONITOR,)
    try:
        metadata = parsed(copy) if copy else await fetch(session, view, known, agent=agent, wait_s=20.0)
    except CliError as error:
        raise CliError(
            f"parameters cannot be checked: {error}", hint="--force creates it all the same"
        ) from None
    faults = list(parameter_faults(metadata, words.params))
    if faults:
        raise CliError(
            "; ".join(faults),
            hint=f"see kubectl ha resource describe {agent}; --force creates it all the same",
        )
    return advised_operations(metadata) or (DEFAULT_MONITOR,)


def _refuse_taken_id(view: View, resource_id: str) -> None:
    for target in targets(view):
        if target.id == resource_id:
            raise CliError(
                f"the id {resource_id!r} is taken: {target.kind.value} {target.namespace}/{target.name}",
                hint="choose another id, or delete that one: kubectl ha resource delete " + resource_id,
            )


def _refuse_clone_in_group(words: Words, group: str | None) -> None:
    if group and words.clone is not None:
        raise UsageError(
            "a clone cannot be a member of a group",
            hint="clone the whole group instead: spec.clone of the ResourceGroup",
        )


def _group(view: View | None, word: str, session: Session) -> Target | None:
    """The group, or None when it is new. Raises CliError when the word names something else."""
    for target in targets(view) if view is not None else ():
        if word in (target.id, target.name) and target.kind is TargetKind.GROUP:
            return target
    for target in targets(view) if view is not None else ():
        if word == target.id:
            raise CliError(f"{word!r} is a {target.kind.value}, not a group")
    return None


def _members_of(group: Target) -> Obj:
    assert group.group is not None
    return {
        "metadata": {"name": group.name},
        "spec": {"members": [member.wire() for member in group.group.spec.members]},
    }


def _neighbour(group: Target, placement: Placement) -> Placement:
    """--before and --after may name an id; the group's list holds object names."""

    def name(word: str) -> str:
        listed = [m.resource for m in group.group.spec.members if m.resource] if group.group else []
        return (
            kubernetes_name(word) if word and word not in listed and kubernetes_name(word) in listed else word
        )

    return Placement(before=name(placement.before), after=name(placement.after))


def _dry_objects(
    manifest: Obj, group: Target | None, arguments: argparse.Namespace, placement: Placement
) -> list[Obj]:
    """What would be there afterwards: the resource, and its group as a whole."""
    if not arguments.group:
        return [manifest]
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    if group is None or group.group is None:
        return [manifest, group_manifest(arguments.group, name, namespace=namespace)]
    changed = {
        "apiVersion": manifest["apiVersion"],
        "kind": "ResourceGroup",
        "metadata": {"name": group.name, "namespace": group.namespace},
        "spec": group.group.spec.wire() | {"members": with_member(_members_of(group), name, placement)},
    }
    changed["spec"] = {key: value for key, value in changed["spec"].items() if value not in ({}, [])}
    return [manifest, changed]


async def _write(
    session: Session, manifest: Obj, group: Target | None, *, group_id: str | None, placement: Placement
) -> None:
    """Group first, then the resource: a member of a group must never run on its own in between.

    A group may name a member that is not there yet; a resource that is in no group would be started anywhere."""
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    if group is not None:
        await edit(
            session,
            kinds.RESOURCEGROUP,
            group.name,
            namespace=namespace,
            change=lambda obj: {"spec": {"members": with_member(obj, name, placement)}},
        )
    elif group_id:
        body = group_manifest(group_id, name, namespace=namespace)
        await session.api.create(kinds.RESOURCEGROUP, body, namespace)
        session.say(f"resourcegroup.ha.backstay.io/{kubernetes_name(group_id)} created")
    try:
        await session.api.create(kinds.HARESOURCE, manifest, namespace)
    except ApiConflict as error:
        if error.reason != "AlreadyExists":
            raise
        raise CliError(
            f"there is already an HAResource {namespace}/{name}",
            hint="choose another id, or change that one: kubectl edit haresource " + name,
        ) from None
    except ApiError:
        await _take_back(session, name, group, group_id=group_id, namespace=namespace)
        raise


async def _take_back(
    session: Session, name: str, group: Target | None, *, group_id: str | None, namespace: str
) -> None:
    """The resource was refused: its group shall not wait for it."""
    if group is not None:
        await edit(
            session,
            kinds.RESOURCEGROUP,
            group.name,
            namespace=namespace,
            change=lambda obj: {"spec": {"members": without_member(obj, name)}},
        )
    elif group_id:
        await session.api.delete(kinds.RESOURCEGROUP, kubernetes_name(group_id), namespace)

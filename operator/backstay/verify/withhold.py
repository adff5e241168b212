"""Keeps resources from being started, without touching what runs.

A resource that must not start stays in the scheduler's tree, stopped and unprobed, so that what follows it in a group or depends on
it by a constraint does not start without it. A resource that is active although its definition has become faulty is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from backstay.state.assemble import Assembly
from backstay.state.choices import Discovery, Role
from backstay.state.constraint import Location
from backstay.state.resource import Clone, Group, Primitive, Resource, ResourceMeta

MARK = "not-verified"
_STOPPED = ResourceMeta(target_role=Role.STOPPED)
_LEFT_ALONE = ResourceMeta(maintenance=True)


def withhold(assembly: Assembly, ids: Collection[str], active: Mapping[str, tuple[str, ...]]) -> Assembly:
    """The assembly with these primitives held back. `active` is where each instance runs."""
    if not ids:
        return assembly
    running = {id_.partition(":")[0] for id_, nodes in active.items() if nodes}
    metas = {id_: _LEFT_ALONE if id_ in running else _STOPPED for id_ in sorted(ids)}
    state = assembly.state
    silence = tuple(
        Location(id=f"{MARK}-{id_}-{node.name}", resource=id_, node=node.name, discovery=Discovery.NEVER)
        for id_, meta in metas.items()
        if meta is _STOPPED
        for node in state.nodes
    )
    return replace(
        assembly,
        state=replace(
            state,
            resources=tuple(_held(one, metas) for one in state.resources),
            constraints=(*state.constraints, *silence),
        ),
    )


def _held(resource: Resource, metas: Mapping[str, ResourceMeta]) -> Resource:
    match resource:
        case Primitive():
            return _held_primitive(resource, metas)
        case Group():
            return _held_group(resource, metas)
        case Clone(child=Group() as group):
            return replace(resource, child=_held_group(group, metas))
        case Clone(child=Primitive() as child):
            if child.id not in metas:
                return resource
            meta = metas[child.id].over(resource.meta)
            return replace(resource, child=_held_primitive(child, metas), meta=meta)
        case _:
            return resource


def _held_group(group: Group, metas: Mapping[str, ResourceMeta]) -> Group:
    return replace(group, members=tuple(_held_primitive(one, metas) for one in group.members))


def _held_primitive(primitive: Primitive, metas: Mapping[str, ResourceMeta]) -> Primitive:
    meta = metas.get(primitive.id)
    return primitive if meta is None else replace(primitive, meta=meta.over(primitive.meta))

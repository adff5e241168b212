"""Which object holds an id: ids are unique in a cluster, and two objects may ask for the same one.

The incumbent keeps it: the object that the DC saw hold it last, then the one in whose status a DC recorded it, then
the older one by creation time and uid. Nothing that a user writes counts, neither annotations nor names, because
whoever took over an id would stop what runs under it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from backstay.api import FenceDevice, HAResource, ResourceGroup
from backstay.api.resource import CloneSpec


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """The object that a resource id comes from."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """An object and the ids that it asks for."""

    ref: ObjectRef
    ids: tuple[str, ...]
    created: str
    uid: str
    recorded: Collection[str] = ()
    """Ids that a DC recorded in its status."""


def ref_of(item: HAResource | ResourceGroup | FenceDevice) -> ObjectRef:
    """The object's reference."""
    return ObjectRef(type(item).info.kind, item.metadata.namespace or "", item.metadata.name)


def claimant_of(item: HAResource | ResourceGroup | FenceDevice) -> Claimant:
    """The object with its ids: its own, those of inline members, and the clone's."""
    match item:
        case FenceDevice():
            ids: tuple[str, ...] = (item.metadata.name,)
        case HAResource():
            ids = (item.resource_id, *clone_ids(item.resource_id, item.spec.clone))
        case ResourceGroup():
            inline = (one.name for one in item.spec.members if one.template is not None and one.name)
            ids = (item.resource_id, *inline, *clone_ids(item.resource_id, item.spec.clone))
    return Claimant(
        ref=ref_of(item),
        ids=ids,
        created=item.metadata.creation_timestamp or "",
        uid=item.metadata.uid,
        recorded=() if isinstance(item, FenceDevice) else item.status.ids,
    )


def clone_ids(resource: str, clone: CloneSpec | None) -> tuple[str, ...]:
    """The id of the clone of a resource, if it is cloned."""
    return () if clone is None else (clone.id or f"{resource}-clone",)


def holders(claimants: Iterable[Claimant], before: Mapping[str, ObjectRef]) -> Mapping[str, ObjectRef]:
    """The holder of each id. `before`: who held it when the DC looked last."""
    rivals: dict[str, list[Claimant]] = {}
    for one in claimants:
        for id_ in dict.fromkeys(one.ids):
            rivals.setdefault(id_, []).append(one)
    return {
        id_: (found[0] if len(found) == 1 else min(found, key=lambda one: _rank(one, id_, before))).ref
        for id_, found in rivals.items()
    }


def _rank(one: Claimant, id_: str, before: Mapping[str, ObjectRef]) -> tuple[bool, bool, str, str, str, str]:
    """Sorts the incumbent first; kind and name make the order total for objects without a uid."""
    return (
        before.get(id_) != one.ref,
        id_ not in one.recorded,
        one.created,
        one.uid,
        one.ref.kind,
        f"{one.ref.namespace}/{one.ref.name}",
    )

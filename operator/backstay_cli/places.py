"""Where everything is active, as a value that can be compared: for progress lines, and for knowing when a wait is over. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backstay_cli.view import Target, TargetKind, View, targets

RUNNING = ("Started", "Promoted", "Unpromoted")


@dataclass(frozen=True, slots=True)
class Place:
    """One resource's role and nodes."""

    role: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        if not self.nodes:
            return self.role or "Stopped"
        return f"{self.role or 'Stopped'} on {' '.join(self.nodes)}"


def places(view: View) -> dict[str, Place]:
    """Each resource's place by id (groups are their members)."""
    return {t.id: Place(t.role, t.nodes) for t in targets(view) if t.kind is not TargetKind.GROUP}


def changes(before: Mapping[str, Place], after: Mapping[str, Place]) -> Iterator[str]:
    """One line for each resource that is elsewhere, or in another role, than before."""
    for resource_id, place in after.items():
        old = before.get(resource_id)
        if old is not None and old != place:
            yield f"  {resource_id}: {old} -> {place}"


def still_on(view: View, node: str) -> list[str]:
    """Ids of what is active on a node and would have to leave it: not what is unmanaged or in maintenance."""
    return [
        t.id for t in targets(view) if t.kind is not TargetKind.GROUP and node in t.nodes and is_managed(t)
    ]


def settled(target: Target, *, running: bool) -> bool:
    """Whether a resource runs (or is stopped), and is not on its way. A clone runs where some instances do and none is on its way."""
    roles = set(target.role.split())
    if running:
        return bool(roles & set(RUNNING)) and roles <= {*RUNNING, "Stopped"}
    return roles == {"Stopped"} and not target.nodes


def is_managed(target: Target) -> bool:
    """Neither unmanaged nor in maintenance, by itself or through its group."""
    template = target.template.meta if target.template else None
    group = target.group.spec.meta if target.group else None
    return not any(m is not None and (m.is_managed is False or m.maintenance) for m in (template, group))

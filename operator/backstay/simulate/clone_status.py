"""A clone in crm_simulate's words: odd instances one by one, the others summed up by state."""

from collections.abc import Iterator

from backstay.scheduler.situation import Kind, Resource
from backstay.scheduler.tree import clone_size, natural
from backstay.simulate.instance_status import (
    family_flags,
    flags_of,
    instance_text,
    is_disabled,
    pending_word,
)
from backstay.state.choices import Role


def clone_lines(clone: Resource) -> Iterator[str]:
    """The lines for one clone, unindented."""
    first = clone.children[0].base_id if clone.children else "?"
    yield f"* Clone Set: {clone.id} [{first}]{_flags(clone)}:"
    groups: dict[str, list[str]] = {"Promoted": [], "Started": [], "Unpromoted": []}
    occupied: set[str] = set()
    for child in clone.children:
        leaves = list(child.leaves())
        nodes = sorted({node.name for leaf in leaves for node in leaf.active_on}, key=natural)
        occupied.update(nodes)
        if _is_plain(clone, child, leaves, nodes):
            word = _word(leaves)
            groups[word].append(nodes[0])
        elif not nodes and child.surplus:
            continue
        elif (
            nodes
            or _is_pending(child)
            or clone.meta.raw.globally_unique
            or any(leaf.failed for leaf in leaves)
        ):
            yield from _one_by_one(clone, child)
    promotable = bool(clone.meta.raw.promotable)
    for word in ("Promoted", "Started", "Unpromoted"):
        shown = "Unpromoted" if word == "Started" and promotable else word
        if groups[word]:
            if promotable and shown == "Unpromoted" and _wants(clone, Role.UNPROMOTED):
                shown += " (target-role)"
            yield f"  * {shown}: [ {' '.join(sorted(groups[word], key=natural))} ]"
    summed_up = sum(len(names) for names in groups.values())
    if (
        not clone.meta.raw.globally_unique
        and summed_up < clone_size(clone.meta.raw, nodes=len(clone.node_names)).instances
    ):
        yield from _stopped(clone, occupied)


def _word(leaves: list[Resource]) -> str:
    if any(leaf.role is Role.PROMOTED for leaf in leaves):
        return "Promoted"
    return "Unpromoted" if any(leaf.role is Role.UNPROMOTED for leaf in leaves) else "Started"


def _is_plain(clone: Resource, child: Resource, leaves: list[Resource], nodes: list[str]) -> bool:
    if clone.meta.raw.globally_unique or child.surplus or len(nodes) != 1:
        return False
    whole = child.kind is Kind.GROUP  # of a group it is not told what is under way
    for leaf in leaves:
        flags = [
            flag for flag in flags_of(leaf) if flag not in _UNREMARKABLE and not (whole and leaf.pending)
        ]
        if leaf.orphan or leaf.failed or (pending_word(leaf) and not whole) or len(leaf.active_on) != 1:
            return False
        if flags:
            return False
    return True


def _wants(clone: Resource, role: Role) -> bool:
    return any(leaf.meta.target_role is role for leaf in clone.leaves())


def _is_pending(child: Resource) -> bool:
    return child.kind is Kind.PRIMITIVE and bool(child.pending)


_UNREMARKABLE = ("disabled", "target-role:Unpromoted", "failure ignored")


def _one_by_one(clone: Resource, child: Resource) -> Iterator[str]:
    unique = bool(clone.meta.raw.globally_unique)
    if child.kind is Kind.GROUP:
        yield f"  * Resource Group: {child.id}{family_flags(child)}:"
        for member in child.children:
            yield f"    * {instance_text(member, name=None if unique else member.base_id)}"
        return
    yield f"  * {instance_text(child, name=None if unique else child.base_id)}"


def _stopped(clone: Resource, occupied: set[str]) -> Iterator[str]:
    """Where none is, if there might be more: wherever, as any instance may run on any node."""
    missing = {
        name
        for leaf in clone.leaves()
        for name, activity in leaf.activities.items()
        if activity.not_installed
    }
    names = [node for node in clone.seen_on if node not in occupied]
    metas = [one.meta for one in (clone, *clone.children)]
    off = any(meta.target_role is Role.STOPPED for meta in metas)
    disabled = " (disabled)" if off else ""
    plain = [name for name in names if name not in missing]
    if plain:
        yield f"  * Stopped{disabled}: [ {' '.join(plain)} ]"
    absent = [name for name in names if name in missing]
    if absent:
        yield f"  * Stopped (Not installed): [ {' '.join(absent)} ]"


def _flags(clone: Resource) -> str:
    flags = []
    if clone.meta.raw.promotable:
        flags.append("promotable")
    if clone.meta.raw.globally_unique:
        flags.append("unique")
    if is_disabled(clone):
        flags.append("disabled")
    if clone.meta.maintenance:
        flags.append("maintenance")
    elif not clone.meta.is_managed:
        flags.append("unmanaged")
    return f" ({', '.join(flags)})" if flags else ""

"""One resource instance in crm_simulate's words: `fs\t(ocf:heartbeat:Filesystem):\t Started node1`."""

from backstay.scheduler.situation import Resource
from backstay.state.choices import Role

_PENDING = {
    "start": "Starting",
    "stop": "Stopping",
    "promote": "Promoting",
    "demote": "Demoting",
    "migrate_to": "Migrating",
    "migrate_from": "Migrating",
}


def instance_text(resource: Resource, *, name: str | None = None) -> str:
    """Name, agent, state, nodes and flags."""
    shown = resource.id if name is None else name
    state = " ".join(part for part in _state(resource) if part)
    surplus = resource.surplus or (resource.parent is not None and resource.parent.surplus)
    orphan = "ORPHANED " if resource.orphan or surplus else ""
    return f"{shown}\t({resource.agent}):\t {orphan}{state}"


def pending_word(resource: Resource) -> str:
    """`Starting`, `Stopping`, ... if such an operation is under way."""
    return _PENDING.get(resource.pending, "")


def is_disabled(resource: Resource) -> bool:
    """Whether its target role keeps it from what it could be."""
    clone = resource.clone
    promotable = clone is not None and bool(clone.meta.raw.promotable)
    role = resource.meta.target_role
    return role is Role.STOPPED or (role is Role.UNPROMOTED and promotable)


def flags_of(resource: Resource) -> list[str]:
    """What is to be said in parentheses behind the state."""
    flags = []
    if [node.unclean and not node.online for node in resource.active_on] == [
        True
    ]:  # of several nothing is said
        flags.append("UNCLEAN")
    if resource.lock_node is not None:
        flags.append("LOCKED")
    if resource.pending == "monitor":
        flags.append("Monitoring")
    if resource.meta.target_role is Role.STOPPED:
        flags.append("disabled")
    elif is_disabled(resource):
        flags.append("target-role:Unpromoted")
    if resource.blocked:
        flags.append("blocked")
    elif not resource.managed:
        flags.append("maintenance" if resource.maintained else "unmanaged")
    if resource.failure_ignored:
        flags.append("failure ignored")
    return flags


def role_word(resource: Resource) -> str:
    """The state alone: FAILED, a pending word, or the role."""
    if resource.failed:
        return "FAILED" + (" Promoted" if resource.role is Role.PROMOTED else "")
    return pending_word(resource) or resource.role.value


def _state(resource: Resource) -> list[str]:
    word = role_word(resource)
    flags = flags_of(resource)
    shown_flags = f"({', '.join(flags)})" if flags else ""
    if resource.lock_node is not None and not resource.active_on:
        return [word, resource.lock_node.name, shown_flags]
    if not resource.active_on and resource.pending_on is not None:
        return [word, resource.pending_on.name, shown_flags]
    if not resource.active_on:
        missing = any(one.not_installed for one in resource.activities.values())
        return [word, "(Not installed)" if missing else "", shown_flags]
    names = [node.name for node in resource.active_on]
    if len(names) == 1:
        return [word, names[0], shown_flags]
    return [word, shown_flags, f"[ {' '.join(names)} ]"]


def family_flags(resource: Resource) -> str:
    """What is to be said of a group behind its name."""
    flags = []
    if resource.meta.target_role is Role.STOPPED:
        flags.append("disabled")
    if resource.meta.maintenance:
        flags.append("maintenance")
    elif not resource.meta.is_managed:
        flags.append("unmanaged")
    return f" ({', '.join(flags)})" if flags else ""

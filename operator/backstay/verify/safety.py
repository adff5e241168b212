"""What endangers data or availability: no fencing with storage that hosts share, options that give up a guarantee, resources that
nobody watches. Pure: a ClusterState goes in."""

from collections.abc import Iterator

from backstay.state.choices import WITHOUT_FENCING, NoQuorumPolicy, PlacementStrategy, Role
from backstay.state.cluster import ClusterState
from backstay.state.constraint import Colocation
from backstay.state.resource import Clone, Group, Primitive, Resource, primitives_of
from backstay.state.score import INFINITY
from backstay.verify.fault import Fault

_STORAGE = frozenset(
    {"Filesystem", "LVM", "LVM-activate", "drbd", "Raid1", "ZFS", "iSCSITarget", "iSCSILogicalUnit", "nfsserver",
     "pgsql", "mysql", "mariadb", "oracle", "db2", "exportfs"}
)  # fmt: skip
"""Agents of what two hosts must not have open at a time."""
_HARMLESS_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smbfs", "tmpfs", "glusterfs", "ceph", "gfs2", "ocfs2", "none", "bind"}
)


def check_safety(state: ClusterState) -> Iterator[Fault]:
    """The whole configuration."""
    storage = [one for resource in state.resources for one in primitives_of(resource) if _is_storage(one)]
    yield from _fencing(state, storage)
    yield from _options(state)
    for resource in state.resources:
        for primitive in primitives_of(resource):
            if not primitive.agent.is_fencing:
                yield from _primitive(primitive, state)
        if isinstance(resource, Clone):
            yield from _clone(resource, state)
    yield from _tied_to_disabled(state)


def _cluster(code: str, field: str, message: str, fix: str, *, error: bool = False) -> Fault:
    return Fault(
        kind="cluster",
        subject="",
        code=code,
        field=field,
        message=message,
        fix=fix,
        severity="error" if error else "warning",
    )


def _resource(owner: Resource, code: str, field: str, message: str, fix: str) -> Fault:
    return Fault(kind="resource", subject=owner.id, code=code, field=field, message=message, fix=fix)


def _is_storage(primitive: Primitive) -> bool:
    if primitive.agent.type == "Filesystem":
        return primitive.params.get("fstype", "").lower() not in _HARMLESS_FILESYSTEMS
    return primitive.agent.standard == "ocf" and primitive.agent.type in _STORAGE


def _fencing(state: ClusterState, storage: list[Primitive]) -> Iterator[Fault]:
    properties = state.properties
    devices = bool(state.fencing_devices) or any(
        one.agent.is_fencing for resource in state.resources for one in primitives_of(resource)
    )
    names = ", ".join(one.id for one in storage)
    if not properties.fencing_enabled:
        if storage:
            yield _cluster(
                "NoFencing",
                "stonith-enabled",
                f"fencing is off, and {names} must never be open on two hosts: a host that only seems dead corrupts the data",
                "configure a fence device and set stonith-enabled=true",
            )
    elif not devices and not (properties.have_watchdog and properties.fencing_watchdog_timeout_ms):
        yield _cluster(
            "NoFenceDevice",
            "stonith-enabled",
            "fencing is on and there is no fence device: nothing that requires fencing will ever move away from a lost node",
            "add a fence device (or turn fencing off, where nothing shares data)",
            error=True,
        )
    for one in storage:
        if one.meta.requires in WITHOUT_FENCING and properties.fencing_enabled:
            yield _resource(
                one,
                "UnsafeRequires",
                "requires",
                f"it may start elsewhere before its lost node is fenced (requires={one.meta.requires.value})",
                "remove requires, or set it to fencing",
            )


def _options(state: ClusterState) -> Iterator[Fault]:
    properties = state.properties
    if properties.no_quorum_policy is NoQuorumPolicy.IGNORE and (
        len(state.nodes) > 2 or not properties.fencing_enabled
    ):
        yield _cluster(
            "QuorumIgnored",
            "no-quorum-policy",
            "without quorum both halves of a split cluster go on",
            "set no-quorum-policy=stop (or freeze)",
        )
    if properties.maintenance_mode:
        yield _cluster(
            "Maintenance",
            "maintenance-mode",
            "nothing is watched or restarted",
            "set it to false when you are done",
        )
    if properties.stop_all_resources:
        yield _cluster(
            "AllStopped",
            "stop-all-resources",
            "everything is kept stopped",
            "set it to false when you are done",
        )
    if properties.placement_strategy is PlacementStrategy.DEFAULT:
        users = [one.id for resource in state.resources for one in primitives_of(resource) if one.utilization]
        if users:
            yield _cluster(
                "UtilizationIgnored",
                "placement-strategy",
                f"utilization is given for {', '.join(users[:5])} and does not count",
                "set placement-strategy=balanced (or utilization, minimal)",
            )


def _primitive(primitive: Primitive, state: ClusterState) -> Iterator[Fault]:
    watched = any(
        one.name == "monitor" and one.interval_ms and one.enabled is not False for one in primitive.operations
    )
    threshold = primitive.meta.migration_threshold or state.resource_defaults.migration_threshold
    if not watched:
        more = f": its migration-threshold of {threshold} is hardly ever reached" if threshold else ""
        yield _resource(
            primitive,
            "NotWatched",
            "operations",
            f"it has no recurring monitor, so that nobody notices when it fails{more}",
            "add one, for example op monitor interval=10s",
        )
    seen: set[int] = set()
    for one in primitive.operations:
        if one.name != "monitor" or not one.interval_ms:
            continue
        if one.interval_ms in seen:
            yield _resource(
                primitive,
                "SameInterval",
                "operations",
                f"two monitors have the interval {one.interval_ms} ms: only one of them is run",
                "give them different intervals",
            )
        seen.add(one.interval_ms)


def _clone(clone: Clone, state: ClusterState) -> Iterator[Fault]:
    meta = clone.meta
    if meta.clone_max == 0:
        yield _resource(
            clone,
            "NoInstances",
            "clone-max",
            "clone-max=0 lets no instance run",
            "raise it, or disable the clone",
        )
    if (meta.promoted_max or 0) > (meta.clone_max if meta.clone_max is not None else len(state.nodes)):
        yield _resource(
            clone,
            "TooManyPromoted",
            "promoted-max",
            f"promoted-max={meta.promoted_max} is more than there are instances",
            "lower it, or raise clone-max",
        )
    if meta.promoted_max is not None and not meta.promotable:
        yield _resource(
            clone,
            "NotPromotable",
            "promoted-max",
            "it counts for promotable clones only",
            "set promotable=true, or remove it",
        )


def _tied_to_disabled(state: ClusterState) -> Iterator[Fault]:
    disabled = {name for resource in state.resources for name in _disabled_names(resource)}
    for one in state.constraints:
        if isinstance(one, Colocation) and one.score >= INFINITY and one.primary in disabled:
            if one.dependent in disabled:
                continue
            yield Fault(
                kind="constraint",
                subject=one.id,
                code="TiedToDisabled",
                field="with-rsc",
                message=f"{one.dependent} cannot run while {one.primary} is disabled (target-role=Stopped)",
                fix=f"enable {one.primary}, or weaken the score",
            )


def _disabled_names(resource: Resource) -> Iterator[str]:
    stopped = resource.meta.target_role is Role.STOPPED
    if stopped:
        yield resource.id
    match resource:
        case Group():
            yield from (one.id for one in resource.members if stopped or one.meta.target_role is Role.STOPPED)
        case Clone():
            yield from _disabled_names(resource.child)
        case _:
            return

"""People put the objects in order again after the faults: whatever was undone in an unlucky order, or forgotten with a restored backup.

Only what people write, and what strangers left: HANodes, plans and Leases are the programs' own business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backstay_kube import kinds
from simulation.administrator import KIND_OF
from simulation.belonging_faults import RIVAL
from simulation.object_faults import HOLD
from simulation.world import CLUSTER, MEMBER, NOVELTY, SELECTOR

if TYPE_CHECKING:
    from backstay_kube.kinds import Kind
    from simulation.world import World

OWN = (
    kinds.HACLUSTER, kinds.HANODE, kinds.HANODEPLAN, kinds.HARESOURCE, kinds.RESOURCEGROUP, kinds.FENCEDEVICE,
    kinds.HATRANSITION,
)  # fmt: skip


def settle(world: World) -> None:
    """Every object that is wanted is there, readable, and held by nobody."""
    for kind in (*OWN, kinds.NODE, kinds.SECRET):
        for obj in world.read_all(kind):
            if HOLD in obj["metadata"].get("finalizers", ()):
                world.patch(kind, obj, {"metadata": {"finalizers": None}})
    for kind in OWN:
        for obj in world.read_all(kind):
            _make_readable(world, kind, obj)
    world.erase(kinds.HACLUSTER, RIVAL)
    world.apply(world.cluster_manifest(CLUSTER))
    odd = [key for key in _selector(world) if key not in SELECTOR]
    if odd:
        world.write(
            "PATCH", kinds.HACLUSTER.path(None, CLUSTER), {"spec": {"nodeSelector": dict.fromkeys(odd)}}
        )
    for manifest in world.device_manifests():
        world.apply(manifest)
    for name in world.hosts:
        world.register(name)
    for manifest in world.wanted:
        metadata = manifest["metadata"]
        if world.read(KIND_OF[manifest["kind"]], metadata["name"], metadata["namespace"]) is None:
            world.apply(manifest)


def leave(world: World, name: str) -> None:
    """A host's Node does not match any more, for good."""
    world.story(f"Node {name} leaves the cluster")
    world.label(name, {MEMBER: None})


def _selector(world: World) -> dict[str, str]:
    cluster = world.read(kinds.HACLUSTER, CLUSTER) or {"spec": {}}
    return cluster["spec"].get("nodeSelector", {})  # type: ignore[no-any-return]


def _make_readable(world: World, kind: Kind, obj: dict[str, Any]) -> None:
    for part in ("spec", "status"):
        if NOVELTY in obj.get(part, {}):
            world.patch(kind, obj, {part: {NOVELTY: None}}, status=part == "status")

"""The objects of a cluster as the state that an export writes: what `assemble` makes of them, with fence devices among the resources.

Nothing runs in this state: every node is taken as online, and nothing is known of any resource.
"""

from __future__ import annotations

from dataclasses import replace

from backstay.api import ANNOTATION_PACEMAKER_ID, ClusterProperties, FenceDevice, HAResource, ResourceGroup
from backstay.state.assemble import Assembly, NodeJudgement, Objects, assemble
from backstay.state.cluster import ClusterState
from backstay.state.resource import Agent, Operation, Primitive, Resource, ResourceMeta
from backstay.state.seniority import LAST, position_of


def configuration_of(objects: Objects, *, now: float) -> Assembly:
    """The configuration, with every node online."""
    judgements = {
        node.metadata.name: NodeJudgement(name=node.metadata.name, online=True) for node in objects.nodes
    }
    return assemble(objects, judgements=judgements, now=now, quorum=True)


def with_devices(state: ClusterState, objects: Objects) -> ClusterState:
    """The state with a stonith primitive for each FenceDevice, at its position, and with the options that no scheduler reads."""
    positions: dict[str, int] = {}
    items: tuple[HAResource | ResourceGroup, ...] = (*objects.resources, *objects.groups)
    for item in items:
        positions[item.resource_id] = position_of(item.metadata)
        if item.spec.clone is not None:
            positions[item.spec.clone.id or f"{item.resource_id}-clone"] = position_of(item.metadata)
    devices: list[Resource] = []
    for device in objects.devices:
        primitive = device_primitive(device)
        positions[primitive.id] = position_of(device.metadata)
        devices.append(primitive)
    every = sorted((*state.resources, *devices), key=lambda one: positions.get(one.id, LAST))
    properties = replace(state.properties, extra=_other_options(objects.cluster.spec.properties))
    return replace(state, resources=tuple(every), properties=properties)


def _other_options(spec: ClusterProperties) -> dict[str, str]:
    """What the operator reads and the scheduler does not, where it differs from the default."""
    default = ClusterProperties()
    values = {
        "cluster-recheck-interval": (spec.cluster_recheck_interval, default.cluster_recheck_interval),
        "stonith-max-attempts": (str(spec.stonith_max_attempts), str(default.stonith_max_attempts)),
        "node-action-limit": (str(spec.node_action_limit), str(default.node_action_limit)),
    }
    return {name: value for name, (value, usual) in values.items() if value != usual}


def pacemaker_id(device: FenceDevice) -> str:
    """The id that a device has in a CIB."""
    return device.metadata.annotations.get(ANNOTATION_PACEMAKER_ID) or device.metadata.name


def device_primitive(device: FenceDevice) -> Primitive:
    """A FenceDevice as Pacemaker configures one."""
    spec = device.spec
    params = dict(spec.params)
    for name, source in spec.params_from.items():
        params[name] = f"secret:{source.secret_key_ref.name}/{source.secret_key_ref.key}"
    if spec.targets.nodes:
        params["pcmk_host_list"] = " ".join(spec.targets.nodes)
    if spec.host_map:
        params["pcmk_host_map"] = ";".join(f"{node}:{plug}" for node, plug in spec.host_map.items())
    if spec.host_argument != "plug":
        params["pcmk_host_argument"] = spec.host_argument
    for name, value in (("pcmk_delay_base", spec.delay_base), ("pcmk_delay_max", spec.delay_max)):
        if value is not None:
            params[name] = value
    operations: tuple[Operation, ...] = ()
    identity = pacemaker_id(device)
    return Primitive(
        id=identity,
        agent=Agent.parse(spec.agent),
        params=params,
        meta=ResourceMeta(priority=spec.priority or None),
        operations=operations,
    )

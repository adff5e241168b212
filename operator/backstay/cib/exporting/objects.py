"""The objects of a cluster as the state that an export writes: what `assemble` makes of them, with fence devices among the resources.

Nothing runs in this state: every node is taken as online, and nothing is known of any resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from backstay.api import (
    ANNOTATION_HOST_LIST,
    ANNOTATION_PACEMAKER_ID,
    ClusterProperties,
    FenceDevice,
    HAResource,
    ResourceGroup,
)
from backstay.api.quantities import duration_ms
from backstay.ocf.hostmap import host_map_text
from backstay.state.assemble import Assembly, NodeJudgement, Objects, assemble
from backstay.state.assemble_resources import SECRET_MARK
from backstay.state.cluster import ClusterState, FencingLevel
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
    return replace(state, resources=tuple(every), properties=properties, fencing_levels=topology_of(objects))


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
    """A FenceDevice as Pacemaker configures one. Read from the wire form, which holds what was given and nothing else."""
    spec = device.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if (
        "host_check" in device.spec.model_fields_set
    ):  # also the default, when it was written: a digest counts it
        spec["hostCheck"] = device.spec.host_check
    params = {name: str(value) for name, value in spec.get("params", {}).items()}
    for name, source in device.spec.params_from.items():
        params[name] = f"{SECRET_MARK}{source.secret_key_ref.name}/{source.secret_key_ref.key}"
    params |= dict(_targets(spec, spelt=device.metadata.annotations.get(ANNOTATION_HOST_LIST, "")))
    for field, name in (("hostArgument", "pcmk_host_argument"), ("delayBase", "pcmk_delay_base"),
                        ("delayMax", "pcmk_delay_max"), ("actionLimit", "pcmk_action_limit")):  # fmt: skip
        if field in spec:
            params[name] = str(spec[field])
    commands = spec.get("commands", {})
    for action, command in commands.items():
        for field, what in (("action", "action"), ("timeout", "timeout"), ("attempts", "retries")):
            if field in command and (action, field) != ("monitor", "timeout"):
                params[f"pcmk_{action}_{what}"] = str(command[field])
    extra = {"provides": "unfencing"} if spec.get("unfencing") else {}
    return Primitive(
        id=pacemaker_id(device),
        agent=Agent.parse(device.spec.agent),
        params=params,
        meta=ResourceMeta(priority=spec.get("priority"), extra=extra),
        operations=tuple(_monitor(device, commands.get("monitor", {}).get("timeout"))),
    )


def _targets(spec: Mapping[str, Any], *, spelt: str) -> Iterator[tuple[str, str]]:
    """`spelt`: the list as it once was; it counts while it says the same."""
    nodes = spec.get("targets", {}).get("nodes")
    if nodes:
        same = [one for one in re.split(r"[\s,;]+", spelt) if one] == nodes
        yield "pcmk_host_list", spelt if same else " ".join(nodes)
    if spec.get("hostMap"):
        yield "pcmk_host_map", host_map_text(spec["hostMap"].items())
    if spec.get("hostCheck"):
        yield "pcmk_host_check", spec["hostCheck"]
    if spec.get("nodeDelays"):
        yield "pcmk_delay_base", host_map_text(spec["nodeDelays"].items())


def _monitor(device: FenceDevice, timeout: str | None) -> Iterator[Operation]:
    interval = device.spec.wire().get("monitorInterval", "0s")
    if duration_ms(interval):
        yield Operation(
            name="monitor",
            interval_ms=duration_ms(interval),
            timeout_ms=None if timeout is None else duration_ms(timeout),
        )


def topology_of(objects: Objects) -> tuple[FencingLevel, ...]:
    """The levels of the HACluster, one for each target."""
    ids = {device.metadata.name: pacemaker_id(device) for device in objects.devices}
    found = []
    for level in objects.cluster.spec.wire().get("fencingTopology", ()):
        plain = FencingLevel(
            index=level["level"], devices=tuple(ids.get(name, name) for name in level["devices"])
        )
        found += [replace(plain, target=node) for node in level.get("nodes", ())]
        if level.get("nodePattern"):
            found.append(replace(plain, target_pattern=level["nodePattern"]))
        found += [replace(plain, target_attribute=pair) for pair in level.get("nodeSelector", {}).items()]
    return tuple(found)

"""Fencing: stonith primitives as FenceDevice, and the topology."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic.alias_generators import to_camel

from backstay.api import (
    ANNOTATION_HOST_LIST,
    ANNOTATION_PACEMAKER_ID,
    ANNOTATION_POSITION,
    API_VERSION,
    FenceDeviceSpec,
)
from backstay.api.quantities import duration_text
from backstay.cib.importing.names import Names
from backstay.cib.importing.rules import given
from backstay.cib.values import CibError, duration_ms
from backstay.numerals import signed, whole
from backstay.ocf.hostmap import ESCAPES, parse_host_map
from backstay.state.cluster import FencingLevel
from backstay.state.resource import Primitive

Obj = dict[str, Any]
_COMMAND = re.compile(r"^pcmk_(off|on|reboot|monitor)_(action|timeout|retries)$")
_KNOWN = frozenset(to_camel(name) for name in FenceDeviceSpec.model_fields)
_CHECKS = ("static-list", "dynamic-list", "status", "none")


class DeviceWriter:
    """Writes the devices of one CIB."""

    def __init__(self, *, names: Names, cluster: str, complain: Callable[[str, str], None]) -> None:
        self._names = names
        self._cluster = cluster
        self._complain = complain

    def write(self, primitive: Primitive, *, position: int) -> Obj:
        """The FenceDevice for a stonith primitive."""
        params = dict(primitive.params)
        spec: Obj = {"cluster": self._cluster, "agent": f"stonith:{primitive.agent.type}"}
        spec |= self._targets(params, primitive.id)
        spec |= self._timing(params, primitive)
        commands = self._commands(params, primitive)
        if commands:
            spec["commands"] = commands
        for name in [name for name in params if name.startswith("pcmk_")]:
            self._complain(primitive.id, f"the parameter {name} has no equivalent")
            del params[name]
        if params:
            spec["params"] = params
        for key in [key for key in spec if key not in _KNOWN]:
            self._complain(primitive.id, f"a FenceDevice has no {key} ({spec[key]})")
            del spec[key]
        name = self._names.of("FenceDevice", primitive.id)
        annotations = {ANNOTATION_POSITION: str(position)}
        hosts = primitive.params.get("pcmk_host_list", "")
        if hosts != " ".join(re.findall(r"[^\s,;]+", hosts)):
            annotations[ANNOTATION_HOST_LIST] = hosts
        if name != primitive.id:
            annotations[ANNOTATION_PACEMAKER_ID] = primitive.id
        self._say_what_is_lost(primitive)
        return {
            "apiVersion": API_VERSION,
            "kind": "FenceDevice",
            "metadata": {"name": name, "annotations": annotations},
            "spec": spec,
        }

    def _targets(self, params: dict[str, str], owner: str) -> Iterator[tuple[str, Any]]:
        nodes = [
            self._names.of_node(one) for one in re.split(r"[\s,;]+", params.pop("pcmk_host_list", "")) if one
        ]
        if nodes:
            yield "targets", {"nodes": nodes}
        plugs = {
            self._names.of_node(node): plug
            for node, plug in self._pairs("pcmk_host_map", params.pop("pcmk_host_map", ""), owner)
        }
        if plugs:
            yield "hostMap", plugs
        check = params.get("pcmk_host_check", "")
        if check in _CHECKS:
            yield "hostCheck", params.pop("pcmk_host_check")
        argument = params.pop("pcmk_host_argument", "")
        if argument:
            yield "hostArgument", argument

    def _timing(self, params: dict[str, str], primitive: Primitive) -> Iterator[tuple[str, Any]]:
        base = params.pop("pcmk_delay_base", "")
        if ":" in base or "=" in base:
            yield (
                "nodeDelays",
                {
                    self._names.of_node(node): self._duration(delay, primitive.id)
                    for node, delay in self._pairs("pcmk_delay_base", base, primitive.id)
                },
            )
        elif base:
            yield "delayBase", self._duration(base, primitive.id)
        most = params.pop("pcmk_delay_max", "")
        if most:
            yield "delayMax", self._duration(most, primitive.id)
        limit = params.pop("pcmk_action_limit", "")
        if limit:
            number = signed(limit)
            yield "actionLimit", limit if number is None else number
        if primitive.meta.priority:
            yield "priority", primitive.meta.priority
        provides = primitive.meta.extra.get("provides")
        if provides == "unfencing":
            yield "unfencing", True
        monitor = next((one for one in primitive.operations if one.name == "monitor"), None)
        yield "monitorInterval", duration_text(monitor.interval_ms if monitor else 0)

    def _commands(self, params: dict[str, str], primitive: Primitive) -> Obj:
        commands: dict[str, Obj] = {}
        for name in list(params):
            found = _COMMAND.match(name)
            if found is None:
                continue
            action, what = found[1], found[2]
            value: Any = params.pop(name)
            if what == "timeout":
                value = self._duration(value, primitive.id)
            elif what == "retries":
                what, value = "attempts", whole(value) or 2
            commands.setdefault(action, {})[what] = value
        monitor = next((one for one in primitive.operations if one.name == "monitor"), None)
        if monitor is not None and monitor.timeout_ms is not None:
            commands.setdefault("monitor", {}).setdefault("timeout", duration_text(monitor.timeout_ms))
        return commands

    def _pairs(self, name: str, text: str, owner: str) -> tuple[tuple[str, str], ...]:
        found = parse_host_map(text)
        for entry in found.unreadable:
            self._complain(owner, f"the parameter {name}: {entry!r} is not NODE:VALUE; {ESCAPES}")
        return found.entries

    def _duration(self, text: str, owner: str) -> str:
        try:
            return duration_text(duration_ms(text))
        except CibError as error:
            self._complain(owner, str(error))
            return "0s"

    def _say_what_is_lost(self, primitive: Primitive) -> None:
        """A FenceDevice is no resource: it is started nowhere, and any healthy node may use it."""
        for operation in primitive.operations:
            plain = operation.name == "monitor" and operation.on_fail is None and not operation.params
            if not plain or not operation.interval_ms:
                self._complain(
                    primitive.id,
                    f"the operation {operation.name}: a FenceDevice is not started or stopped, it is checked "
                    "(monitorInterval) and used",
                )
        meta = primitive.meta
        named = {
            "target-role": meta.target_role, "is-managed": meta.is_managed, "maintenance": meta.maintenance,
            "resource-stickiness": meta.resource_stickiness, "migration-threshold": meta.migration_threshold,
            "failure-timeout": meta.failure_timeout_ms, "requires": meta.requires,
        }  # fmt: skip
        for name, value in named.items():
            if value is not None:
                self._complain(primitive.id, f"the meta attribute {name}: a FenceDevice runs nowhere")


def topology_manifest(levels: tuple[FencingLevel, ...], *, names: Names) -> list[Obj]:
    """HACluster.spec.fencingTopology."""
    found = []
    for level in levels:
        targets: Obj = {}
        if level.target is not None:
            targets = {"nodes": [names.of_node(level.target)]}
        elif level.target_pattern is not None:
            targets = {"nodePattern": level.target_pattern}
        elif level.target_attribute is not None:
            targets = {"nodeSelector": dict([level.target_attribute])}
        devices = [names.of("FenceDevice", device) for device in level.devices]
        found.append({"level": level.index, "devices": devices, **given(targets)})
    return found

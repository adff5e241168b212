"""A FenceDevice as fencing sees it: typed fields and Pacemaker's `pcmk_*` parameters made one.

A manifest that was imported, or written by somebody who knows Pacemaker, may say `pcmk_host_map` and so on among its parameters; they
mean what "Pacemaker Explained" (Special Meta-Attributes for Fencing Resources) says, and win over the typed field beside them. A
value that can't be read is a complaint with the field's name, and the default holds: a device in doubt may still save the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from backstay.api import FenceDevice, ParamSource
from backstay.api.quantities import duration_ms
from backstay.ocf.hostmap import ESCAPES, parse_host_map
from backstay.ocf.metadata import Metadata

ACTIONS = ("reboot", "off", "on", "monitor", "status", "list")
CUTTING = ("reboot", "off")
PREFIX = "pcmk_"


class HostCheck(Enum):
    """How to know whether a device can fence a node."""

    STATIC_LIST = "static-list"
    DYNAMIC_LIST = "dynamic-list"
    STATUS = "status"
    NONE = "none"

    @property
    def asks(self) -> bool:
        """Whether the device itself is asked, right before it is used."""
        return self in (HostCheck.DYNAMIC_LIST, HostCheck.STATUS)


@dataclass(frozen=True, slots=True)
class Command:
    """How one action is asked for."""

    word: str
    timeout_ms: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Complaint:
    """A value that can't be used. `field` as in the manifest."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """Everything that fencing needs to know of a device."""

    name: str
    agent: str
    params: Mapping[str, str]
    params_from: Mapping[str, ParamSource]
    commands: Mapping[str, Command]
    host_check: HostCheck
    hosts: tuple[str, ...]
    selector: Mapping[str, str]
    plugs: Mapping[str, str]
    host_argument: str
    level: int | None
    priority: int
    action: str | None
    delay_base_ms: int
    node_delays_ms: Mapping[str, int]
    delay_max_ms: int
    action_limit: int
    monitor_interval_ms: int
    unfences: bool
    on_target: bool
    """`on` must run on the node that it lets in."""
    can_reboot: bool
    """False: the agent's meta-data has no reboot, so it is asked for off instead."""

    def can_fence(self, target: str, labels: Mapping[str, str]) -> bool:
        """Whether it may be asked about `target`; a check of the device itself may still say no."""
        if self.host_check is not HostCheck.STATIC_LIST:
            return not self.selector or self._selects(labels)
        if target in self.plugs or target in self.hosts:
            return True
        if self.selector:
            return self._selects(labels)
        return not self.hosts and not self.plugs

    def _selects(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.selector.items())

    def plug(self, target: str) -> str:
        """The device's own name of the target."""
        return self.plugs.get(target, target)

    def delay_ms(self, target: str, action: str, jitter: float) -> int:
        """How long to wait first: the static delay, and a random part that keeps the sum below the maximum. `jitter` is in [0, 1)."""
        if action not in CUTTING:
            return 0
        base = self.node_delays_ms.get(target, self.delay_base_ms)
        return base + round(max(0, self.delay_max_ms - base) * jitter)


def settings_of(device: FenceDevice, metadata: Metadata | None = None) -> DeviceSettings:
    """The settings; what can't be read is at its default (`complaints_about` tells)."""
    return _Reader(device, metadata).settings()


def complaints_about(device: FenceDevice) -> tuple[Complaint, ...]:
    """Everything in it that can't be used."""
    reader = _Reader(device, None)
    reader.settings()
    return tuple(reader.complaints)


class _Reader:
    """Reads one device, collecting complaints instead of raising at the first."""

    def __init__(self, device: FenceDevice, metadata: Metadata | None) -> None:
        self.complaints: list[Complaint] = []
        self._device = device
        self._spec = device.spec
        self._metadata = metadata
        self._orders = {
            name.removeprefix(PREFIX): value
            for name, value in device.spec.params.items()
            if name.startswith(PREFIX)
        }

    def settings(self) -> DeviceSettings:
        spec, special = self._spec, self._metadata.special if self._metadata is not None else {}
        by_metadata = special.get("on.automatic") == "1"
        base_ms, node_delays = self._delays()
        plugs = {**spec.host_map, **dict(self._pairs("host_map"))}
        hosts = (*spec.targets.nodes, *self._words("host_list"))
        known = self._metadata.actions if self._metadata is not None else ()
        settings = DeviceSettings(
            name=self._device.metadata.name,
            agent=spec.agent,
            params={name: value for name, value in spec.params.items() if not name.startswith(PREFIX)},
            params_from=dict(spec.params_from),
            commands={action: self._command(action) for action in ACTIONS},
            host_check=self._host_check(),
            hosts=tuple(dict.fromkeys(hosts)),
            selector=dict(spec.targets.node_selector),
            plugs=plugs,
            host_argument=self._orders.get("host_argument", spec.host_argument),
            level=spec.level,
            priority=spec.priority,
            action=spec.action,
            delay_base_ms=base_ms,
            node_delays_ms=node_delays,
            delay_max_ms=self._duration("delay_max", spec.delay_max or "0s"),
            action_limit=self._whole("action_limit", spec.action_limit),
            monitor_interval_ms=duration_ms(spec.monitor_interval),
            unfences=by_metadata if spec.unfencing is None else spec.unfencing,
            on_target=special.get("on.on_target") == "1",
            can_reboot=not known or any(one.name == "reboot" for one in known),
        )
        self._check_names()
        return settings

    def _command(self, action: str) -> Command:
        typed = getattr(self._spec.commands, action, None)
        word = (typed.action if typed is not None else None) or action
        timeout = (typed.timeout if typed is not None else None) or self._spec.timeout
        attempts = (typed.attempts if typed is not None else None) or self._spec.attempts
        return Command(
            word=self._orders.get(f"{action}_action", word),
            timeout_ms=max(1, self._duration(f"{action}_timeout", timeout)),
            attempts=min(10, max(1, self._whole(f"{action}_retries", attempts))),
        )

    def _host_check(self) -> HostCheck:
        word = self._orders.get("host_check", self._spec.host_check)
        try:
            return HostCheck(word)
        except ValueError:
            self._complain("host_check", f"{word!r} is none of static-list, dynamic-list, status, none")
            return HostCheck(self._spec.host_check)

    def _delays(self) -> tuple[int, dict[str, int]]:
        """A duration for all, or `node1:1s;node2:5s`."""
        by_node = {node: duration_ms(text) for node, text in self._spec.node_delays.items()}
        text = self._orders.get("delay_base", "")
        if ":" not in text and "=" not in text:
            return self._duration("delay_base", self._spec.delay_base or "0s"), by_node
        for node, delay in self._pairs("delay_base"):
            try:
                by_node[node] = duration_ms(delay)
            except ValueError as error:
                self._complain("delay_base", str(error))
        return 0, by_node

    def _duration(self, name: str, default: str) -> int:
        try:
            return duration_ms(self._orders.get(name, default))
        except ValueError as error:
            self._complain(name, str(error))
            return duration_ms(default)

    def _whole(self, name: str, default: int) -> int:
        text = self._orders.get(name, str(default))
        try:
            return int(text)
        except ValueError:
            self._complain(name, f"{text!r} is not a whole number")
            return default

    def _words(self, name: str) -> tuple[str, ...]:
        return tuple(self._orders.get(name, "").replace(",", " ").replace(";", " ").split())

    def _pairs(self, name: str) -> Iterator[tuple[str, str]]:
        found = parse_host_map(self._orders.get(name, ""))
        for entry in found.unreadable:
            self._complain(name, f"{entry!r} is not NODE:VALUE; {ESCAPES}")
        yield from found.entries

    def _check_names(self) -> None:
        known = {
            "host_map",
            "host_list",
            "host_check",
            "host_argument",
            "delay_base",
            "delay_max",
            "action_limit",
        }
        known |= {f"{action}_{what}" for action in ACTIONS for what in ("action", "timeout", "retries")}
        for name in sorted(self._orders.keys() - known):
            self._complain(name, "there is no such setting; see `kubectl explain fencedevice.spec`")

    def _complain(self, name: str, message: str) -> None:
        complaint = Complaint(f"spec.params.{PREFIX}{name}", message)
        if complaint not in self.complaints:
            self.complaints.append(complaint)


Describe = Callable[[str], Metadata | None]
"""An agent's meta-data, as far as it is known."""

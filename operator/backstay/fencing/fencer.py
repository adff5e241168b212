"""One fencing of one target: a walk over devices and over the healthy nodes that can run them, until one says that the target is off.

A fence agent runs on a node that is online and is not the target. Devices are alternatives, tried by level, then priority (the higher
first), then name; each is tried from up to `attempts` nodes before the next device is. Nothing here waits: the owner reports how
the last step ended and asks for the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from backstay.api import FenceDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceStep:
    """Run `device` on `executor` against the target."""

    device: FenceDevice
    executor: str
    plug: str
    action: str


def devices_for(
    target: str, devices: Iterable[FenceDevice], *, labels: Mapping[str, str]
) -> tuple[FenceDevice, ...]:
    """The devices that can fence `target`, in the order in which they are tried."""
    able = [device for device in devices if _can_fence(device, target, labels)]
    return tuple(sorted(able, key=lambda one: (one.spec.level, -one.spec.priority, one.metadata.name)))


def _can_fence(device: FenceDevice, target: str, labels: Mapping[str, str]) -> bool:
    targets = device.spec.targets
    if target in device.spec.host_map or target in targets.nodes:
        return True
    if targets.node_selector:
        return all(labels.get(name) == value for name, value in targets.node_selector.items())
    return not targets.nodes and not device.spec.host_map


class Fencer:
    """The state of one fencing."""

    def __init__(
        self, target: str, *, action: str, devices: Sequence[FenceDevice], max_attempts: int
    ) -> None:
        self.target = target
        self._action = action
        self._devices = tuple(devices)
        self._max_attempts = max_attempts
        self._device = 0
        self._tries_of_device = 0
        self.tries = 0

    @property
    def exhausted(self) -> bool:
        """Nothing is left to try."""
        return self._device >= len(self._devices) or self.tries >= self._max_attempts

    def step(self, executors: Sequence[str]) -> FenceStep | None:
        """What to run now; None when nothing is left, or nobody is there to run it. Executors take turns."""
        healthy = [node for node in executors if node != self.target]
        if self.exhausted or not healthy:
            return None
        device = self._devices[self._device]
        return FenceStep(
            device=device,
            executor=healthy[self.tries % len(healthy)],
            plug=device.spec.host_map.get(self.target, self.target),
            action=device.spec.action or self._action,
        )

    def failed(self) -> None:
        """The step that was asked for last did not succeed."""
        self.tries += 1
        self._tries_of_device += 1
        if self._tries_of_device >= self._devices[self._device].spec.attempts:
            self._device += 1
            self._tries_of_device = 0

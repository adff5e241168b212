"""One fencing of one target: a walk over levels, devices and healthy nodes until the target is known to be off. Pure.

| stage | a command succeeded | a device failed everywhere |
|---|---|---|
| CUT | next device of the level; after the last one the target is dead: | next level, from its first device; |
|     | RESTORE if it was cut off to be rebooted, else DONE | after the last one FAILED |
| RESTORE | next device of the level; after the last one DONE | the same: it is dead, and that is what counts |
| LET_IN | next device of the level; after the last one DONE | next level; after the last one FAILED |

A reboot by a level of several devices becomes off by all of them, then on by all of them: one power supply after the other would never
leave the node without power. So it does where a device has no reboot. An error of `on` is told and otherwise ignored ("Pacemaker
Explained", Remapping Reboots). LET_IN is unfencing, or an administrator's `on`.

A fence agent runs on a node that is online and is not the target; on the target itself only if there is no other, or if the device
lets nodes in from themselves. A device is tried from up to EXECUTORS_MAX nodes. Nothing here waits: the owner reports how the last
step ended and asks for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from backstay.fencing.settings import DeviceSettings
from backstay.fencing.topology import Level

EXECUTORS_MAX = 3


class Stage(Enum):
    """Where the walk is."""

    CUT = "cut"
    RESTORE = "restore"
    LET_IN = "let in"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceStep:
    """Run `device` on `executor` against the target. `first`: the first command of this fencing."""

    device: DeviceSettings
    executor: str
    plug: str
    action: str
    first: bool


class Fencer:
    """The state of one fencing."""

    def __init__(self, target: str, *, action: str, levels: Sequence[Level]) -> None:
        assert action in ("reboot", "off", "on")
        self.target = target
        self.action = action
        self.tries = 0
        self.used: list[str] = []
        """Devices that did it, each with the node that ran it."""
        self._levels = tuple(levels)
        self._level = 0
        self._device = 0
        self._tried: list[str] = []
        self.stage = Stage.LET_IN if action == "on" else Stage.CUT
        self._skip_hopeless_levels()

    @property
    def dead(self) -> bool:
        """Whether the target is known to have been cut off."""
        return self.action != "on" and self.stage in (Stage.RESTORE, Stage.DONE)

    @property
    def over(self) -> bool:
        return self.stage in (Stage.DONE, Stage.FAILED)

    @property
    def device(self) -> DeviceSettings | None:
        """Whose turn it is."""
        return None if self.over else self._levels[self._level].devices[self._device]

    def step(self, executors: Sequence[str]) -> FenceStep | None:
        """What to run now; `executors` are the nodes that could, the best first. None: it is over, or nobody could.

        Somebody who could not for a while is no failure of the device: ask again later, and give up with `failed`."""
        device = self.device
        if device is None:
            return None
        able = self._able(device, executors)
        fresh = [node for node in able if node not in self._tried]
        if not fresh:
            return None
        return FenceStep(
            device=device,
            executor=fresh[0],
            plug=device.plug(self.target),
            action=self._command(device),
            first=self.tries == 0,
        )

    def _able(self, device: DeviceSettings, executors: Sequence[str]) -> list[str]:
        if self.stage is Stage.LET_IN and device.on_target:
            return [node for node in executors if node == self.target]
        others = [node for node in executors if node != self.target]
        return others or list(executors)

    def _command(self, device: DeviceSettings) -> str:
        match self.stage:
            case Stage.CUT:
                wanted = device.action or self.action
                alone = len(self._levels[self._level].devices) == 1
                return wanted if wanted == "off" or (alone and device.can_reboot) else "off"
            case Stage.RESTORE | Stage.LET_IN:
                return "on"
            case Stage.DONE | Stage.FAILED:
                raise AssertionError("it is over")
            case _:
                assert_never(self.stage)

    def succeeded(self, step: FenceStep) -> None:
        """The step that was asked for last did what it should."""
        self.tries += 1
        if self.stage is not Stage.RESTORE:
            self.used.append(f"{step.device.name} on {step.executor}")
        self._next_device()

    def failed(self, step: FenceStep, executors: Sequence[str]) -> None:
        """It did not; another of the `executors` may have more luck."""
        self.tries += 1
        self._tried.append(step.executor)
        fresh = [node for node in self._able(step.device, executors) if node not in self._tried]
        if not fresh or len(self._tried) >= EXECUTORS_MAX:
            self._device_failed()

    def give_up_device(self) -> None:
        """Nobody could run it, and waiting has no sense."""
        self.tries += 1
        self._device_failed()

    def _next_device(self) -> None:
        self._tried.clear()
        self._device += 1
        if self._device < len(self._levels[self._level].devices):
            return
        self._device = 0
        match self.stage:
            case Stage.CUT:
                self.stage = Stage.RESTORE if self._was_remapped() else Stage.DONE
                self._skip_automatic()
            case Stage.RESTORE | Stage.LET_IN:
                self.stage = Stage.DONE
            case Stage.DONE | Stage.FAILED:
                raise AssertionError("it is over")
            case _:
                assert_never(self.stage)

    def _was_remapped(self) -> bool:
        """Whether the level cut it off though a reboot was asked for. What a device or its map chose to be an off stays one."""
        return self.action == "reboot" and len(self._levels[self._level].devices) > 1

    def _skip_automatic(self) -> None:
        """Nodes are let in again by devices that unfence when they are back, not now."""
        if self.stage is Stage.RESTORE:
            devices = tuple(one for one in self._levels[self._level].devices if not one.unfences)
            self._levels = (Level(self._levels[self._level].number, devices),)
            self._level = 0
            if not devices:
                self.stage = Stage.DONE

    def _device_failed(self) -> None:
        match self.stage:
            case Stage.CUT | Stage.LET_IN:
                self._tried.clear()
                self.used.clear()
                self._level, self._device = self._level + 1, 0
                self._skip_hopeless_levels()
            case Stage.RESTORE:
                self._next_device()
            case Stage.DONE | Stage.FAILED:
                raise AssertionError("it is over")
            case _:
                assert_never(self.stage)

    def _skip_hopeless_levels(self) -> None:
        """Levels that name a device which is not there can't succeed, and switching half of a node's power off helps nobody."""
        while self._level < len(self._levels):
            level = self._levels[self._level]
            if level.devices and not level.missing:
                return
            self._level += 1
        self.stage = Stage.FAILED

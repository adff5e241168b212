"""The keeper's hands for the watchdog: opens, feeds, disarms the device, hands it to a successor. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from backstay_nodeagent.watchdog_device import WatchdogDevice
from backstay_nodeagent.watchdog_logic import (
    FEED_PAUSE_MAX_S,
    FEEDS_PER_TIMEOUT,
    Claim,
    WatchdogLogic,
    WatchdogState,
)

OPEN_AGAIN_S = 5.0
LAST_TIMEOUT_S = 1
"""When the deadline has passed: no reason to wait longer, and a keeper that is killed now gains no more than this."""

Log = Callable[..., None]


class Device(Protocol):
    """What is needed of a watchdog device."""

    fd: int

    def set_timeout(self, timeout_s: int) -> int: ...
    def feed(self) -> None: ...
    def disarm(self) -> None: ...


class WatchdogLink:
    """`turn` it whenever the keeper wakes; `wake_at` says when it must."""

    def __init__(self, *, log: Log, open_device: Callable[[str], Device] = WatchdogDevice.open) -> None:
        self.logic = WatchdogLogic()
        self._open_device = open_device
        self._log = log
        self._path = ""
        self._device: Device | None = None
        self._open_at = 0.0
        self._timeout_s = 0.0
        self._hungry = False
        self._endless = False
        """The device cannot be stopped, and is not wanted any more."""
        self._endless_at = 0.0

    @property
    def off(self) -> bool:
        return self.logic.state is WatchdogState.OFF

    @property
    def fd(self) -> int | None:
        """Of the open device."""
        return None if self._device is None else self._device.fd

    def configure(self, config: dict[str, Any] | None, now: float) -> None:
        """From the keeper's configuration; None: no watchdog."""
        if config is None:
            self.logic.want(None, now)
            return
        self._path = str(config["device"])
        self.logic.want(Claim(float(config["deadline_s"]), float(config["timeout_s"])), now)

    def turn(self, now: float, *, sent_at: float | None, kept_until: float | None) -> None:
        """Arm, feed, disarm: whatever is due."""
        if self.off and self._device is not None:
            self._stop_or_keep(now)
        if now >= self._open_at and self.logic.may_arm(now, sent_at):
            self._arm(now)
        if self.off or self._device is None or not self.logic.feed_due(now):
            return
        if self.logic.may_feed(now, sent_at=sent_at, kept_until=kept_until):
            self._feed(self._device, now)
        elif not self._hungry:
            self._starve(self._device)

    def _arm(self, now: float) -> None:
        self._open_at = now + OPEN_AGAIN_S
        wanted = self.logic.wanted
        assert wanted is not None
        try:
            device = self._device or self._open_device(self._path)
        except OSError as error:
            self._log("watchdog cannot be opened", device=self._path, error=error)
            return
        self._device = device
        try:
            self._timeout_s = float(device.set_timeout(math.ceil(wanted.timeout_s)))
        except OSError as error:
            self._log("watchdog takes no timeout", device=self._path, error=error)
            return
        self._endless = False
        self.logic.armed(Claim(wanted.deadline_s, self._timeout_s), now)
        self._log(
            "watchdog armed", device=self._path, timeout_s=self._timeout_s, deadline_s=wanted.deadline_s
        )

    def _feed(self, device: Device, now: float) -> None:
        force = self.logic.force
        assert force is not None
        try:
            if force.timeout_s != self._timeout_s or self._hungry:
                self._timeout_s = float(device.set_timeout(math.ceil(force.timeout_s)))
                self._hungry = False
            device.feed()
        except OSError as error:
            self._log("watchdog cannot be fed", error=error)
            return
        self.logic.fed(now)

    def _starve(self, device: Device) -> None:
        """The deadline has passed: from now on only a renewal that works can save this host."""
        self._hungry = True
        self._log("watchdog is not fed any more: the lease could not be renewed in time")
        try:
            device.set_timeout(LAST_TIMEOUT_S)
        except OSError as error:
            self._log("watchdog keeps its timeout", error=error)

    def _stop_or_keep(self, now: float) -> None:
        """Disarm it. Many kernels are built so that this cannot be done (nowayout): then it is fed whatever happens, for as long as
        this keeper, or its heir, runs."""
        assert self._device is not None
        if not self._endless:
            try:
                self._device.disarm()
            except OSError as error:
                self._endless = True
                self._log("watchdog cannot be disarmed, it is only fed from now on", error=error)
            else:
                self._device = None
                self._log("watchdog disarmed")
                return
        if now >= self._endless_at:
            self._endless_at = now + min(FEED_PAUSE_MAX_S, self._timeout_s / FEEDS_PER_TIMEOUT)
            try:
                self._device.feed()
            except OSError as error:
                self._log("watchdog cannot be fed", error=error)

    def wake_at(self) -> float:
        if self._device is None:
            return float("inf")
        return self._endless_at if self.off else self.logic.feed_at

    # -- to and from a successor

    def estate(self) -> dict[str, Any] | None:
        """What goes with the open device; None when there is none."""
        force, wanted = self.logic.force, self.logic.wanted
        if self._device is None:
            return None
        timeout = {"timeout_s": self._timeout_s}
        return timeout | {
            "state": self.logic.state.value,
            "force": _pair(force),
            "wanted": _pair(wanted),
        }

    def hand_over(self) -> None:
        """A successor has the device: ours is closed with this process, and being not the last, that means nothing."""
        self._device = None

    def inherit(self, device: Device, estate: dict[str, Any], now: float) -> None:
        """Go on where the predecessor was."""
        force, wanted = _claim(estate["force"]), _claim(estate["wanted"])
        self._device, self._timeout_s = device, float(estate["timeout_s"])
        if force is not None:
            self.logic.adopt(WatchdogState(estate["state"]), force, wanted, now)
        self._log("watchdog inherited", timeout_s=self._timeout_s)


def _claim(pair: list[float] | None) -> Claim | None:
    return None if pair is None else Claim(*pair)


def _pair(claim: Claim | None) -> list[float] | None:
    return None if claim is None else [claim.deadline_s, claim.timeout_s]

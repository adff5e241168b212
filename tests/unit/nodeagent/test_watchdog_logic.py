"""When the watchdog is fed, what renewals say of it, and the bound that others reckon with (design note 0005)."""

from __future__ import annotations

import random

import pytest

from backstay_nodeagent.watchdog_link import LAST_TIMEOUT_S, WatchdogLink
from backstay_nodeagent.watchdog_logic import Claim, WatchdogLogic, WatchdogState

WANTED = Claim(deadline_s=3.0, timeout_s=5.0)


def armed(claim: Claim = WANTED) -> WatchdogLogic:
    logic = WatchdogLogic()
    logic.want(claim, 0.0)
    assert logic.may_arm(0.0, 0.0)
    logic.armed(claim, 0.0)
    return logic


def test_it_is_fed_while_the_last_good_renewal_is_young_and_not_after() -> None:
    logic = armed()
    assert logic.may_feed(2.99, sent_at=0.0, kept_until=None)
    assert not logic.may_feed(3.0, sent_at=0.0, kept_until=None)
    assert logic.may_feed(4.0, sent_at=0.0, kept_until=4.5)
    assert not logic.may_feed(4.5, sent_at=0.0, kept_until=4.5)


def test_a_late_renewal_saves_the_host() -> None:
    logic = armed()
    assert not logic.may_feed(3.5, sent_at=0.0, kept_until=None)
    assert logic.may_feed(3.6, sent_at=3.4, kept_until=None)


def test_without_a_good_renewal_nothing_is_armed() -> None:
    logic = WatchdogLogic()
    logic.want(WANTED, 0.0)
    assert not logic.may_arm(10.0, None)
    assert not logic.may_arm(10.0, 8.0)
    assert logic.may_arm(10.0, 9.5)


def test_disarming_is_announced_and_acknowledged_first() -> None:
    logic = armed()
    logic.want(None, 1.0)
    assert (logic.state, logic.said) == (WatchdogState.LEAVING, None)
    logic.renewed(0.9, None)  # sent before: it may have been overtaken
    assert logic.state is WatchdogState.LEAVING
    assert not logic.may_feed(3.0, sent_at=0.0, kept_until=None)
    logic.renewed(1.5, WANTED)
    assert logic.state is WatchdogState.LEAVING
    logic.renewed(1.6, None)
    assert logic.state is WatchdogState.OFF


def test_shorter_timings_hold_at_once_and_longer_ones_when_acknowledged() -> None:
    logic = armed()
    logic.want(Claim(6.0, 2.0), 1.0)
    assert logic.said == Claim(6.0, 2.0)
    assert logic.force == Claim(3.0, 2.0)
    logic.renewed(1.5, Claim(6.0, 2.0))
    assert logic.force == Claim(6.0, 2.0)


def test_a_keeper_that_follows_a_crashed_one_holds_what_was_said_before() -> None:
    logic = WatchdogLogic()
    logic.recall(WANTED)
    logic.want(Claim(60.0, 30.0), 10.0)
    assert not logic.may_arm(10.0, 8.0)
    logic.armed(Claim(60.0, 30.0), 10.0)
    assert logic.force == WANTED
    logic.renewed(10.5, Claim(60.0, 30.0))
    assert logic.force == Claim(60.0, 30.0)


class FakeDevice:
    """A watchdog that remembers, under the test's clock."""

    fd = -1

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.timeout_s = 60
        self.fed_at = clock.now
        self.open = True
        self.nowayout = False

    def set_timeout(self, timeout_s: int) -> int:
        self._touch()
        self.timeout_s = timeout_s
        return timeout_s

    def feed(self) -> None:
        self._touch()

    def disarm(self) -> None:
        if self.nowayout:
            raise OSError(16, "busy")
        self.open = False

    def close(self) -> None:
        """The kernel feeds it once more when its holder ends without disarming."""
        self._touch()

    def _touch(self) -> None:
        if self.clock.now < self.bites_at:
            self.fed_at = self.clock.now

    @property
    def bites_at(self) -> float:
        return self.fed_at + self.timeout_s if self.open else float("inf")


class Clock:
    now = 0.0


def link(clock: Clock) -> tuple[WatchdogLink, list[FakeDevice]]:
    devices: list[FakeDevice] = []

    def open_device(_path: str) -> FakeDevice:
        devices.append(FakeDevice(clock))
        return devices[-1]

    made = WatchdogLink(log=lambda *_words, **_fields: None, open_device=open_device)
    made.configure({"device": "/dev/watchdog", "deadline_s": 3.0, "timeout_s": 5.0}, clock.now)
    return made, devices


def test_a_healthy_keeper_is_never_reset_and_a_cut_off_one_is_soon() -> None:
    clock = Clock()
    made, devices = link(clock)
    for step in range(200):
        clock.now = step * 0.1
        made.turn(clock.now, sent_at=clock.now - clock.now % 1.0, kept_until=None)
        assert clock.now < devices[0].bites_at
    last = 19.0
    while clock.now < devices[0].bites_at:
        clock.now += 0.1
        made.turn(clock.now, sent_at=last, kept_until=None)
    assert clock.now <= last + 3.0 + LAST_TIMEOUT_S + 0.5


def test_the_timeout_is_restored_when_a_late_renewal_works() -> None:
    clock = Clock()
    made, devices = link(clock)
    made.turn(0.0, sent_at=0.0, kept_until=None)
    clock.now = 3.1
    made.turn(3.1, sent_at=0.0, kept_until=None)
    assert devices[0].timeout_s == LAST_TIMEOUT_S
    clock.now = 3.5
    made.turn(3.5, sent_at=3.4, kept_until=None)
    assert devices[0].timeout_s == 5
    assert devices[0].bites_at == 8.5


def test_a_device_that_cannot_be_opened_is_tried_again_later_and_nothing_is_said() -> None:
    tries: list[float] = []

    def refuse(_path: str) -> FakeDevice:
        tries.append(clock.now)
        raise OSError(16, "busy")

    clock = Clock()
    made = WatchdogLink(log=lambda *_words, **_fields: None, open_device=refuse)
    made.configure({"device": "/dev/watchdog", "deadline_s": 3.0, "timeout_s": 5.0}, 0.0)
    for step in range(70):
        clock.now = step * 0.1
        made.turn(clock.now, sent_at=clock.now, kept_until=None)
    assert len(tries) == 2
    assert made.logic.said is None


def test_a_device_that_cannot_be_stopped_is_fed_for_ever_and_armed_again_as_it_is() -> None:
    clock = Clock()
    made, devices = link(clock)
    made.turn(0.0, sent_at=0.0, kept_until=None)
    devices[0].nowayout = True
    made.configure(None, 0.5)
    made.logic.renewed(1.0, None)
    assert made.off
    for step in range(200):
        clock.now = 1.0 + step * 0.1
        made.turn(clock.now, sent_at=1.0, kept_until=None)
        assert clock.now < devices[0].bites_at
        assert made.wake_at() <= clock.now + 0.3
    assert made.fd is not None
    made.configure({"device": "/dev/watchdog", "deadline_s": 3.0, "timeout_s": 5.0}, clock.now)
    made.turn(clock.now, sent_at=clock.now, kept_until=None)
    assert len(devices) == 1
    assert made.logic.said == WANTED


def test_a_successor_goes_on_with_what_was_promised() -> None:
    clock = Clock()
    made, devices = link(clock)
    made.turn(0.0, sent_at=0.0, kept_until=None)
    made.configure({"device": "/dev/watchdog", "deadline_s": 9.0, "timeout_s": 5.0}, 0.0)
    estate = made.estate()
    assert estate is not None
    made.hand_over()
    heir, _ = link(clock)
    heir.inherit(devices[0], estate, 1.0)
    heir.configure({"device": "/dev/watchdog", "deadline_s": 9.0, "timeout_s": 5.0}, 1.0)
    assert heir.logic.force == WANTED
    clock.now = 1.0
    heir.turn(1.0, sent_at=0.5, kept_until=None)
    assert devices[0].fed_at == 1.0


@pytest.mark.parametrize("seed", range(300))
def test_bound_holds_whatever_pauses_and_kills_come_between(seed: int) -> None:
    """Pauses between check and feed, between turns, and a SIGKILL at the worst time (the kernel feeds then)."""
    rng = random.Random(seed)
    clock = Clock()
    device = FakeDevice(clock)
    device.timeout_s = 5
    logic = armed()
    killed_at = rng.choice([float("inf"), rng.uniform(0, 13)])
    while clock.now < device.bites_at:
        due = logic.feed_due(clock.now)
        feeds = due and logic.may_feed(clock.now, sent_at=0.0, kept_until=None)
        clock.now += rng.choice([0.0, rng.uniform(0, 0.3), rng.uniform(0, 5.5)])
        if clock.now >= killed_at and clock.now < device.bites_at:
            clock.now = max(clock.now, killed_at)
            device.close()
            break
        if feeds:
            device.feed()
            logic.fed(clock.now)
        clock.now += rng.choice([0.05, rng.uniform(0, 0.3), rng.uniform(0, 5.5)])
    assert device.bites_at <= 3.0 + 3 * 5.0


def test_bound_of_two_timeouts_would_be_broken_by_a_kill() -> None:
    """Why the bound has 3 W: a pause, a late feed, and a SIGKILL just before the bite."""
    clock = Clock()
    device = FakeDevice(clock)
    device.timeout_s = 5
    logic = armed()
    clock.now = 2.9
    device.feed()
    logic.fed(2.9)
    clock.now = 2.95 + 0.0
    assert logic.may_feed(clock.now, sent_at=0.0, kept_until=None)
    clock.now = 7.8  # the check was followed by a pause
    device.feed()
    clock.now = 12.7
    device.close()
    assert 3.0 + 2 * 5.0 < device.bites_at <= 3.0 + 3 * 5.0

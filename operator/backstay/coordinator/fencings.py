"""The fencings under way: puts fence orders into plans, reads what became of them, one fencing per target at a time.

One crew per DC term; transitions and administrators' requests use the same one. What makes two DCs not fence the same node at the same
time: an order is begun only by an agent whose plan is of the highest epoch, so a former DC begins nothing; and what it has begun is
in the executor's `pending`, with the target, and is waited for here until the agent has ended it (every order has a timeout). An
executor that is lost with an order of which nobody knows the end is not waited for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from backstay.api import FencingRecord, HANodePlan, PlanAction
from backstay.api.quantities import timestamp
from backstay.coordinator.membership import Membership
from backstay.coordinator.orders import PlanBook, fence_order
from backstay.coordinator.results import result_of
from backstay.coordinator.story import StoryItem, Tale
from backstay.fencing import DeviceSettings, Fencer, FenceStep, Level, Stage

GRACE_S = 5.0
"""For an answer to come in, beyond the time that the command itself may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingWish:
    """A fencing to be done. `key` is unique over all time; `boot_id` the boot that it is to end."""

    key: str
    target: str
    action: str
    levels: tuple[Level, ...]
    boot_id: str
    delay_ms: int = 0
    """Before the first command, beside the device's own delays (priority-fencing-delay)."""
    why: str = ""
    unarmed: str = ""
    """What to say of its watchdog, should there be no way to fence it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """A fencing that succeeded: which boot of which node it ended, or by `on` let in."""

    node: str
    boot_id: str
    action: str
    by: str


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a wish, as far as whoever waits for it is concerned."""

    succeeded: bool
    reason: str = ""
    proves: str = ""
    """The node of which it is the proof of death."""


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """A command that a device was given."""

    device: str
    executor: str
    succeeded: bool
    words: str


@dataclass(slots=True)
class CrewNews:
    """What one step brought."""

    fenced: list[Fenced] = field(default_factory=list)
    records: list[tuple[str, FencingRecord]] = field(default_factory=list)
    story: list[StoryItem] = field(default_factory=list)
    uses: list[DeviceUse] = field(default_factory=list)


@dataclass(slots=True)
class _Order:
    id: str
    step: FenceStep
    deadline: float


@dataclass(slots=True)
class _Fencing:
    wish: FencingWish
    fencer: Fencer
    order: _Order | None = None
    told: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewView:
    """The world at one step. `executors` names the nodes that could run a device, the best first."""

    plans: Mapping[str, HANodePlan]
    membership: Membership
    executors: Callable[[DeviceSettings], Sequence[str]]
    awaits_bite: Callable[[str], bool]
    """Whether the node's own watchdog will prove its death."""
    spared: Collection[str]
    """Nodes that must not be fenced now: a fencing that has begun goes on to no further command."""
    now: float
    wall: float


class FencingCrew:
    """Begin wishes, step, and ask for outcomes."""

    def __init__(self) -> None:
        self._fencings: dict[str, _Fencing] = {}
        self._ended: dict[str, Ended] = {}
        self.unrecorded: frozenset[str] = frozenset()
        """Nodes that are proven dead, of which no object says so yet: what waits for the proof waits until one does."""

    # -- questions

    def outcome(self, key: str, *, recorded: bool = True) -> Ended | None:
        """None while it is under way; with `recorded`, also while no object tells of a success. A target that is dead counts, though it
        may still have to be switched on again."""
        ended = self._ended.get(key)
        return None if recorded and ended is not None and ended.proves in self.unrecorded else ended

    @property
    def targets(self) -> frozenset[str]:
        """Nodes with a fencing under way."""
        return frozenset(one.wish.target for one in self._fencings.values())

    @property
    def next_deadline(self) -> float | None:
        """When an answer will be late."""
        return min((one.order.deadline for one in self._fencings.values() if one.order), default=None)

    # -- steps

    def prove_dead(self, target: str, by: str, wall: float) -> list[tuple[str, FencingRecord]]:
        """It is known to be dead by other means: what waits for that goes on."""
        records = []
        for fencing in [one for one in self._fencings.values() if one.wish.target == target]:
            wish = fencing.wish
            if wish.action == "on":
                continue
            if not fencing.told:
                self._ended[wish.key] = Ended(True, f"by {by}", proves=target)
                records.append((target, _record(wish, by, "", wall)))
            del self._fencings[wish.key]
        return records

    def begin(self, wish: FencingWish) -> None:
        """Take the wish in; nothing is sent before the next `step`."""
        assert wish.key not in self._fencings
        assert wish.key not in self._ended
        if wish.action != "on" and wish.target in self.unrecorded:
            self._ended[wish.key] = Ended(True, "it is fenced; that is being recorded", proves=wish.target)
            return
        fencer = Fencer(wish.target, action=wish.action, levels=wish.levels)
        self._fencings[wish.key] = _Fencing(wish, fencer)

    def step(self, view: CrewView, book: PlanBook) -> CrewNews:
        """Take answers in, send what comes next."""
        news = CrewNews()
        for fencing in list(self._fencings.values()):
            if fencing.order is not None:
                self._feed(fencing, fencing.order, view, book, news)
        self._spare(view, news)
        busy: list[str] = []
        for fencing in list(self._fencings.values()):
            # In the order in which they were wished for: the later ones of a target wait.
            if fencing.wish.target not in busy and fencing.order is None:
                self._advance(fencing, view, book)
            busy.append(fencing.wish.target)
            self._conclude(fencing, view, news)
        return news

    def _spare(self, view: CrewView, news: CrewNews) -> None:
        """End what must not go on. A target that is cut off already is still let in again."""
        for fencing in list(self._fencings.values()):
            wish = fencing.wish
            if wish.target not in view.spared or wish.action == "on" or fencing.order or fencing.told:
                continue
            if fencing.fencer.dead:
                continue
            reason = "it must not be fenced now: without a quorum, or too many nodes were lost at once"
            self._ended[wish.key] = Ended(False, reason)
            news.records.append((wish.target, _record(wish, "", reason, view.wall)))
            del self._fencings[wish.key]

    def _feed(self, fencing: _Fencing, order: _Order, view: CrewView, book: PlanBook, news: CrewNews) -> None:
        step = order.step
        node = view.membership.nodes.get(step.executor)
        boot = node.boot_id if node is not None else ""
        result = result_of(view.plans.get(step.executor), order.id, boot)
        usable = node is not None and node.usable
        if result is None and usable and view.now <= order.deadline:
            return
        fencing.order = None
        words = f"{step.action} of {fencing.wish.target} by {step.device.name} on {step.executor}"
        if result is not None and result.state == "Done":
            fencing.fencer.succeeded(step)
            news.uses.append(DeviceUse(step.device.name, step.executor, True, f"{words}: done"))
            return
        book.take_back(step.executor, [order.id])
        why = result.message if result is not None else "no answer" if usable else "its node is gone"
        fencing.reason = f"{words}: {why}"
        failed = StoryItem(
            tale=Tale.FENCING_FAILED,
            message=f"fencing failed: {fencing.reason}",
            warning=True,
            facts={"node": fencing.wish.target},
        )
        news.story.append(failed)
        news.uses.append(DeviceUse(step.device.name, step.executor, False, fencing.reason))
        fencing.fencer.failed(step, view.executors(step.device))

    def _advance(self, fencing: _Fencing, view: CrewView, book: PlanBook) -> None:
        fencer, target = fencing.fencer, fencing.wish.target
        while (device := fencer.device) is not None:
            if self._is_busy(device) or _fenced_by_others(target, view):
                return
            step = fencer.step(view.executors(device))
            if step is not None:
                self._send(fencing, step, book, view.now)
                return
            fencing.reason = fencing.reason or f"no healthy node can run {device.agent} of {device.name}"
            fencer.give_up_device()

    def _is_busy(self, device: DeviceSettings) -> bool:
        running = sum(
            one.order is not None and one.order.step.device.name == device.name
            for one in self._fencings.values()
        )
        return 0 <= device.action_limit <= running

    def _send(self, fencing: _Fencing, step: FenceStep, book: PlanBook, now: float) -> None:
        wish = fencing.wish
        order_id = f"{wish.key}-f{fencing.fencer.tries}"
        delay_ms = step.device.delay_ms(wish.target, step.action, jitter_of(order_id))
        delay_ms += wish.delay_ms if step.first else 0
        action: PlanAction = fence_order(order_id, step, wish.target, delay_ms=delay_ms)
        deadline = now + (delay_ms + action.timeout_ms) / 1000 + GRACE_S
        fencing.order = _Order(order_id, step, deadline)
        book.add(step.executor, [action])

    def _conclude(self, fencing: _Fencing, view: CrewView, news: CrewNews) -> None:
        fencer, wish = fencing.fencer, fencing.wish
        if fencer.stage is Stage.FAILED and wish.action != "on" and view.awaits_bite(wish.target):
            return
        done = fencer.dead or fencer.stage is Stage.DONE
        if (done or fencer.stage is Stage.FAILED) and not fencing.told:
            fencing.told = True
            by = " and ".join(fencer.used)
            reason = "" if done else _failure(fencing)
            proves = wish.target if done and wish.action != "on" else ""
            self._ended[wish.key] = Ended(done, reason or f"by {by}", proves=proves)
            if done:
                news.fenced.append(Fenced(node=wish.target, boot_id=wish.boot_id, action=wish.action, by=by))
            news.records.append((wish.target, _record(wish, by, reason, view.wall)))
        if fencer.over:
            del self._fencings[wish.key]


def _record(wish: FencingWish, by: str, reason: str, wall: float) -> FencingRecord:
    return FencingRecord(
        action=wish.action,
        succeeded=not reason,
        by=by,
        why=wish.why,
        message=reason[:512],
        time=timestamp(wall),
    )


def _failure(fencing: _Fencing) -> str:
    """What went wrong, and what an administrator can do."""
    wish = fencing.wish
    if fencing.reason or wish.action == "on":
        return fencing.reason or _nothing_to_try(wish)
    return (
        f"{_nothing_to_try(wish)}, and {wish.unarmed or 'its watchdog was not armed'}: add a FenceDevice for it, or set "
        f"spec.watchdog; if you have seen that it is off, `kubectl ha fence confirm {wish.target}`"
    )


def _nothing_to_try(wish: FencingWish) -> str:
    missing = sorted({name for level in wish.levels for name in level.missing})
    if missing:
        return f"the fencing topology of {wish.target} names devices that are not there: {' '.join(missing)}"
    return f"no FenceDevice can fence {wish.target}"


def _fenced_by_others(target: str, view: CrewView) -> bool:
    """Whether a fence agent already runs against it: of a former DC, or of an order that we gave up."""
    return any(
        pending.verb == "fence" and pending.target == target
        for name, plan in view.plans.items()
        if (node := view.membership.nodes.get(name)) is not None
        and node.usable
        and plan.status.boot_id == node.boot_id
        for pending in plan.status.pending
    )


def jitter_of(text: str) -> float:
    """A number in [0, 1) that nobody can foresee and that a replay finds again: for random delays in a core without randomness."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48

"""Promises between peers, alone and against an adversary who holds cables, clocks of the API and every delay in hand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from backstay.liveness import LeaseTracker, NodeLease, TakeoverJudge
from backstay.liveness.leases import Pulse
from backstay_nodeagent.vouch_wire import Letter, seal, unseal
from backstay_nodeagent.vouching import Answer, Lapse, Memory, Question, Vouching

L, MARGIN, INTERVAL = 3.0, 1.0, 1.0
KNOWN = Memory(promised_until=0.0, last_plain=0.0)


def lapse(sent_at: float) -> Lapse:
    return Lapse(
        sent_at=sent_at, stop_at=sent_at + L - MARGIN, expires_at=sent_at + L, interval_s=INTERVAL, lease_s=L
    )


def keeper(*peers: str) -> Vouching:
    return Vouching(started_at=0.0, lease_s=L, memory=Memory(0.0, 0.0), peers=dict.fromkeys(peers, "address"))


def promised(one: Vouching, peers: list[str], *, now: float, sent_at: float = 100.0) -> None:
    question = one.due(lapse(sent_at), now)
    assert question is not None
    for peer in peers:
        one.answered(peer, Answer(question.number, "promise", 1.5 * L, plain_age_s=0.5), lapse(sent_at), now)


@pytest.mark.parametrize(
    ("members", "needed"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)], ids=["1", "2", "3", "4", "5"]
)
def test_more_than_half_of_the_members_are_needed(members: int, needed: int) -> None:
    peers = [f"n{number}" for number in range(2, members + 1)]
    one = keeper(*peers)
    if needed:
        promised(one, peers[: needed - 1], now=101.7)
        assert one.keep_until(101.7) is None
        one = keeper(*peers)
        promised(one, peers[:needed], now=101.7)
    assert one.keep_until(101.7) is not None


def test_promise_counts_from_before_it_was_asked_for() -> None:
    one = keeper("n2", "n3")
    question = one.due(lapse(100.0), 101.7)
    assert question is not None
    one.answered("n2", Answer(question.number, "promise", 4.5, 0.5), lapse(100.0), 102.5)
    until = one.keep_until(102.5)
    assert until is not None
    assert 101.7 + 4.4 < until < 101.7 + 4.5


def test_promise_of_a_peer_that_renewed_too_lately_counts_for_nothing() -> None:
    one = keeper("n2", "n3")
    question = one.due(lapse(100.0), 101.9)
    assert question is not None
    one.answered("n2", Answer(question.number, "promise", 4.5, plain_age_s=0.0), lapse(100.0), 102.6)
    assert one.keep_until(102.6) is None


def test_promise_of_a_peer_that_renewed_at_the_very_moment_of_the_challenge_counts_for_nothing() -> None:
    challenged_at = 100.0 + L * 3 / 4
    for age_s, accepted in ((0.0, False), (0.125, True)):
        one = keeper("n2", "n3")
        question = one.due(lapse(100.0), 101.9)
        assert question is not None
        answer = Answer(question.number, "promise", 4.5, plain_age_s=age_s)
        one.answered("n2", answer, lapse(100.0), challenged_at)
        assert (one.keep_until(challenged_at) is not None) is accepted


def test_refusal_of_a_stranger_and_of_another_outage_counts_for_nothing() -> None:
    one = keeper("n2", "n3")
    question = one.due(lapse(100.0), 101.7)
    assert question is not None
    one.answered("n9", Answer(question.number, "promise", 4.5, 0.5), lapse(100.0), 101.7)
    one.answered("n2", Answer(question.number, "refuse"), lapse(100.0), 101.7)
    assert one.keep_until(101.7) is None
    one.due(lapse(101.75), 103.4)
    one.answered("n2", Answer(question.number, "promise", 4.5, 2.0), lapse(101.75), 103.4)
    assert one.keep_until(103.4) is None


def test_what_has_lapsed_stays_so_until_a_renewal_works() -> None:
    one = keeper("n2", "n3")
    assert one.due(lapse(100.0), 103.1) is None
    assert one.keep_until(103.1) is None
    promised(one, ["n2"], now=112.0, sent_at=110.0)
    assert one.keep_until(112.0) is not None


def test_peer_is_warned_first_and_refuses_when_its_renewal_works() -> None:
    one = keeper("n1", "n3")
    answer, renew = one.asked("n1", Question(1, 7, promise=False), lapse(100.0), 101.0)
    assert (answer.kind, renew) == ("wait", True)
    one.attempted(101.0)
    one.renewed(101.0)
    answer, renew = one.asked("n1", Question(2, 7, promise=True), lapse(101.0), 101.5)
    assert (answer.kind, renew) == ("refuse", False)
    assert one.attempted(101.6) == 0.0


def test_peer_that_is_cut_off_promises_and_marks_its_renewals_until_the_end() -> None:
    one = keeper("n1", "n3")
    one.attempted(100.4)
    one.asked("n1", Question(1, 7, promise=False), lapse(99.4), 101.0)
    answer, _ = one.asked("n1", Question(2, 7, promise=True), lapse(99.4), 101.5)
    assert (answer.kind, answer.promise_s) == ("promise", 1.5 * L)
    assert answer.plain_age_s == pytest.approx(1.1)
    assert one.attempted(101.6) > 4.0
    assert one.attempted(101.5 + 1.5 * L - 0.01) > 0
    assert one.attempted(101.5 + 1.5 * L) == 0.0


def test_keeper_without_memory_marks_its_renewals_and_one_with_memory_goes_on_as_before() -> None:
    assert Vouching(started_at=50.0, lease_s=L).attempted(50.1) > 4.0
    kept = Vouching(
        started_at=50.0, lease_s=L, memory=Memory(promised_until=52.0, last_plain=47.0), peers={"n1": "a"}
    )
    assert kept.attempted(51.0) == pytest.approx(1.0)
    late = Vouching(started_at=50.0, lease_s=L, memory=Memory(promised_until=49.0, last_plain=40.0))
    assert late.memory == Memory(promised_until=49.0, last_plain=50.0)


def test_letter_is_read_with_the_key_only_and_not_when_changed() -> None:
    for content in (Question(3, 9, promise=True), Answer(3, "promise", 4.5, 0.25)):
        letter = Letter("c", "n1", "n2", content)
        packet = seal(letter, b"key")
        assert unseal(packet, {"n1": b"key"}) == letter
        assert unseal(packet, {"n1": b"other"}) is None
        assert unseal(packet, {"n2": b"key"}) is None
        assert unseal(packet.replace(b"n2", b"n3"), {"n1": b"key"}) is None
    assert unseal(b"", {"n1": b"key"}) is None
    assert unseal(seal(letter, b"key")[:40], {"n1": b"key"}) is None


# -- the rule against an adversary


@dataclass
class Host:
    """A keeper, and whether what it had runs: it stops in time unless promises hold."""

    name: str
    vouching: Vouching
    sent_at: float = 0.0
    next_try: float = 0.0
    in_flight_until: float = 0.0
    active: bool = True
    stopping_at: float | None = None
    beat: int = 0
    online: bool = True
    sequence: int = 0


@dataclass
class World:
    """N hosts, one API, one DC; every delay and every loss is drawn."""

    dice: random.Random
    names: list[str]
    now: float = 10.0
    hosts: dict[str, Host] = field(default_factory=dict)
    tracker: LeaseTracker = field(default_factory=lambda: LeaseTracker(read_gap_s=1.0))
    queue: list[tuple[float, int, object]] = field(default_factory=list)
    api_up: bool = True
    peers_cut: set[frozenset[str]] = field(default_factory=set)
    slow: float = 0.05
    taken: set[str] = field(default_factory=set)
    kept: int = 0
    takeovers: int = 0
    serial: int = 0
    skew: dict[str, float] = field(default_factory=dict)
    plan_beat: int = 0

    def __post_init__(self) -> None:
        self.judge = TakeoverJudge(self.tracker, epoch=1)
        for name in self.names:
            peers = {one: one for one in self.names if one != name}
            self.skew[name] = self.dice.uniform(-50, 50)
            start = self.clock(name)
            vouching = Vouching(
                started_at=start,
                lease_s=L,
                memory=Memory(start, start),
                peers=peers,
                number=self.dice.getrandbits(40),
            )
            self.hosts[name] = Host(name, vouching, sent_at=start, next_try=start + self.dice.random())

    def clock(self, name: str) -> float:
        """Of a host: shifted, and running a little fast or slow."""
        rate = 1 + (int(name[1:]) % 3 - 1) * 0.004
        return 100 + self.now * rate + self.skew[name]

    def later(self, delay: float, what: object) -> None:
        self.serial += 1
        self.queue.append((self.now + delay, self.serial, what))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.02
            self._shake()
            due = sorted((one for one in self.queue if one[0] <= self.now), key=lambda one: one[:2])
            self.queue = [one for one in self.queue if one[0] > self.now]
            for _, _, what in due:
                what()  # type: ignore[operator]
            for host in self.hosts.values():
                self._live(host)
            self._decide()

    def _shake(self) -> None:
        roll = self.dice.random()
        if roll < 0.002:
            self.api_up = not self.api_up
        elif roll < 0.008:
            host = self.hosts[self.dice.choice(self.names)]
            host.online = not host.online
        elif roll < 0.011:
            pair = frozenset(self.dice.sample(self.names, 2)) if len(self.names) > 1 else frozenset()
            self.peers_cut ^= {pair}
        elif roll < 0.013:
            self.slow = self.dice.choice([0.02, 0.05, 0.3, 1.0, 4.0])

    def _live(self, host: Host) -> None:
        now, vouching = self.clock(host.name), host.vouching
        lapse_ = lapse(host.sent_at)
        if now >= host.next_try and now >= host.in_flight_until:
            self._renew(host, now)
        question = vouching.due(lapse_, now)
        if question is not None:
            for peer in vouching.peers or {}:
                self._post(
                    host.name,
                    peer,
                    lambda peer=peer, q=question, sender=host.name: self._ask(sender, peer, q),
                )  # type: ignore[misc]
        until = vouching.keep_until(now)
        stop_at = max(lapse_.stop_at, until - MARGIN if until is not None else 0.0)
        if host.active and host.stopping_at is None and now >= stop_at:
            host.stopping_at = now
        if (
            host.stopping_at is not None
            and host.active
            and now >= host.stopping_at + self.dice.uniform(0, MARGIN * 0.95)
        ):
            host.active = False
        self.kept += host.active and now > lapse_.expires_at

    def _renew(self, host: Host, now: float) -> None:
        left = host.vouching.attempted(now)
        host.sequence += 1
        token, beat = f"{host.sequence}", host.beat
        host.in_flight_until = now + 0.9
        host.next_try = now + 0.9 + self.dice.uniform(0.1, 0.5)
        lost = not host.online or not self.api_up
        if lost and self.dice.random() < 0.7:
            return  # it never arrives; else it is taken in late, and its answer is lost
        delay = self.dice.uniform(0, self.slow) + (self.dice.uniform(0, 5) if lost else 0)

        def taken_in() -> None:
            self.tracker.observe(
                NodeLease(node=host.name, token=token, duration_s=L, beat=beat, vouching_s=left), self.now
            )
            if not lost:
                self.later(self.dice.uniform(0, self.slow), answered)

        def answered() -> None:
            after = self.clock(host.name)
            if host.online and after < host.in_flight_until:
                host.sent_at = max(host.sent_at, now)
                host.vouching.renewed(now)
                host.in_flight_until = 0.0
                host.next_try = now + INTERVAL
                if not host.active and host.name not in self.taken:
                    host.active = True
                host.stopping_at = None if host.active else host.stopping_at

        self.later(delay, taken_in)

    def _post(self, sender: str, receiver: str, what: object) -> None:
        if frozenset((sender, receiver)) in self.peers_cut or self.dice.random() < 0.1:
            return
        self.later(self.dice.choice([0.001, 0.01, 0.3, 2.0]), what)

    def _ask(self, sender: str, receiver: str, question: Question) -> None:
        host = self.hosts[receiver]
        answer, renew = host.vouching.asked(sender, question, lapse(host.sent_at), self.clock(receiver))
        if renew:
            host.next_try = min(host.next_try, self.clock(receiver))

        def arrived() -> None:
            asker = self.hosts[sender]
            asker.vouching.answered(receiver, answer, lapse(asker.sent_at), self.clock(sender))

        self._post(receiver, sender, arrived)

    def _decide(self) -> None:
        if not self.api_up:
            return
        self.tracker.read_succeeded(self.now, sent_at=self.now)
        self.judge.look(self.names, self.now)
        if self.judge.beat != self.plan_beat:
            beat = self.plan_beat = self.judge.beat
            for host in self.hosts.values():
                if host.online:
                    self.later(
                        self.dice.uniform(0.01, self.slow + 0.02),
                        lambda host=host, beat=beat: self._hear(host, beat),
                    )  # type: ignore[misc]
        for name in self.names:
            expired = self.tracker.pulse(name, self.now) is Pulse.EXPIRED
            if expired and self.judge.may_take(name, self.names, self.now):
                assert not self.hosts[name].active, f"{name} is active and taken over at {self.now:.2f}"
                self.takeovers += name not in self.taken
                self.taken.add(name)
            elif self.tracker.pulse(name, self.now) is Pulse.FRESH and name in self.taken:
                self.taken.discard(name)

    def _hear(self, host: Host, beat: int) -> None:
        host.beat = max(host.beat, beat)
        host.next_try = min(host.next_try, self.clock(host.name))


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(6))
def test_nobody_is_active_where_a_takeover_is_allowed(members: int, seed: int) -> None:
    world = World(random.Random(f"{members}/{seed}"), [f"n{number}" for number in range(1, members + 1)])
    world.run(120.0)


def test_adversary_lets_both_things_happen() -> None:
    kept = takeovers = 0
    for seed in range(4):
        world = World(random.Random(f"3/{seed}"), ["n1", "n2", "n3"])
        world.run(120.0)
        kept += world.kept
        takeovers += world.takeovers
    assert kept > 0
    assert takeovers > 0

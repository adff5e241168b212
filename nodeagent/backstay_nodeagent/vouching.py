"""Peers' promises: who may go on without a lease, and who must not be counted meanwhile (design note 0003). Pure, standard library.

One `Vouching` per keeper, both sides of it: it asks for promises when its own renewals stay away, and answers the questions of others.
Every question takes `now` (seconds of CLOCK_BOOTTIME). A promise that was given is in `memory`, to be written down before the
answer leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLOCK_ERROR = 0.01
PROMISE_PER_LEASE = 1.5
PROMISE_MAX_PER_LEASE = 2 * PROMISE_PER_LEASE
"""What is believed of a peer, whose lease may last longer while its timings change."""
LEAD_PER_LEASE = 1 / 4
"""The DC challenges the others when this much of a lease is left; see `backstay.liveness.takeover`."""
CHECK_AT, ASK_AT = 0.25, 0.6
"""Parts of the way from a due renewal to the moment when the node must begin to stop."""
ASKS_PER_LEASE, KEEPS_PER_LEASE = 30, 3
ASKED_MAX = 256


@dataclass(frozen=True)
class Question:
    """`episode` changes with each outage of the sender; without `promise` it only warns that a question is coming."""

    number: int
    episode: int
    promise: bool


@dataclass(frozen=True)
class Answer:
    """`kind`: promise, refuse or wait. `plain_age_s`: since the last renewal that was sent without a mark."""

    number: int
    kind: str
    promise_s: float = 0.0
    plain_age_s: float = 0.0


@dataclass(frozen=True)
class Lapse:
    """The sender's own lease, as it stands: of the last acknowledged renewal, and the timings."""

    sent_at: float
    stop_at: float
    expires_at: float
    interval_s: float
    lease_s: float

    def at(self, part: float) -> float:
        """`part` of the way from the renewal that is due to `stop_at`."""
        due = min(self.sent_at + self.interval_s, self.stop_at)
        return due + part * (self.stop_at - due)


@dataclass
class Memory:
    """What must survive the keeper: a promise in force, and the last plain renewal before it."""

    promised_until: float
    last_plain: float


@dataclass
class _Episode:
    id: int
    first_at: float


@dataclass
class Vouching:
    """See the module. `memory` None at the start: nothing is known of promises in this boot, so one is assumed."""

    started_at: float
    lease_s: float
    memory: Memory | None = None
    number: int = 0
    """Of the last question. Begin at random: an answer to a predecessor's question must fit none of ours."""
    peers: Mapping[str, str] | None = None
    """Name -> address of the other members; None: vouching is off."""
    _promises: dict[str, float] = field(default_factory=dict)
    _asked: dict[int, float] = field(default_factory=dict)
    _episodes: dict[str, _Episode] = field(default_factory=dict)
    _next_at: float = 0.0
    _episode: float = -1.0
    _lapsed: bool = False
    _good_sent: float = float("-inf")

    def __post_init__(self) -> None:
        if self.memory is None:
            self.memory = Memory(self.started_at + PROMISE_PER_LEASE * self.lease_s, self.started_at)
        elif self.started_at >= self.memory.promised_until:
            self.memory.last_plain = self.started_at

    # -- renewals

    def attempted(self, now: float) -> float:
        """A renewal is about to be sent: seconds of a promise that it must carry, 0 for a plain one."""
        assert self.memory is not None
        left = self.memory.promised_until - now
        if left <= 0:
            self.memory.last_plain = max(self.memory.last_plain, now)
        return max(0.0, left)

    def renewed(self, sent_at: float) -> None:
        """A renewal sent then was acknowledged."""
        self._good_sent = max(self._good_sent, sent_at)

    # -- asking

    def due(self, lapse: Lapse, now: float) -> Question | None:
        """A question for all peers, if it is time for one. Ask again at `next_at`."""
        if not self.peers:
            return None
        if lapse.sent_at != self._episode:
            self._episode, self._lapsed, self._next_at = lapse.sent_at, False, 0.0
            self._promises.clear()
            self._asked.clear()
        until = self.keep_until(now)
        if now >= lapse.expires_at and until is None:
            self._lapsed = True
        if self._lapsed or now < max(lapse.at(CHECK_AT), self._next_at):
            return None
        per_lease = ASKS_PER_LEASE if until is None else KEEPS_PER_LEASE
        self._next_at = now + max(0.02, lapse.lease_s / per_lease)
        self.number += 1
        if len(self._asked) >= ASKED_MAX:
            del self._asked[min(self._asked)]
        self._asked[self.number] = now
        return Question(self.number, round(lapse.sent_at * 1000), promise=now >= lapse.at(ASK_AT))

    def wake_at(self, lapse: Lapse | None) -> float:
        """When `due` may have something to ask."""
        if lapse is None or not self.peers or self._lapsed:
            return float("inf")
        if lapse.sent_at != self._episode:
            return lapse.at(CHECK_AT)
        return max(lapse.at(CHECK_AT), self._next_at)

    def answered(self, peer: str, answer: Answer, lapse: Lapse, now: float) -> None:
        """A peer's answer. One to a question of another outage, or asked too long ago, counts for nothing."""
        asked_at = self._asked.get(answer.number)
        if asked_at is None or not self.peers or peer not in self.peers or answer.kind != "promise":
            return
        plain_at = now - answer.plain_age_s
        if plain_at >= lapse.expires_at - LEAD_PER_LEASE * lapse.lease_s:
            return
        promise_s = min(answer.promise_s, PROMISE_MAX_PER_LEASE * lapse.lease_s)
        until = asked_at + promise_s * (1 - CLOCK_ERROR)
        self._promises[peer] = max(until, self._promises.get(peer, until))

    def keep_until(self, now: float) -> float | None:
        """Until when more than half of the members, this one included, have promised; None: fewer have."""
        if self.peers is None or self._lapsed:
            return None
        others_needed = (len(self.peers) + 1) // 2
        if others_needed == 0:
            return now + self.lease_s
        standing = sorted(
            (until for peer, until in self._promises.items() if until > now and peer in self.peers),
            reverse=True,
        )
        return standing[others_needed - 1] if len(standing) >= others_needed else None

    # -- answering

    def asked(self, peer: str, question: Question, lapse: Lapse | None, now: float) -> tuple[Answer, bool]:
        """Answer a peer's question; and whether to renew at once, to find out how things stand."""
        assert self.memory is not None
        episode = self._episodes.get(peer)
        fresh = episode is None or episode.id != question.episode
        if episode is None or fresh:
            # A peer's outages are an interval apart at least; one that has more of them does not make this node renew each time.
            fresh = episode is None or now - episode.first_at >= self.lease_s / KEEPS_PER_LEASE
            episode = self._episodes[peer] = _Episode(question.episode, now)
        if not question.promise:
            return Answer(question.number, "wait"), fresh
        if self._good_sent >= episode.first_at:
            return Answer(question.number, "refuse"), fresh
        grace = (lapse.at(ASK_AT) - lapse.at(CHECK_AT)) / 2 if lapse is not None else 0.0
        if now - episode.first_at < grace:
            return Answer(question.number, "wait"), fresh
        promise_s = PROMISE_PER_LEASE * self.lease_s
        self.memory = Memory(max(self.memory.promised_until, now + promise_s), self.memory.last_plain)
        return Answer(question.number, "promise", promise_s, now - self.memory.last_plain), fresh

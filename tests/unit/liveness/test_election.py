"""Two candidates, one Lease: at most one of them leads at any moment, whatever the order of their steps."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.liveness import Candidate, ElectionStep, LeaseView
from backstay.liveness.election import pace_of


@dataclass
class Register:
    """The Lease in the API: a compare-and-swap register."""

    holder: str = ""
    version: int = 0
    exists: bool = False

    def view(self) -> LeaseView | None:
        return LeaseView(holder=self.holder, token=str(self.version), duration_s=2.0) if self.exists else None


class Process:
    """A candidate with its own, possibly stale, view."""

    def __init__(self, name: str, register: Register) -> None:
        self.candidate = Candidate(name, pace_of(3.0))
        self.register = register
        self.seen: tuple[LeaseView | None, int] = (None, -1)

    def look(self, now: float) -> None:
        self.seen = (self.register.view(), self.register.version)
        self.candidate.observe(self.seen[0], now)

    def act(self, now: float) -> None:
        view, version = self.seen
        step = self.candidate.step(view, now)
        if step is ElectionStep.WAIT:
            return
        self.candidate.sent(now)
        if version != self.register.version:
            return  # conflict
        self.register.holder, self.register.exists = self.candidate.identity, True
        self.register.version += 1
        self.look(now)
        self.candidate.succeeded(now)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(("look", "act")), st.floats(0.01, 0.9)), max_size=80
    )
)
def test_never_two_leaders(script: list[tuple[str, str, float]]) -> None:
    register = Register()
    processes = {name: Process(name, register) for name in "ab"}
    now = 0.0
    for name, what, pause in script:
        now += pause
        process = processes[name]
        process.look(now) if what == "look" else process.act(now)
        leaders = [one for one, process in processes.items() if process.candidate.leads(now)]
        assert len(leaders) <= 1


def test_candidate_takes_over_a_duration_after_the_last_renewal_it_saw() -> None:
    register = Register(holder="dead", version=7, exists=True)
    process = Process("a", register)
    process.look(0.0)
    process.act(1.9)
    assert not process.candidate.leads(1.9)
    process.act(2.0)
    assert process.candidate.leads(2.0)


def test_released_lease_is_taken_at_once() -> None:
    register = Register(holder="", version=3, exists=True)
    process = Process("a", register)
    process.look(0.0)
    process.act(0.06)
    assert process.candidate.leads(0.1)


def test_leader_that_cannot_renew_stops_before_others_may_begin() -> None:
    register = Register()
    process = Process("a", register)
    process.look(0.0)
    process.act(0.1)
    assert process.candidate.leads(1.5)
    assert not process.candidate.leads(1.61)


def test_pace_follows_the_heartbeat_within_bounds() -> None:
    assert [pace_of(lease_s).duration_s for lease_s in (0.3, 0.75, 3.0, 60.0)] == [0.3, 0.5, 2.0, 2.0]


def test_faster_pace_binds_the_holder_from_the_first_write_that_carries_it() -> None:
    candidate = Candidate("a", pace_of(3.0))
    mine = LeaseView(holder="a", token="1", duration_s=2.0)
    candidate.sent(100.0)
    candidate.observe(mine, 100.0)
    candidate.succeeded(100.0)
    candidate.pace = pace_of(0.6)
    assert candidate.leads(100.9), "nobody can know of the new pace yet"
    candidate.sent(101.0)
    # The answer is lost, but the write may have been taken in: others may begin at 101.4.
    assert candidate.leads(101.29)
    assert not candidate.leads(101.31)


def test_slower_pace_gives_more_time_only_once_acknowledged() -> None:
    candidate = Candidate("a", pace_of(0.6))
    candidate.sent(100.0)
    candidate.observe(LeaseView(holder="a", token="1", duration_s=0.4), 100.0)
    candidate.succeeded(100.0)
    candidate.pace = pace_of(3.0)
    candidate.sent(100.1)
    assert not candidate.leads(100.31)
    candidate.succeeded(100.1)
    assert candidate.leads(101.5)

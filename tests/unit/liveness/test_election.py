"""Two candidates, one Lease: at most one of them leads at any moment, whatever the order of their steps."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.liveness import Candidate, ElectionStep, LeaseView


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
        self.candidate = Candidate(name, duration_s=2.0, renew_s=0.4, margin_s=0.5)
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

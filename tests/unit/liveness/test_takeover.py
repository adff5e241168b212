"""Who is counted when the DC wants to take over what a silent node ran."""

from __future__ import annotations

import pytest

from backstay.liveness import LeaseTracker, NodeLease, TakeoverJudge

L = 3.0


class Scene:
    """Nodes that renew when the test says so."""

    def __init__(self, members: int) -> None:
        self.names = [f"n{number}" for number in range(1, members + 1)]
        self.tracker = LeaseTracker(read_gap_s=10.0)
        self.judge = TakeoverJudge(self.tracker, epoch=2)
        self.serial = 0
        for now in (0.0, 1.0):
            self.renew(*self.names, now=now)

    def overdue(self) -> int:
        """The first node is silent, the others are not: the beat of the challenge."""
        self.renew(*self.names[1:], now=3.0)
        return self.look(3.6)

    def renew(self, *names: str, now: float, beat: int | None = 0, vouching_s: float = 0.0) -> None:
        for name in names:
            self.serial += 1
            self.tracker.observe(
                NodeLease(node=name, token=str(self.serial), beat=beat, vouching_s=vouching_s), now
            )
        self.tracker.read_succeeded(now)

    def look(self, now: float) -> int:
        self.judge.look(self.names, now)
        return self.judge.beat

    def may(self, node: str, now: float) -> bool:
        return self.judge.may_take(node, self.names, now)


def test_challenge_is_issued_once_when_a_node_is_overdue_and_not_before() -> None:
    scene = Scene(3)
    scene.renew("n2", "n3", now=3.0)
    assert scene.look(3.2) == 0
    beat = scene.look(3.26)
    assert beat == 2_000_001
    assert scene.look(3.9) == beat
    assert scene.judge.next_look(3.9) == pytest.approx(3.0 + L * 3 / 4)


def test_only_renewals_sent_after_the_challenge_are_counted() -> None:
    scene = Scene(3)
    scene.renew("n2", "n3", now=3.1)
    beat = scene.look(3.6)
    assert not scene.may("n1", 4.0)
    scene.renew("n2", now=4.0, beat=beat)
    assert not scene.may("n1", 4.0)
    scene.renew("n3", now=4.1, beat=beat)
    assert scene.may("n1", 4.1)


def test_marked_renewal_is_not_counted() -> None:
    scene = Scene(3)
    beat = scene.overdue()
    scene.renew("n2", now=3.7, beat=beat)
    scene.renew("n3", now=3.7, beat=beat, vouching_s=2.0)
    assert not scene.may("n1", 4.1)


def test_node_that_was_heard_since_must_be_challenged_anew() -> None:
    scene = Scene(3)
    first = scene.overdue()
    scene.renew("n2", "n3", now=3.7, beat=first)
    scene.renew("n1", now=3.8, beat=first)
    scene.renew("n2", "n3", now=6.0, beat=first)
    second = scene.look(6.4)
    assert second == first + 1
    assert not scene.may("n1", 6.9)


@pytest.mark.parametrize(("members", "needed"), [(2, 1), (3, 2), (4, 2), (5, 3)], ids=["2", "3", "4", "5"])
def test_a_quorum_is_needed_and_half_is_one_where_the_number_is_even(members: int, needed: int) -> None:
    scene = Scene(members)
    beat = scene.overdue()
    scene.renew(*scene.names[1:needed], now=3.7, beat=beat)
    assert not scene.may("n1", 3.7)
    scene.renew(scene.names[needed], now=3.8, beat=beat)
    assert scene.may("n1", 4.1)


def test_lone_node_is_never_taken_over_from() -> None:
    scene = Scene(1)
    scene.look(3.6)
    assert not scene.may("n1", 10.0)

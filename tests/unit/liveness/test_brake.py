"""The storm brake by itself: when it goes on, whom it spares, and what lifts it."""

from __future__ import annotations

import pytest

from backstay.liveness import Brake, StormBrake

LEASE_S = 3.0


def look(
    brake: StormBrake, *, members: int, lost: dict[str, float], overdue: dict[str, float] | None = None
) -> Brake:
    heard = members - len(lost)
    quorum = 2 * heard > members or (members % 2 == 0 and 2 * heard == members)
    return brake.look(lost=lost, overdue=overdue or {}, members=members, quorum=quorum, window_s=LEASE_S)


def silent(*at: float) -> dict[str, float]:
    return {f"n{number}": moment for number, moment in enumerate(at, start=1)}


@pytest.mark.parametrize(
    ("members", "lost", "engaged"),
    [(1, 1, False), (2, 1, False), (2, 2, True), (3, 1, False), (3, 2, True), (4, 2, False), (4, 3, True), (5, 2, False), (5, 3, True)],
)  # fmt: skip
def test_brake_goes_on_when_more_than_half_of_the_nodes_are_lost_together(
    members: int, lost: int, engaged: bool
) -> None:
    found = look(StormBrake(), members=members, lost=silent(*[10.0] * lost))
    assert found.engaged is engaged
    assert len(found.nodes) == (lost if engaged else 0)


def test_nodes_lost_one_after_the_other_are_no_storm() -> None:
    assert look(StormBrake(), members=3, lost=silent(10.0, 13.5)) == Brake()


def test_first_of_a_storm_is_spared_while_the_second_is_only_overdue() -> None:
    found = look(StormBrake(), members=3, lost={"n1": 10.0}, overdue={"n2": 10.6})
    assert found == Brake(("n1",), engaged=False)


def test_overdue_node_spares_nobody_who_was_lost_long_before() -> None:
    assert look(StormBrake(), members=3, lost={"n1": 10.0}, overdue={"n2": 20.0}) == Brake()


def test_brake_spares_also_whom_the_storm_found_lost_already() -> None:
    found = look(StormBrake(), members=5, lost=silent(1.0, 20.0, 20.5, 21.0))
    assert found == Brake(("n1", "n2", "n3", "n4"), engaged=True)


def test_brake_stays_on_after_its_window_until_a_quorum_is_heard() -> None:
    brake = StormBrake()
    assert look(brake, members=3, lost=silent(10.0, 10.5)).engaged
    assert look(brake, members=3, lost={"n1": 10.0, "n2": 60.0}).engaged
    assert not look(brake, members=3, lost={"n1": 10.0}).engaged


def test_brake_is_lifted_when_enough_of_the_lost_are_accounted_for_though_no_quorum_is_heard() -> None:
    brake = StormBrake()
    assert look(brake, members=5, lost=silent(10.0, 10.1, 10.2)).engaged
    found = brake.look(lost=silent(10.0, 10.1), overdue={}, members=5, quorum=False, window_s=LEASE_S)
    assert found == Brake()

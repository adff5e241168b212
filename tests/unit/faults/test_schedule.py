"""What a seed says."""

from __future__ import annotations

from faults.schedule import COPIES, ONLY_AT, Kind, schedule


def test_the_same_seed_gives_the_same_faults_and_a_longer_run_only_more() -> None:
    assert list(schedule(7, 200))[:8] == list(schedule(7, 8))
    assert list(schedule(7, 50)) != list(schedule(8, 50))


def test_every_kind_is_tried_before_one_is_tried_much_oftener() -> None:
    deck = len(Kind) + sum(copies - 1 for copies in COPIES.values())
    found = [fault.kind for fault in schedule(3, deck, Kind)]
    assert {kind: found.count(kind) for kind in Kind} == {kind: COPIES.get(kind, 1) for kind in Kind}


def test_what_a_resource_suffers_happens_where_it_runs() -> None:
    faults = list(schedule(1, 200))
    assert all(fault.victim is ONLY_AT.get(fault.kind, fault.victim) for fault in faults)
    assert all(0 < fault.hold_s <= 10.0 for fault in faults)

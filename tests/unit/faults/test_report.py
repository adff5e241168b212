"""From outcomes to figures."""

from __future__ import annotations

from faults.peers import Blow, Result, figures
from faults.peers import table as peers_table
from faults.report import by_kind, table
from faults.run import Outcome
from faults.schedule import Fault, Kind, Victim


def outcome(number: int, page_s: float, whole_s: float, kind: Kind = Kind.POWER_CUT) -> Outcome:
    return Outcome(Fault(number, kind, Victim.GROUP, 1.0), "n1", {"page": page_s, "address": 0.0}, whole_s)


def test_each_kind_that_was_tried_has_its_median_and_its_worst() -> None:
    kinds = by_kind(
        [outcome(1, 3.0, 4.0), outcome(2, 2.0, 9.0), outcome(3, 7.0, 5.0), outcome(4, 0.0, 1.0, Kind.MOVE)]
    )
    assert list(kinds) == ["power cut", "resource moved"]
    assert kinds["power cut"]["page_away_s"] == {"median": 3.0, "worst": 7.0}
    assert "| power cut | 3 | 3.00 s | 7.00 s | 0.00 s | 0.00 s | 5.00 s | 9.00 s |" in table(kinds)


def test_what_a_peer_could_not_do_is_said_and_not_left_out() -> None:
    results = {"pacemaker": {Blow.CRASH.value: [Result(8.0, 0.0), Result(9.0, 1.5)]}}
    assert figures(results["pacemaker"]["crash"])["twice_runs"] == 1
    text = peers_table(results, runs=2)
    assert "| pacemaker, crash | 8.50 s | 9.00 s | 1 of 2 | 1.50 s |" in text
    assert "| pacemaker, freeze | not measured" in text

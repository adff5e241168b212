"""What the failover benchmark writes: for people, and for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.failover.measure import Sample, Series, Trial
from bench.failover.report import BEGIN, END, json_line, overview, write_generated


def series(contender: str, trial: Trial, *seconds: float, problem: str = "") -> Series:
    made = Series(contender, trial, problem=problem)
    made.samples.extend(Sample(one, "n1", 0.0, 0.0, one) for one in seconds)
    return made


MEASURED = [
    series("backstay-default", Trial.POWER_CUT, 2.0, 2.5, 3.0),
    series("backstay-default", Trial.DC_POWER_CUT, 2.7, 2.6, 2.8),
    series("keepalived-default", Trial.POWER_CUT, 3.3, 3.2),
    series("pacemaker-default", Trial.POWER_CUT, problem="it did not come up"),
]


def test_json_has_minimum_median_and_maximum_and_leaves_out_what_was_not_measured() -> None:
    found = json.loads(json_line(MEASURED))
    assert found["outage_s"] == {
        "backstay-default": {"min": 2.0, "median": 2.5, "max": 3.0},
        "backstay-default-dc": {"min": 2.6, "median": 2.7, "max": 2.8},
        "keepalived-default": {"min": 3.2, "median": 3.25, "max": 3.3},
    }


def test_overview_has_a_column_for_each_measured_contender_and_says_how_many_runs() -> None:
    lines = overview(MEASURED).splitlines()
    assert lines[0] == "| median of 2 to 3 runs | backstay-default | keepalived-default |"
    assert lines[2].endswith("| 2.50 s | 3.25 s |")
    assert lines[3].endswith("| 2.70 s | - |")


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_generated(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="lacks the marks"):
        write_generated(page, "new")

"""Durations and scores in Pacemaker's spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.api.quantities import duration_ms, duration_text, score_text, score_value


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("30s", 30_000),
        ("5min", 300_000),
        ("500ms", 500),
        ("1h", 3_600_000),
        (10, 10_000),
        ("10", 10_000),
        ("PT1M30S", 90_000),
        ("0", 0),
        ("1.5s", 1500),
    ],
)
def test_duration_is_read(text: str | int, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 fortnights", "P", "s"])
def test_bad_duration_names_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        duration_ms(text)


@given(st.integers(0, 10**9))
def test_duration_survives_its_own_spelling(ms: int) -> None:
    assert duration_ms(duration_text(ms)) == ms


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("INFINITY", 1_000_000),
        ("-INFINITY", -1_000_000),
        ("+INFINITY", 1_000_000),
        ("12", 12),
        (-7, -7),
        ("9999999", 1_000_000),
    ],
)
def test_score_is_read_and_clamped(text: str | int, value: int) -> None:
    assert score_value(text) == value


def test_infinity_is_spelled_out() -> None:
    assert [score_text(one) for one in (1_000_000, -1_000_000, 5)] == ["INFINITY", "-INFINITY", "5"]

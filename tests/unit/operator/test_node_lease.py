"""Leases as a captured agent would write them: nothing raises, nothing is out of bounds, nobody else is harmed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.api import GROUP
from backstay.liveness import LeaseTracker, WatchdogClaim
from backstay_operator.node_lease import LEASE_MAX_S, LEASE_MIN_S, PROMISE_MAX_MS, node_lease

NAMES = str.split(
    "boot-id incarnation lease-duration-ms agent sequence beat vouching-ms watchdog machine-id system-uuid"
)
ODD = [
    "",
    "²",
    "٣",
    "-1",
    "+1",
    "1e999",
    "NaN",
    "Infinity",
    "1_0",
    " 1",
    "1.5",
    "9" * 4400,
    "1" * 19,
    "\x00",
    "a\nb",
    "x" * 9000,
    "1/2/3",
]


def lease(said: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    annotations = {f"{GROUP}/{name}": value for name, value in (said or {}).items()}
    return {"metadata": {"name": "node-n1", "annotations": annotations}, "spec": spec}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_text_in_any_annotation_is_read_within_bounds(name: str, text: str) -> None:
    made = node_lease(lease({name: text}))
    assert LEASE_MIN_S <= made.duration_s <= LEASE_MAX_S
    assert 0 <= made.vouching_s <= PROMISE_MAX_MS / 1000
    assert len(made.token) < 500
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(made, 1.0)
    tracker.pulse("n1", 2.0)


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text() | st.from_regex(r"[0-9/.e+-]{0,30}")),
    st.floats() | st.integers() | st.text() | st.none(),
)
def test_no_lease_raises(said: dict[str, str], seconds: object) -> None:
    made = node_lease(lease(said, leaseDurationSeconds=seconds, renewTime=seconds))
    assert math.isfinite(made.duration_s)


@pytest.mark.parametrize("odd", [{}, {"metadata": None}, {"metadata": {"annotations": []}, "spec": 7}])
def test_object_of_another_shape_is_a_lease_that_says_nothing(odd: dict[str, Any]) -> None:
    assert node_lease(odd).boot_id == ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("400", 0.4), ("0", LEASE_MIN_S), ("999999999", LEASE_MAX_S), ("1e999", 7.0), ("²", 7.0)],
)
def test_duration_is_the_annotations_if_it_can_be_read_and_bounded(text: str, seconds: float) -> None:
    assert node_lease(lease({"lease-duration-ms": text}, leaseDurationSeconds=7)).duration_s == seconds


def test_promise_that_cannot_be_read_keeps_its_node_from_being_counted() -> None:
    assert node_lease(lease({"vouching-ms": "²"})).vouching_s > 0
    assert node_lease(lease({"vouching-ms": "9" * 5000})).vouching_s > 0
    assert node_lease(lease({})).vouching_s == 0


def test_watchdog_claim_is_two_numbers_or_none() -> None:
    assert node_lease(lease({"watchdog": "3000/5000"})).watchdog == WatchdogClaim(
        deadline_s=3.0, timeout_s=5.0
    )
    for text in ("", "/", "3000", "3000/", "/5", "²/5", "a/b", "9" * 4400 + "/1"):
        assert node_lease(lease({"watchdog": text})).watchdog is None

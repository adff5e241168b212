"""Ages of Leases by the observer's own clock."""

from __future__ import annotations

import pytest

from backstay.liveness import LeaseTracker, NodeLease, Pulse


def lease(token: str, *, node: str = "n1", duration_s: float = 3.0) -> NodeLease:
    return NodeLease(node=node, token=token, boot_id="b1", duration_s=duration_s)


def watched(tracker: LeaseTracker, *, until: float, step: float = 0.5, start: float = 0.0) -> None:
    """Lists that succeed at a steady rate."""
    now = start
    while now <= until:
        tracker.read_succeeded(now, sent_at=now)
        now += step


def test_lease_seen_once_is_waiting_and_not_fresh() -> None:
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(lease("a"), 0.0)
    assert tracker.pulse("n1", 0.5) is Pulse.WAITING


def test_renewal_makes_it_fresh_for_one_duration() -> None:
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(lease("a"), 0.0)
    assert tracker.observe(lease("b"), 1.0)
    assert tracker.pulse("n1", 3.9) is Pulse.FRESH


def test_expiry_counts_only_when_the_api_was_heard_after_it() -> None:
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.read_succeeded(0.0)
    tracker.observe(lease("a"), 0.0)
    assert tracker.pulse("n1", 3.5) is Pulse.WAITING
    assert tracker.needs_read(3.5)


def test_event_of_a_watch_after_the_expiry_proves_nothing() -> None:
    """The event may be old, and a renewal of this very Lease may be behind it in the stream."""
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(lease("a"), 0.0)
    watched(tracker, until=2.5)
    tracker.read_succeeded(3.2)
    assert tracker.pulse("n1", 3.3) is Pulse.WAITING
    assert tracker.needs_read(3.3)
    tracker.read_succeeded(3.5, sent_at=3.4)
    assert tracker.pulse("n1", 3.5) is Pulse.EXPIRED
    assert not tracker.needs_read(3.5)


def test_silent_node_expires_while_the_api_is_heard() -> None:
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(lease("a"), 0.0)
    watched(tracker, until=3.0)
    assert tracker.pulse("n1", 3.1) is Pulse.EXPIRED


def test_gap_in_our_own_reads_starts_every_age_anew() -> None:
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(lease("a"), 0.0)
    tracker.observe(lease("b"), 0.5)
    tracker.read_succeeded(0.5)
    assert tracker.read_succeeded(60.0), "a minute without a read is a gap"
    assert tracker.pulse("n1", 60.1) is Pulse.WAITING
    assert tracker.age_s("n1", 61.0) == pytest.approx(1.0)


def test_answer_to_an_early_question_is_no_evidence_of_a_later_silence() -> None:
    tracker = LeaseTracker(read_gap_s=10.0)
    tracker.observe(lease("a"), 0.0)
    tracker.read_succeeded(3.2, sent_at=2.9)
    assert tracker.pulse("n1", 3.2) is Pulse.WAITING


def test_time_that_runs_backwards_is_refused() -> None:
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(lease("a"), 5.0)
    with pytest.raises(AssertionError, match="backwards"):
        tracker.pulse("n1", 4.0)


def test_next_expiry_is_that_of_the_oldest_fresh_lease() -> None:
    tracker = LeaseTracker(read_gap_s=1.0)
    tracker.observe(lease("a", node="n1"), 0.0)
    tracker.observe(lease("a", node="n2"), 1.0)
    assert tracker.next_expiry(1.0) == 3.0


def test_a_copy_knows_what_was_known_and_hears_nothing_more() -> None:
    heard, copy = LeaseTracker(read_gap_s=1.0), LeaseTracker(read_gap_s=9.0)
    heard.observe(lease("a"), 0.0)
    heard.read_succeeded(0.0)
    heard.observe(lease("b"), 0.5)
    copy.copy_from(heard)
    heard.observe(lease("c"), 2.0)
    heard.read_succeeded(2.0, sent_at=2.0)
    heard.forget("n2")
    assert copy.read_gap_s == 1.0
    assert copy.age_s("n1", 2.5) == 2.0
    assert copy.pulse("n1", 2.5) is Pulse.FRESH
    assert copy.needs_read(4.0)
    assert not heard.needs_read(4.0)
    copy.copy_from(heard)
    assert copy.age_s("n1", 4.0) == 2.0

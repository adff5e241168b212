"""When a lease runs out while its timings change, seen by its holder."""

from __future__ import annotations

import pytest

from backstay_nodeagent import events as ev
from backstay_nodeagent.keeper_logic import KeeperLogic, KeeperTimings
from backstay_nodeagent.lease_guard import LeaseGuard, LeaseState
from backstay_nodeagent.lease_term import LeaseTerm
from backstay_nodeagent.orders import Timings


def default_term() -> LeaseTerm:
    term = LeaseTerm(3.0, 1.0)
    term.renewed(100.0, 3.0)
    return term


def test_lease_runs_out_by_the_duration_of_its_last_renewal() -> None:
    term = default_term()
    assert (term.expires_at, term.stop_at) == (103.0, 102.0)


def test_shorter_lease_gives_its_first_renewal_time_to_be_sent() -> None:
    term = default_term()
    term.retime(0.5, 0.2, 100.9)
    assert term.stop_at == pytest.approx(101.2), (
        "not at once, though the last renewal is older than the new lease"
    )


def test_renewal_whose_answer_was_lost_may_have_shortened_the_lease() -> None:
    term = default_term()
    term.retime(0.5, 0.2, 100.9)
    # Sent at 101.0 and taken in, but never acknowledged: others may take over from 101.5 on.
    assert term.expires_at is not None
    assert term.expires_at <= 101.5


def test_longer_lease_holds_from_its_first_acknowledged_renewal() -> None:
    term = default_term()
    term.retime(30.0, 5.0, 101.0)
    assert (term.expires_at, term.stop_at) == (103.0, 102.0)
    term.renewed(101.5, 30.0)
    assert (term.expires_at, term.stop_at) == (131.5, 126.5)


def test_late_answer_to_a_renewal_sent_before_the_change_lifts_no_bound() -> None:
    term = default_term()
    term.retime(0.5, 0.2, 101.0)
    term.retime(3.0, 1.0, 101.1)
    term.renewed(100.9, 3.0)
    assert term.expires_at == pytest.approx(101.5)
    term.renewed(101.2, 3.0)
    assert term.expires_at == pytest.approx(104.2)


def test_term_taken_over_from_a_predecessor_counts_the_shorter_duration() -> None:
    term = LeaseTerm(0.5, 0.2)
    term.renewed(100.0, 3.0)
    assert term.expires_at == pytest.approx(100.5)


def test_guard_and_keeper_stay_good_while_a_cluster_turns_to_the_fast_profile() -> None:
    guard, keeper = LeaseGuard(), KeeperLogic(100.0, KeeperTimings())
    guard.renewed(ev.Renewal(100.0, 3.0))
    keeper.renewed(100.0, 3.0)
    assert guard.judge(100.1) is LeaseState.GOOD
    guard.timings = Timings(renew_interval_s=0.1, lease_duration_s=0.5, stop_margin_s=0.2)
    keeper.retime(KeeperTimings(0.1, 0.5, 0.2), 100.9)
    assert guard.judge(100.9) is LeaseState.GOOD
    assert keeper.next_attempt_at == pytest.approx(101.0)
    guard.renewed(ev.Renewal(101.0, 0.5))
    assert guard.judge(101.25) is LeaseState.GOOD
    assert guard.judge(101.31) is LeaseState.CUT_OFF

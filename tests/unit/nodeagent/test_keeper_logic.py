"""When the keeper renews, waits, gives up, and releases."""

from __future__ import annotations

from backstay_nodeagent.keeper_logic import AGENT_AWAY_MAX_S, KeeperLogic, KeeperTimings


def renewed_at(now: float) -> KeeperLogic:
    logic = KeeperLogic(now, KeeperTimings())
    logic.renewed(now, 3.0)
    return logic


def test_next_renewal_is_an_interval_after_the_last_was_sent() -> None:
    assert renewed_at(100.0).next_attempt_at == 101.0


def test_two_tries_fit_between_renewal_and_stop() -> None:
    timings = KeeperTimings()
    logic = renewed_at(100.0)
    logic.failed(logic.next_attempt_at + timings.attempt_timeout_s, jitter=0.99)
    second = logic.next_attempt_at
    assert logic.stop_at is not None
    assert second < logic.stop_at


def test_retries_slow_down_to_half_an_interval_and_no_further() -> None:
    logic = renewed_at(100.0)
    pauses = []
    for _ in range(10):
        logic.failed(200.0, jitter=1.0)
        pauses.append(round(logic.next_attempt_at - 200.0, 3))
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert set(pauses[3:]) == {0.5}


def test_agent_that_pings_does_its_own_release() -> None:
    logic = renewed_at(100.0)
    logic.agent_heard(110.0)
    assert not logic.must_release(110.1)


def test_silent_agent_is_stood_in_for_from_the_deadline_on() -> None:
    logic = renewed_at(100.0)
    assert not logic.must_release(101.9)
    assert logic.must_release(102.0)


def test_broken_connection_is_absence_without_waiting_for_silence() -> None:
    logic = renewed_at(100.0)
    logic.agent_heard(102.0)
    assert not logic.must_release(102.1)
    logic.agent_gone(102.1)
    assert logic.must_release(102.1)


def test_release_happens_once_per_outage() -> None:
    logic = renewed_at(100.0)
    logic.released = True
    assert not logic.must_release(110.0)
    logic.renewed(120.0, 3.0)
    assert logic.must_release(122.5)


def test_node_whose_agent_stays_away_is_given_up() -> None:
    logic = renewed_at(100.0)
    assert logic.renews(100.0 + AGENT_AWAY_MAX_S - 0.1)
    assert not logic.renews(100.0 + AGENT_AWAY_MAX_S)
    logic.agent_heard(200.0)
    assert logic.renews(200.0)


def test_older_renewal_that_is_answered_late_sets_nothing_back() -> None:
    logic = renewed_at(100.0)
    logic.renewed(99.0, 30.0)
    assert logic.term.expires_at == 103.0


def test_keeper_that_was_frozen_gives_the_agent_a_moment_to_be_heard_before_it_releases_in_its_stead() -> (
    None
):
    logic = KeeperLogic(100.0, KeeperTimings())
    logic.renewed(100.0, 3.0)
    logic.agent_heard(100.2)
    logic.turned(100.2)
    logic.turned(104.0)
    assert not logic.must_release(104.0)
    for turn in (104.1, 104.2, 104.3, 104.4):
        logic.turned(turn)
    assert logic.must_release(104.4)


def test_keeper_that_was_frozen_waits_for_no_agent_that_was_gone_before() -> None:
    logic = KeeperLogic(100.0, KeeperTimings())
    logic.renewed(100.0, 3.0)
    logic.agent_gone(100.1)
    logic.turned(100.2)
    logic.turned(104.0)
    assert logic.must_release(104.0)


def test_keeper_waits_for_another_agent_until_its_lease_ran_out_and_all_is_released() -> None:
    logic = renewed_at(100.0)
    logic.agent_gone(100.0)
    assert logic.is_needed(100.0 + AGENT_AWAY_MAX_S - 2, dismissed=False)
    assert logic.is_needed(100.0 + AGENT_AWAY_MAX_S + 5, dismissed=False), "it must see to the release first"
    logic.released = True
    assert logic.is_needed(100.0 + AGENT_AWAY_MAX_S - 2, dismissed=False)
    assert not logic.is_needed(100.0 + AGENT_AWAY_MAX_S + 5, dismissed=False)


def test_keeper_of_a_node_that_is_let_go_is_needed_as_long_as_its_agent_is_there() -> None:
    logic = renewed_at(100.0)
    logic.agent_heard(130.0)
    assert logic.is_needed(130.5, dismissed=True)
    logic.agent_gone(130.6)
    assert not logic.is_needed(130.6, dismissed=True)


def test_keeper_that_never_held_a_lease_is_not_needed_once_its_agent_stays_away() -> None:
    logic = KeeperLogic(100.0, KeeperTimings())
    assert logic.is_needed(100.0 + AGENT_AWAY_MAX_S - 1, dismissed=False)
    assert not logic.is_needed(100.0 + AGENT_AWAY_MAX_S + 1, dismissed=False)

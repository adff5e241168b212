"""Recurring monitors, failures, and the orders that concern them."""

from __future__ import annotations

from backstay_nodeagent.operation import Operation
from unit.nodeagent.brain_driver import Driver, order


class Health:
    """What monitors find; everything else succeeds."""

    def __init__(self) -> None:
        self.rc = 0
        self.seconds = 0.1

    def __call__(self, operation: Operation) -> tuple[float, int]:
        return (self.seconds, self.rc) if operation.order.verb.value == "monitor" else (0.1, 0)


def monitored(health: Health) -> Driver:
    driver = Driver(script=health).online()
    driver.plan(order("1-1-1", "start"), order("1-1-2", "monitor", interval_ms=10_000, after=("1-1-1",)))
    driver.run(1.0)
    return driver


def monitors(driver: Driver) -> int:
    return driver.begun().count("monitor vip every 10000")


def test_monitor_repeats_at_its_interval() -> None:
    driver = monitored(Health())
    driver.run(35.0)
    assert monitors(driver) == 4


def test_unchanged_result_is_not_published_again() -> None:
    driver = monitored(Health())
    before = driver.brain.status_revision
    driver.run(60.0)
    assert monitors(driver) > 5
    assert driver.brain.status_revision == before


def test_failure_is_counted_and_published_at_once() -> None:
    health = Health()
    driver = monitored(health)
    before = driver.brain.status_revision
    health.rc = 7
    driver.run(10.0)
    assert driver.brain.status_revision > before
    (failure,) = driver.status["failures"]
    assert (failure["operation"], failure["intervalMs"], failure["count"], failure["rc"]) == (
        "monitor",
        10_000,
        1,
        7,
    )


def test_failure_that_goes_on_is_one_failure_until_it_recovers() -> None:
    health = Health()
    driver = monitored(health)
    health.rc = 7
    driver.run(30.0)
    assert driver.status["failures"][0]["count"] == 1
    health.rc = 0
    driver.run(10.0)
    health.rc = 7
    driver.run(10.0)
    assert driver.status["failures"][0]["count"] == 2


def test_failure_that_goes_on_after_a_cleanup_is_counted_anew() -> None:
    health = Health()
    driver = monitored(health)
    health.rc = 7
    driver.run(10.0)
    driver.plan(order("1-2-1", "cleanup"))
    assert driver.status["failures"] == []
    driver.run(10.0)
    assert driver.status["failures"][0]["count"] == 1


def test_cleanup_of_one_operation_leaves_the_others() -> None:
    driver = Driver(script=lambda _op: (0.1, 1)).online()
    driver.plan(order("1-1-1", "start"), order("1-1-2", "promote"))
    driver.run(1.0)
    driver.plan(order("1-2-1", "cleanup", cleanup_operation="start"))
    assert [one["operation"] for one in driver.status["failures"]] == ["promote"]


def test_degraded_resource_is_no_failure() -> None:
    health = Health()
    driver = monitored(health)
    health.rc = 190
    driver.run(10.0)
    assert driver.status["failures"] == []
    assert next(one for one in driver.status["history"] if one["intervalMs"])["rc"] == 190


def test_stop_ends_the_monitor_in_flight_and_then_stops() -> None:
    health = Health()
    driver = monitored(health)
    health.seconds = 15.0
    driver.run(10.0)
    assert "monitor vip every 10000" in [
        f"monitor {flight[1].order.resource} every {flight[1].order.interval_ms}"
        for flight in driver.flights.values()
    ]
    driver.plan(order("1-2-1", "stop"))
    driver.run(0.5)
    killed = driver.story.index("killed monitor vip every 10000")
    assert killed < driver.story.index("begins stop vip")
    assert driver.results == {"1-2-1": "Done"}
    driver.run(60.0)
    assert driver.begun()[-1] == "stop vip", "no monitor runs after the stop"
    assert not [one for one in driver.status["history"] if one["intervalMs"]]
    assert driver.status["failures"] == []


def test_demote_ends_monitors_too() -> None:
    driver = monitored(Health())
    driver.plan(order("1-2-1", "demote"))
    driver.run(30.0)
    assert driver.begun()[-1] == "demote vip"


def test_cancel_ends_one_interval_and_keeps_the_other() -> None:
    driver = monitored(Health())
    driver.plan(order("1-2-1", "monitor", interval_ms=7_000))
    driver.run(1.0)
    driver.plan(order("1-3-1", "cancel", interval_ms=10_000))
    before = monitors(driver)
    driver.run(30.0)
    assert monitors(driver) == before
    assert driver.begun().count("monitor vip every 7000") == 5


def test_forget_drops_history_failures_and_monitors() -> None:
    health = Health()
    driver = monitored(health)
    health.rc = 1
    driver.run(10.0)
    driver.plan(order("1-2-1", "forget"))
    driver.run(30.0)
    assert driver.results == {"1-2-1": "Done"}
    assert driver.status["history"] == []
    assert driver.status["failures"] == []
    assert not [key for key in driver.journal if key.startswith(("history", "failure", "recurring"))]


def test_forgotten_resource_that_may_be_active_is_still_known_to_the_release() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start", requires="quorum"))
    driver.run(1.0)
    driver.plan(order("1-2-1", "forget"))
    driver.run(5.0, renewing=False)
    assert driver.begun()[-1] == "stop vip"


def test_monitor_ordered_anew_replaces_the_old_one() -> None:
    driver = monitored(Health())
    driver.plan(order("1-2-1", "monitor", interval_ms=10_000, params={"ip": "10.0.0.4"}, digest="new"))
    driver.run(0.5)
    (record,) = [one for one in driver.status["history"] if one["intervalMs"]]
    assert (record["digest"], record["actionId"]) == ("new", "1-2-1")
    before = monitors(driver)
    driver.run(10.0)
    assert monitors(driver) == before + 1


def test_busy_node_still_gets_round_to_every_monitor() -> None:
    driver = Driver(slots=1).online()
    driver.plan(*(order(f"1-1-{n}", "monitor", f"r{n}", interval_ms=2_000) for n in range(6)))
    driver.run(30.0)
    counts = [driver.begun().count(f"monitor r{n} every 2000") for n in range(6)]
    assert min(counts) >= 10

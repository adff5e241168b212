"""The agent while it lives by the promises of peers: what runs goes on, nothing new begins, and it stops in time when they lapse."""

from __future__ import annotations

from backstay_nodeagent import events as ev
from unit.nodeagent.brain_driver import Driver, order


def running() -> Driver:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start", requires="quorum", stop_timeout_ms=20_000))
    driver.run(1.0)
    return driver


def stops(driver: Driver) -> list[str]:
    return [line for line in driver.begun() if line.startswith("stop")]


def test_what_requires_quorum_goes_on_while_promises_hold() -> None:
    driver = running()
    driver.run(1.9, renewing=False)
    driver.post(ev.Vouched(driver.now + 4.0))
    driver.run(2.9, renewing=False)
    assert stops(driver) == []
    assert "tells cut off, and going on by the promises of peers" in driver.story


def test_it_stops_a_margin_before_the_promises_end() -> None:
    driver = running()
    driver.run(1.5, renewing=False)
    driver.post(ev.Vouched(driver.now + 4.0))
    driver.run(2.95, renewing=False)
    assert stops(driver) == []
    driver.run(0.2, renewing=False)
    assert stops(driver) == ["stop vip"]


def test_promises_that_are_withdrawn_end_it_at_once() -> None:
    driver = running()
    driver.run(1.5, renewing=False)
    driver.post(ev.Vouched(driver.now + 4.0))
    driver.run(1.5, renewing=False)
    driver.post(ev.Vouched(None))
    assert stops(driver) == ["stop vip"]


def test_promises_that_come_too_late_bring_nothing_back() -> None:
    driver = running()
    driver.run(2.2, renewing=False)
    assert stops(driver) == ["stop vip"]
    driver.post(ev.Vouched(driver.now + 100.0))
    driver.run(3.0, renewing=False)
    assert driver.status["released"]


def test_nothing_new_begins_until_the_plan_was_read_after_a_renewal() -> None:
    driver = running()
    driver.run(1.5, renewing=False)
    driver.post(ev.Vouched(driver.now + 10.0))
    driver.run(1.5, renewing=False)
    reads = driver.reads
    driver.plan(order("1-1-1", "start", requires="quorum"), order("1-2-1", "start", "web"), fresh=False)
    assert "start web" not in driver.begun()
    driver.renew()
    assert driver.reads == reads + 1
    driver.plan(order("1-1-1", "start", requires="quorum"), order("1-2-1", "start", "web"))
    assert "start web" in driver.begun()
    assert stops(driver) == []


def test_restarted_agent_goes_on_by_what_the_keeper_wrote_down() -> None:
    driver = running()
    driver.run(1.5, renewing=False)
    sent_at = driver.now - 2.0
    driver.now += 3.0
    again = driver.restart()
    renewal = ev.Renewal(sent_at, 3.0)
    again.post(
        ev.Recovered(
            journal=dict(driver.journal), epochs={}, last_renewal=renewal, kept_until=again.now + 3.0
        )
    )
    again.run(1.5, renewing=False)
    assert stops(again) == []


def test_orders_hand_peers_and_challenge_to_the_keeper_once() -> None:
    from backstay_nodeagent import commands as do
    from backstay_nodeagent.orders import Orders, VouchOrders

    driver = Driver().online()
    wanted = VouchOrders(cluster="c", peers=(("n2", "10.0.0.2", "ab" * 32),), port=7406)

    def told(generation: int, beat: int) -> list[do.Command]:
        orders = Orders(uid="u1", generation=generation, cluster="c", epoch=1, beat=beat, vouching=wanted)
        commands = driver.brain.step(ev.OrdersSeen(orders, driver.now), driver.instant)
        return [one for one in commands if isinstance(one, do.SetBeat | do.SetVouching)]

    assert told(50, 0) == [do.SetVouching(wanted)]
    assert told(51, 7) == [do.SetBeat(7)]
    assert told(52, 7) == []

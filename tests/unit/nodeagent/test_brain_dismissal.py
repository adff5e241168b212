"""A node that is let go tells its keeper; one without a plan guards nothing, unless something runs there."""

from __future__ import annotations

from dataclasses import replace

from backstay_nodeagent import events as ev
from backstay_nodeagent.orders import Orders, WatchdogOrders
from unit.nodeagent.brain_driver import BOOT, Driver, order

DOG = WatchdogOrders(device="/dev/watchdog", deadline_s=3.0, timeout_s=5.0)


def guarded() -> Driver:
    """Online, its watchdog armed."""
    driver = Driver().online()
    driver.see(orders(driver))
    assert driver.watchdog == DOG
    return driver


def orders(driver: Driver) -> Orders:
    driver.generation += 1
    return Orders(uid="u1", generation=driver.generation, cluster="c", epoch=1, boot_id=BOOT, watchdog=DOG)


def test_plan_that_lets_the_node_go_is_handed_to_the_keeper_and_so_is_its_end() -> None:
    driver = guarded()
    assert not driver.dismissed
    driver.see(replace(orders(driver), watchdog=None, dismissed=True))
    assert (driver.watchdog, driver.dismissed) == (None, True)
    driver.see(orders(driver))
    assert (driver.watchdog, driver.dismissed) == (DOG, False)


def test_plan_of_a_superseded_dc_lets_nobody_go() -> None:
    driver = guarded()
    driver.plan(epoch=2)
    driver.see(orders(driver))
    before = driver.watchdog
    driver.see(replace(orders(driver), watchdog=None, dismissed=True))
    assert (driver.watchdog, driver.dismissed) == (before, False)


def test_node_that_has_lost_its_plan_guards_nothing_any_more() -> None:
    driver = guarded()
    driver.post(ev.OrdersGone(driver.now))
    assert (driver.watchdog, driver.dismissed) == (None, True)
    driver.see(orders(driver))
    assert (driver.watchdog, driver.dismissed) == (DOG, False)


def test_node_that_has_lost_its_plan_guards_what_runs_there() -> None:
    driver = guarded()
    driver.see(replace(orders(driver), actions=(order("1-1-1", "start"),)))
    driver.run(1)
    driver.post(ev.OrdersGone(driver.now))
    assert (driver.watchdog, driver.dismissed) == (DOG, False)

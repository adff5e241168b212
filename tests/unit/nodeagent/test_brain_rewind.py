"""An API that went back in time, as an agent sees it: it obeys nobody until a DC comes whose epoch is above all that it knows."""

from __future__ import annotations

from typing import Any

from backstay_nodeagent import events as ev
from backstay_nodeagent.orders import Orders
from unit.nodeagent.brain_driver import BOOT, Driver, order


def orders(generation: int, *actions: Any, epoch: int = 1, term: str = "dc-a", uid: str = "u1") -> Orders:
    return Orders(
        uid=uid, generation=generation, cluster="c", epoch=epoch, term=term, boot_id=BOOT, actions=actions
    )


def agent() -> Driver:
    driver = Driver().boot()
    driver.renew()
    driver.see(orders(5, order("1-1-1", "start", "vip")))
    driver.run(1.0)
    assert driver.begun() == ["start vip"]
    return driver


def test_read_of_an_older_generation_voids_what_waits_and_demands_a_newer_epoch() -> None:
    driver = agent()
    driver.see(
        orders(
            6,
            order("1-1-2", "start", "a", after=("1-1-3",)),
            order("1-1-3", "start", "b", start_delay_ms=5000),
        )
    )
    driver.run(0.5)
    driver.see(orders(4, order("1-1-9", "stop", "vip")))
    driver.run(8.0)
    assert driver.begun() == ["start vip"]
    assert driver.status["requiredEpoch"] == 2
    assert driver.results == {"1-1-9": "Refused"}


def test_event_of_a_watch_may_be_old_and_is_no_past() -> None:
    driver = agent()
    driver.run(0.5)
    driver.see(orders(4, order("1-1-9", "stop", "vip")), fresh=False)
    driver.run(1.0)
    assert driver.status["requiredEpoch"] == 0
    assert driver.begun() == ["start vip"]


def test_dc_of_a_higher_epoch_is_obeyed_again_whatever_the_generation() -> None:
    driver = agent()
    driver.run(0.5)
    driver.see(orders(4))
    driver.run(0.5)
    driver.see(orders(5, order("3-1-1", "stop", "vip"), epoch=3, term="dc-b"))
    driver.run(1.0)
    assert driver.begun() == ["start vip", "stop vip"]
    assert driver.status["requiredEpoch"] == 0
    assert driver.status["observedEpoch"] == 3


def test_second_dc_with_the_same_epoch_is_refused_and_its_order_ids_are_not_taken_for_done() -> None:
    driver = agent()
    driver.run(0.5)
    driver.see(orders(7, order("1-1-1", "start", "vip"), order("1-1-2", "stop", "vip"), term="dc-b"))
    driver.run(1.0)
    assert driver.begun() == ["start vip"]
    assert driver.status["requiredEpoch"] == 2
    assert driver.results["1-1-2"] == "Refused"


def test_second_dc_with_the_same_epoch_is_refused_by_an_agent_that_was_restarted_meanwhile() -> None:
    before = agent()
    driver = before.restart().boot(renewal=ev.Renewal(before.now, 3.0))
    driver.renew()
    driver.see(orders(2, order("1-1-2", "stop", "vip"), term="dc-b"))
    driver.run(1.0)
    assert "stop vip" not in driver.begun()
    assert driver.status["requiredEpoch"] == 2


def test_dc_that_does_not_say_who_it_is_is_obeyed_as_before() -> None:
    driver = agent()
    driver.see(orders(6, order("1-1-2", "stop", "vip"), term=""))
    driver.run(1.0)
    assert driver.begun() == ["start vip", "stop vip"]


def test_demand_outlives_a_restart_of_the_agent() -> None:
    before = agent()
    before.run(0.5)
    before.see(orders(4))
    driver = before.restart().boot(renewal=ev.Renewal(before.now, 3.0))
    driver.renew()
    driver.see(orders(9, order("1-1-2", "stop", "vip")))
    driver.run(1.0)
    assert "stop vip" not in driver.begun()
    assert driver.status["requiredEpoch"] == 2

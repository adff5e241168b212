"""A DC whose API went back in time: what it refuses, and whom it counts."""

from __future__ import annotations

from backstay.coordinator import Coordinator
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, power_switch, resource
from unit.coordinator.test_vouching import model


def rewound(made: ModelCluster) -> None:
    """As the operator does it: ages begin anew, a new term begins."""
    made.tracker.begin_anew(made.now)
    made.epoch += 1
    made.dc = Coordinator(
        cluster="c", epoch=made.epoch, number=0, tracker=made.tracker, homes={}, term="b", rewound=True
    )


def trio() -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster())
    made.add(power_switch(), resource("db"))
    made.run(6)
    return made


def test_requests_that_stand_in_the_past_are_not_carried_out_again() -> None:
    made = trio()
    home = made.where("db")
    made.request_node("n2", {"id": "dead", "type": "confirm"})
    made.request_node("n3", {"id": "off", "type": "fence"})
    rewound(made)
    made.run(10)
    assert made.fence_log == []
    assert made.where("db") == home
    assert [one.state for name in ("n2", "n3") for one in made.node_acks(name)] == ["Refused", "Refused"]


def test_request_made_after_the_past_is_carried_out() -> None:
    made = trio()
    rewound(made)
    made.run(10)
    made.request_node("n3", {"id": "again", "type": "fence"})
    made.run(5)
    assert made.fence_log[0].endswith("reboot n3")


def test_nothing_moves_and_nobody_is_fenced_because_the_api_went_back() -> None:
    made = trio()
    seen = len(made.log)
    rewound(made)
    made.run(20)
    assert made.actions(since=seen) == []
    assert sum(line.startswith("The API's history went back") for line in made.story) == 1


def test_node_that_demands_a_newer_epoch_has_not_answered() -> None:
    made = trio()
    plan = made.nodes["n2"].plan
    assert plan is not None
    made.new_dc()
    plan.status.required_epoch = made.epoch + 1
    made.run(3)
    assert made.orders is not None
    assert not made.orders.picture.membership.nodes["n2"].usable


def test_administrator_cannot_confirm_a_node_dead_that_was_not_watched_for_a_lease() -> None:
    made = trio()
    made.tracker.begin_anew(made.now)
    made.cut("n2")
    made.request_node("n2", {"id": "dead", "type": "confirm"})
    made.run(1)
    assert [one.state for one in made.node_acks("n2")] == ["Refused"]


def test_renewal_of_a_node_that_obeys_another_dc_is_no_answer_to_this_ones_challenge() -> None:
    made = model("n1", "n2", "n3")
    (home,) = made.where("ip")
    others = [name for name in made.nodes if name != home]
    made.crash(home)
    made.run(2.9)
    assert made.dc is not None
    judge = made.dc._members.judge
    judge.obeyed_by = frozenset()
    assert not judge.may_take(home, others, made.now)
    judge.obeyed_by = frozenset(others)
    assert judge.may_take(home, others, made.now)

"""What makes the DC act has one of few causes, whatever its sentence says."""

from __future__ import annotations

from backstay.coordinator.fingerprint import Fingerprint
from backstay.coordinator.trigger import Cause, Trigger
from backstay.liveness.nodes import NodeCondition

LOST = Trigger(Cause.NODE_LOST, "node n1 lost")
ONLINE, UNCLEAN = NodeCondition.ONLINE, NodeCondition.UNCLEAN


def test_an_aborted_transition_hands_its_cause_on() -> None:
    again = LOST.after_abort(3)
    assert str(again) == "transition 3 was aborted: node n1 lost"
    assert again.cause is Cause.NODE_LOST
    assert again.from_within


def test_a_request_is_the_cause_unless_a_node_came_or_went() -> None:
    edited = Trigger(Cause.CONFIGURATION, "HAResource default/request-log was changed")
    assert edited.with_requests("move-1") == Trigger(
        Cause.REQUEST, "HAResource default/request-log was changed; request move-1"
    )
    assert LOST.with_requests("move-1") == Trigger(Cause.NODE_LOST, "node n1 lost; request move-1")
    asked = Trigger(Cause.REQUEST, "standby of node n1 requested")
    assert asked.with_requests("move-1") == asked


def test_a_lost_node_comes_before_what_was_edited_meanwhile() -> None:
    before = Fingerprint(nodes={"n1": (ONLINE, "b", False)}, configuration={"HAResource a": ("u", 1)})
    after = Fingerprint(nodes={"n1": (UNCLEAN, "b", False)}, configuration={"HAResource a": ("u", 2)})
    assert after.surprise_since(before) == LOST
    assert before.surprise_since(before) is None


def test_a_new_dc_tells_a_loss_that_it_finds_from_a_first_look() -> None:
    lost = Fingerprint(nodes={"n1": (UNCLEAN, "b", False)}).difference(None)
    first = Fingerprint(nodes={"n1": (ONLINE, "b", False)}).difference(None)
    assert lost is not None
    assert first is not None
    assert (lost.cause, first.cause) == (Cause.NODE_LOST, Cause.NEWS)


def test_what_a_person_asks_for_is_told_from_what_comes_of_it() -> None:
    """Seed 996 of the simulation: a refresh did one step and waited half a minute, braked for what had failed long before."""
    asked = Trigger(Cause.REQUEST, "cleanup of vip")
    assert asked.from_people
    assert not asked.after_abort(3).from_people
    assert not LOST.from_people

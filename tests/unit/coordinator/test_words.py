"""Status lines have words for everything that the scheduler gives as a reason."""

from __future__ import annotations

from backstay.coordinator import StoryItem, Tale, with_why
from backstay.explain import short_reason
from backstay.scheduler import Contribution, Reason


def test_move_is_told_with_the_reason_for_the_place() -> None:
    moved = StoryItem(tale=Tale.MOVED, message="Moved n1 -> n2: node n1 lost", facts={"resource": "vip"})
    why = {"vip": "n2 with score 50: prefers n2 50"}
    assert with_why(moved, why).message == "Moved n1 -> n2: node n1 lost (n2 with score 50: prefers n2 50)"
    assert with_why(moved, {}).message == moved.message
    lost = StoryItem(tale=Tale.NODE_LOST, message="Node n1 lost", facts={"node": "n1"})
    assert with_why(lost, why) == lost


def test_every_reason_of_the_scheduler_has_words() -> None:
    assert all(short_reason(Contribution("A", "n1", reason, "x", 1)) for reason in Reason)


def test_a_group_is_called_a_group() -> None:
    link = Contribution("B", "n1", Reason.COLOCATION, "#group-members", -1_000_000)
    assert short_reason(link) == "it is kept with its group"

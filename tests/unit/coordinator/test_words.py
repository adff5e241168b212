"""Status lines have words for everything that the scheduler gives as a reason."""

from __future__ import annotations

from backstay.explain import short_reason
from backstay.scheduler import Contribution, Reason


def test_every_reason_of_the_scheduler_has_words() -> None:
    assert all(short_reason(Contribution("A", "n1", reason, "x", 1)) for reason in Reason)


def test_a_group_is_called_a_group() -> None:
    link = Contribution("B", "n1", Reason.COLOCATION, "#group-members", -1_000_000)
    assert short_reason(link) == "it is kept with its group"

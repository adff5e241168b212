"""Words for people."""

from __future__ import annotations

from backstay.coordinator.words import _REASONS
from backstay.scheduler import Reason


def test_every_reason_of_the_scheduler_has_words() -> None:
    assert [reason for reason in Reason if reason not in _REASONS] == []

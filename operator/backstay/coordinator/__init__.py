"""The DC's loop, pure: judge, drive, schedule, one step at a time. `backstay_operator` wires it to the world."""

from backstay.coordinator.coordinator import Coordinator
from backstay.coordinator.fencings import Fenced
from backstay.coordinator.guards import LetIn
from backstay.coordinator.leaving import Leaver
from backstay.coordinator.quarantine import Quarantine
from backstay.coordinator.run import Run
from backstay.coordinator.spared import brake_words
from backstay.coordinator.step import Finished, Orders, Picture, View
from backstay.coordinator.story import StoryItem, Tale, with_why
from backstay.coordinator.trial import error_of_trial
from backstay.coordinator.words import placed_nodes, reason_lines, summary_lines

__all__ = [
    "Coordinator",
    "Fenced",
    "Finished",
    "Leaver",
    "LetIn",
    "Orders",
    "Picture",
    "Quarantine",
    "Run",
    "StoryItem",
    "Tale",
    "View",
    "brake_words",
    "error_of_trial",
    "placed_nodes",
    "reason_lines",
    "summary_lines",
    "with_why",
]

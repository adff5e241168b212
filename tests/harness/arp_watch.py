"""Who answers for an address, seen from the bridge: asks by ARP from the client host, and tells of every question with two answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from backstay_sandbox.listener import Listener


class ArpWatch(Listener):
    """Asks as long as the context lasts. `in_client` makes of an argv one that runs in the client's namespace."""

    def __init__(self, in_client: list[str], addresses: list[str]) -> None:
        self.twice: list[dict[str, Any]] = []
        """Questions that two cards answered."""
        self.asked = 0
        self.answered = 0
        program = str(Path(__file__).with_name("arp_questions.py"))
        super().__init__([*in_client, sys.executable, "-I", "-S", program, *addresses])

    def note(self, event: dict[str, Any]) -> None:
        """Of the program: how many questions so far, or one that was answered twice."""
        if "asked" in event:
            self.asked, self.answered = event["asked"], event["answered"]
        else:
            self.twice.append(event)

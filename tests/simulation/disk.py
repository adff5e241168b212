"""What a simulated host keeps its records on: well, full (its reserve takes records, and its journal says that nothing more may begin),
or broken (nothing can be written).

As `journal.Journal` does, what could not be written is not forgotten while the agent lives, and goes with the next write.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.host import Host


class DiskState(Enum):
    """How it takes writes."""

    WELL = "well"
    FULL = "full"
    BROKEN = "broken"


@dataclass
class HostDisk:
    """Of one host. A boot finds it well: the records are on a tmpfs."""

    host: Host
    state: DiskState = DiskState.WELL
    unwritten: dict[str, Any] = field(default_factory=dict)
    """By the agent that lives now."""

    @property
    def trouble(self) -> str:
        """Why nothing may begin that could be left out."""
        return "" if self.state is DiskState.WELL else os.strerror(errno.ENOSPC)

    def write(self, entries: Mapping[str, Any]) -> None:
        """Raises OSError."""
        self.unwritten.update(entries)
        self.check()
        journal = self.host.run.journal
        for key, value in self.unwritten.items():
            if value is None:
                journal.pop(key, None)
            else:
                journal[key] = json.dumps(value)
        self.unwritten.clear()

    def check(self) -> None:
        """Raises OSError while nothing can be written."""
        if self.state is DiskState.BROKEN:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def agent_ended(self) -> None:
        """What it alone knew is lost."""
        if self.unwritten:
            self.host.world.checkers.memory_lost(self.host)
        self.unwritten.clear()

"""Which machine a node's Lease is renewed by: its machine-id and its system UUID (design note 0015). Pure.

A node's name is no proof of its identity: a second machine can register under the name of one that is cut off. Only a reboot of the
very same machine proves that what ran in its former boot has ended. Cloned images share a machine-id, so the pair is compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_WELL_FORMED = re.compile(r"[0-9a-z]([0-9a-z-]{0,62}[0-9a-z])?")
_PLACEHOLDERS = frozenset(
    {
        "uninitialized",  # machine-id(5): an image that has not booted yet
        "03000200-0400-0500-0006-000700080009",  # an SMBIOS default that many boards share
        "not-settable",
        "none",
    }
)


class SameMachine(Enum):
    """Whether two boots were of one machine."""

    YES = "yes"
    NO = "no"
    """All values are known, and some differ."""
    UNKNOWN = "unknown"
    """A value is missing."""


@dataclass(frozen=True, slots=True)
class MachineIdentity:
    """An empty value is one that is not known."""

    machine_id: str = ""
    system_uuid: str = ""

    @property
    def complete(self) -> bool:
        return bool(self.machine_id and self.system_uuid)

    @property
    def missing(self) -> str:
        """The names of the values that are not known."""
        names = {"machine-id": self.machine_id, "system UUID": self.system_uuid}
        return " and ".join(name for name, value in names.items() if not value)

    def compared_with(self, other: MachineIdentity) -> SameMachine:
        if not (self.complete and other.complete):
            return SameMachine.UNKNOWN
        return SameMachine.YES if self == other else SameMachine.NO


NO_IDENTITY = MachineIdentity()


def identity_value(text: str) -> str:
    """A machine-id or UUID as anybody may have written it; empty where it identifies no machine."""
    value = text.strip().lower().replace(" ", "-")
    if not _WELL_FORMED.fullmatch(value) or value in _PLACEHOLDERS:
        return ""
    return "" if set(value) <= {"0", "-"} or set(value) <= {"f", "-"} else value

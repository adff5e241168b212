"""Which replicas' Leases are of the dead: pure, time is an argument.

A replica deletes its own at a clean end. One that was killed cannot, and its successor has another name, so somebody else must; a crash
loop would fill the API with them. A Lease is judged by our own clock since we saw it change, never by the time that is written in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "operator-"
DEAD_AFTER_S = 120.0
"""Twelve renewals."""
AT_ONCE_MAX = 10
"""How many to remove in one round, so that a storm of crashes is not answered with a storm of deletions."""


@dataclass
class Presences:
    """What one replica has seen of the others."""

    own: str
    """The name of its own Lease, which it never takes for dead."""
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By name: its last version, and since when it has been that."""

    def dead(self, leases: Iterable[Mapping[str, Any]], now: float) -> list[tuple[str, str]]:
        """Name and version of those that nobody has renewed for DEAD_AFTER_S, at most AT_ONCE_MAX, the oldest first."""
        versions = {
            str(one["metadata"]["name"]): str(one["metadata"].get("resourceVersion", ""))
            for one in leases
            if str(one["metadata"]["name"]).startswith(PREFIX)
        }
        versions.pop(self.own, None)
        self._since = {
            name: self._since[name] if self._since.get(name, ("",))[0] == version else (version, now)
            for name, version in versions.items()
        }
        silent = sorted(
            (since, name, version)
            for name, (version, since) in self._since.items()
            if now - since >= DEAD_AFTER_S
        )
        return [(name, version) for _, name, version in silent[:AT_ONCE_MAX]]

"""What every cluster manager under measurement can do, so that one procedure measures them all."""

from __future__ import annotations

from typing import Protocol

VIP = "10.0.0.3"
GROUP_ADDRESS = "10.0.1.100"
GROUP_URL = "http://10.0.1.100/"


class Contender(Protocol):
    """One cluster manager with one profile.  Waits inside are bounded; BenchError says what did not come."""

    name: str

    def bring_up(self) -> None:
        """Start it on freshly booted hosts, with the VIP (or the group); returns when all is started and calm."""

    def join(self, node: str) -> None:
        """Start it on a host that was booted again; returns when the cluster is whole and calm."""

    def leave(self, node: str) -> None:
        """Ask for a planned move away from `node` (a standby, a clean stop); need not wait for it."""

    def come_back(self, node: str) -> None:
        """Undo `leave`; returns when the cluster is whole and calm."""

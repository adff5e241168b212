"""Disks of hosts that are full, or take no writes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simulation.disk import DiskState
from simulation.hand import Done, Hand

if TYPE_CHECKING:
    from simulation.host import Host


class DiskFaults(Hand):
    """On any host, for a while."""

    def do_fill_disk(self) -> Done | None:
        return self._spoil(DiskState.FULL, "full disk", self._seconds(1.0, 30.0))

    def do_break_disk(self) -> Done | None:
        return self._spoil(DiskState.BROKEN, "disk that takes no writes", self._seconds(0.5, 20.0))

    def _spoil(self, state: DiskState, what: str, seconds: float) -> Done | None:
        host = self._live()
        if host is None or host.disk_of_records.state is not DiskState.WELL:
            return None
        host.disk_of_records.state = state
        return f"{what} on {host.name}", seconds, partial(_mend, host)


def _mend(host: Host) -> None:
    host.disk_of_records.state = DiskState.WELL

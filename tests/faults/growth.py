"""Whether what must stay bounded does: memory and descriptors of the daemons, objects in the API.

Sampled after every fault, when the cluster is whole. Daemons die with their hosts and by the faults, so peaks of the first and the
second half of the run are compared, over all hosts: what leaks goes on rising with its oldest process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backstay_sandbox.layout import Layout
from faults.sight import proc_of_host
from harness.cluster_view import Volume
from harness.host_processes import DAEMONS, processes_of

VolumePart = Callable[[Volume], Mapping[str, int]]
SAMPLES_MIN = 20
"""Fewer say nothing about growth."""
FACTOR = 1.25
ROOM_MIB, ROOM_DESCRIPTORS, ROOM_OBJECTS, ROOM_BYTES = 16.0, 8, 20, 65_536
MIB_MAX, DESCRIPTORS_MAX = 400.0, 100
"""Of any daemon at any time, so that a short run can fail too."""
EXPIRING = "events"
"""An API server drops these after an hour; they are counted, not judged."""


@dataclass(frozen=True, slots=True)
class Use:
    """Of one process."""

    mib: float
    descriptors: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The highest of all hosts, by daemon; and what the API holds."""

    daemons: Mapping[str, Use]
    volume: Volume


def use_of(pid: int) -> Use | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    resident_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return Use(resident_kib / 1024, descriptors)


def sample(layout: Layout, volume: Volume) -> Sample:
    """As it is now."""
    found: dict[str, list[Use]] = {}
    for node in layout.nodes:
        proc = proc_of_host(layout, node)
        for pid, line in processes_of(int(proc.name)).items() if proc is not None else ():
            for daemon, pattern in DAEMONS.items():
                if pattern in line and (use := use_of(pid)) is not None:
                    found.setdefault(daemon, []).append(use)
    return Sample({daemon: highest(uses) for daemon, uses in found.items()}, volume)


def highest(uses: Iterable[Use]) -> Use:
    uses = list(uses)
    return Use(max(one.mib for one in uses), max(one.descriptors for one in uses))


@dataclass
class Growth:
    """Collects samples; :meth:`problems` judges them."""

    samples: list[Sample] = field(default_factory=list)

    def problems(self) -> list[str]:
        """What grew beyond bounds, in words."""
        found = [
            f"{daemon}: {use.mib:.0f} MiB and {use.descriptors} descriptors"
            for daemon, use in self._peaks(self.samples).items()
            if use.mib > MIB_MAX or use.descriptors > DESCRIPTORS_MAX
        ]
        if len(self.samples) < SAMPLES_MIN:
            return found
        early, late = self._halves()
        for daemon, use in self._peaks(late).items():
            before = self._peaks(early).get(daemon, use)
            if use.mib > before.mib * FACTOR + ROOM_MIB:
                found.append(f"{daemon}: memory from {before.mib:.0f} to {use.mib:.0f} MiB")
            if use.descriptors > before.descriptors * FACTOR + ROOM_DESCRIPTORS:
                found.append(f"{daemon}: descriptors from {before.descriptors} to {use.descriptors}")
        return found + self._volumes_that_grew(early, late)

    def summary(self) -> dict[str, object]:
        """Peaks of both halves: [first, second]."""
        early, late = self._halves()
        peaks, later = self._peaks(early), self._peaks(late)
        return {
            "mib": {
                name: [round(peaks[name].mib, 1), round(later[name].mib, 1)]
                for name in later
                if name in peaks
            },
            "descriptors": {
                name: [peaks[name].descriptors, later[name].descriptors] for name in later if name in peaks
            },
            "objects": {
                name: [before, after]
                for name, before, after in self._volume_peaks(early, late, lambda volume: volume.objects)
            },
            "bytes": {
                name: [before, after]
                for name, before, after in self._volume_peaks(early, late, lambda volume: volume.bytes)
            },
        }

    def _halves(self) -> tuple[list[Sample], list[Sample]]:
        middle = (len(self.samples) + 1) // 2
        return self.samples[:middle], self.samples[middle:]

    @staticmethod
    def _peaks(samples: Iterable[Sample]) -> dict[str, Use]:
        found: dict[str, list[Use]] = {}
        for one in samples:
            for daemon, use in one.daemons.items():
                found.setdefault(daemon, []).append(use)
        return {daemon: highest(uses) for daemon, uses in found.items()}

    def _volumes_that_grew(self, early: list[Sample], late: list[Sample]) -> list[str]:
        counts = self._volume_peaks(early, late, lambda volume: volume.objects)
        sizes = self._volume_peaks(early, late, lambda volume: volume.bytes)
        return [
            f"{name}: {unit} from {before} to {after}"
            for unit, room, rows in (("objects", ROOM_OBJECTS, counts), ("bytes", ROOM_BYTES, sizes))
            for name, before, after in rows
            if name != EXPIRING and after > before * FACTOR + room
        ]

    @staticmethod
    def _volume_peaks(
        early: list[Sample], late: list[Sample], part: VolumePart
    ) -> list[tuple[str, int, int]]:
        """Kind, and its highest value in each half."""
        names = sorted({name for one in (*early, *late) for name in part(one.volume)})
        return [
            (
                name,
                max((part(one.volume).get(name, 0) for one in early), default=0),
                max((part(one.volume).get(name, 0) for one in late), default=0),
            )
            for name in names
        ]

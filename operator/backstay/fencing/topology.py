"""Which devices fence a node, and in which order: levels, tried one after the other; of a level all devices must succeed.

"Pacemaker Explained", Fencing Topologies. Without a topology every able device is a level of its own, by priority (the higher first),
then name. Where entries of the topology match a node by name, those by pattern or label are not looked at, and so on down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backstay.api import FencingLevel
from backstay.fencing.settings import DeviceSettings
from backstay.state.pattern import PatternError, compiled


@dataclass(frozen=True, slots=True)
class Level:
    """`missing`: devices that the topology names and that are not there; such a level can't succeed."""

    number: int
    devices: tuple[DeviceSettings, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceMap:
    """All devices of a cluster and what they are there for, at one moment."""

    devices: tuple[DeviceSettings, ...] = ()
    topology: tuple[FencingLevel, ...] = ()
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of nodes, by name."""

    def levels(self, target: str) -> tuple[Level, ...]:
        """How to cut `target` off."""
        return levels_for(target, self.devices, labels=self.labels.get(target, {}), topology=self.topology)

    def doors(self, target: str) -> tuple[DeviceSettings, ...]:
        """The devices that have to let `target` in before it may do anything."""
        able = [
            one for one in self.devices if one.unfences and one.can_fence(target, self.labels.get(target, {}))
        ]
        return tuple(sorted(able, key=lambda one: one.name))

    def letting_in(self, target: str) -> tuple[Level, ...]:
        """For unfencing: all of these devices, or it has failed."""
        doors = self.doors(target)
        return (Level(1, doors),) if doors else ()


def levels_for(
    target: str,
    devices: Iterable[DeviceSettings],
    *,
    labels: Mapping[str, str],
    topology: Sequence[FencingLevel] = (),
) -> tuple[Level, ...]:
    """The levels for `target`, first to last; empty when nothing can fence it."""
    ordered = sorted(devices, key=lambda one: (-one.priority, one.name))
    entries = _matching(target, labels, topology)
    if entries:
        return _from_entries(entries, {one.name: one for one in ordered})
    able = [one for one in ordered if one.can_fence(target, labels)]
    levelled = [one for one in able if one.level is not None]
    if not levelled:
        return tuple(Level(number, (one,)) for number, one in enumerate(able, start=1))
    numbers = sorted({one.level for one in levelled if one.level is not None})
    return tuple(Level(number, tuple(one for one in levelled if one.level == number)) for number in numbers)


def _matching(target: str, labels: Mapping[str, str], topology: Sequence[FencingLevel]) -> list[FencingLevel]:
    by_name = [one for one in topology if target in one.nodes]
    by_pattern = [one for one in topology if one.node_pattern and _fits(one.node_pattern, target)]
    by_label = [
        one
        for one in topology
        if one.node_selector and all(labels.get(key) == value for key, value in one.node_selector.items())
    ]
    for_all = [one for one in topology if not (one.nodes or one.node_pattern or one.node_selector)]
    return by_name or by_pattern or by_label or for_all


def _fits(pattern: str, target: str) -> bool:
    """A pattern that is no regular expression fits nothing; verification tells."""
    try:
        return compiled(pattern).fullmatch(target) is not None
    except PatternError:
        return False


def _from_entries(
    entries: Sequence[FencingLevel], devices: Mapping[str, DeviceSettings]
) -> tuple[Level, ...]:
    levels = []
    for number in sorted({one.level for one in entries}):
        names = list(dict.fromkeys(name for one in entries if one.level == number for name in one.devices))
        levels.append(
            Level(
                number,
                tuple(devices[name] for name in names if name in devices),
                tuple(name for name in names if name not in devices),
            )
        )
    return tuple(levels)

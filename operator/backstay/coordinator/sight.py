"""What the DC sees in the cluster's state, looked at anew only when the state, or time by itself, has changed it.

A DC steps at least once a second, and with every plan that changes. Nearly always nothing of what the scheduler reads has: then the
situation of the step before still stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

from backstay.coordinator.placement_tracker import Places, places_of
from backstay.coordinator.story import active_map
from backstay.scheduler.horizon import stands_until
from backstay.scheduler.observe import observe
from backstay.scheduler.situation import Situation
from backstay.state.cluster import ClusterState

_READ = tuple(one.name for one in fields(ClusterState) if one.name != "now")


class Sight:
    """One per DC term. Situations that it gives are looked at, never scheduled."""

    def __init__(self) -> None:
        self._situation: Situation | None = None
        self._active: Mapping[str, tuple[str, ...]] = {}
        self.places: Mapping[str, Places] = {}
        """Where everything runs, as `places_of` says."""
        self._until = 0.0
        self.looks = 0

    def look(self, state: ClusterState) -> tuple[Situation, Mapping[str, tuple[str, ...]]]:
        """The situation, and where everything is active (as `active_map`)."""
        seen = self._situation
        if seen is not None and seen.state.now <= state.now < self._until and is_same(seen.state, state):
            return replace(seen, state=state), self._active
        self.looks += 1
        self._situation, ledger = observe(state)
        self._until = stands_until(self._situation, ledger)
        self._active = active_map(self._situation)
        self.places = places_of(self._situation)
        return self._situation, self._active


def is_same(one: ClusterState, other: ClusterState) -> bool:
    """Whether two states differ in their time at most."""
    for name in _READ:
        left, right = getattr(one, name), getattr(other, name)
        if left is not right and left != right:
            return False
    return True

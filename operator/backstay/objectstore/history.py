"""The recent changes of one collection: a bounded ring that watches read from.

Watches hold a position in the ring, not a queue of their own, so a thousand slow readers cost no memory: one that
falls behind the ring's tail is told its resourceVersion expired. Assumes changes arrive in resourceVersion order.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from backstay.objectstore.document import JsonObject


class EventType(StrEnum):
    """The type of a watch event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write, in stored form. `previous` is None for a create."""

    version: int
    type: EventType
    document: JsonObject
    previous: JsonObject | None


class History:
    """The last `limit` changes. `dropped_version` is the newest resourceVersion no longer in the ring."""

    def __init__(self, *, limit: int, since: int) -> None:
        assert limit > 0, "a history without room would expire every watch at once"
        self._ring: deque[Change] = deque()
        self._limit = limit
        self.dropped_version = since
        self.first = 0
        """Position of the oldest change still held; positions never repeat."""

    @property
    def end(self) -> int:
        """Position of the next change to come."""
        return self.first + len(self._ring)

    def append(self, change: Change) -> None:
        assert not self._ring or change.version > self._ring[-1].version, "changes must come in order"
        self._ring.append(change)
        if len(self._ring) > self._limit:
            self.dropped_version = self._ring.popleft().version
            self.first += 1

    def at(self, position: int) -> Change:
        return self._ring[position - self.first]

    def position_after(self, version: int) -> int:
        """The position of the first change newer than `version`, which must not have been dropped."""
        assert version >= self.dropped_version, "the caller must have refused an expired version"
        position = self.end
        # A reader comes back soon or never: looking from the new end finds its place in a few steps.
        while position > self.first and self.at(position - 1).version > version:
            position -= 1
        return position

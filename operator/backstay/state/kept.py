"""Values that are made again only when what they are made of is another: what makes a quiet cluster cost next to nothing.

Assumes that what a value is made of is never changed in place, only replaced; parts are compared by identity, which is all that a
comparison of a hundred thousand records can cost.
"""

from collections.abc import Callable
from operator import is_
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """One value, and the parts that it was made of."""

    __slots__ = ("_parts", "_values")

    def __init__(self) -> None:
        self._parts: tuple[object, ...] = ()
        self._values: list[T] = []

    @property
    def last(self) -> T | None:
        """The value, whatever it is made of; None if there is none yet."""
        return self._values[0] if self._values else None

    def of(self, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """The value made of these parts: the one that is kept, if it was made of the very same."""
        if not self._values or len(parts) != len(self._parts) or not all(map(is_, parts, self._parts)):
            self._values = [make()]
            self._parts = parts
        return self._values[0]


class Same(Generic[T]):
    """Of values that say the same the one that came first: so they are the very same to a `Kept`."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: list[T] = []

    def of(self, value: T) -> T:
        """The value, or the one before if that is equal."""
        if not self._values or self._values[0] != value:
            self._values = [value]
        return self._values[0]

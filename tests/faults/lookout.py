"""Looks at every host many times a second, as long as its context lasts, and has the checkers judge what it sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Set
from types import TracebackType

from faults.checkers import Checkers, Violation
from faults.sight import Sight

EVERY_S = 0.03
END_TIMEOUT_S = 10.0

Eye = Callable[[], dict[str, Sight]]


class Lookout:
    """``frozen`` and ``holes`` are the injector's own sets, read at each look."""

    def __init__(
        self,
        eye: Eye,
        *,
        frozen: Set[str] = frozenset(),
        holes: Set[str] = frozenset(),
        checkers: Checkers | None = None,
    ) -> None:
        self.checkers = checkers or Checkers()
        self._eye = eye
        self._frozen = frozen
        self._holes = holes
        self._sights: Mapping[str, Sight] = {}
        self._end = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Lookout:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(END_TIMEOUT_S)

    def sights(self) -> Mapping[str, Sight]:
        """Of the last look."""
        return self._sights

    def violations(self) -> list[Violation]:
        """So far. Raises what ended the lookout, if something did: blind checkers find nothing."""
        if self._failure is not None:
            raise self._failure
        return list(self.checkers.violations)

    def _watch(self) -> None:
        try:
            while not self._end.is_set():
                # Before and after: the fault may come, or be undone, while we look.
                frozen, holes = frozenset(self._frozen), frozenset(self._holes)
                self._sights = self._eye()
                self.checkers.see(
                    self._sights,
                    now=time.monotonic(),
                    frozen=frozen | frozenset(self._frozen),
                    holes=holes | frozenset(self._holes),
                )
                self._end.wait(EVERY_S)
        except Exception as error:  # noqa: BLE001 (outermost of its thread; told by `violations`)
            self._failure = error

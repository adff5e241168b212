"""The journal of this boot: a small store of JSON values by key, written before what it tells of happens.

Appended line by line, rewritten when most lines are outdated. It lies on a tmpfs (it need not outlive the boot, and parameters
are in it), readable by root only. A line that was cut off by a crash ends the file; anything else that can't be read is a
defect or a foreign file, and the journal says so and starts empty.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

log = logging.getLogger(__name__)
REWRITE_FACTOR = 4
REWRITE_LINES_MIN = 512


class Journal:
    """One writer at a time (the agent's lock sees to that). Open, read `entries`, then `write`."""

    def __init__(self, path: Path, *, boot_id: str) -> None:
        self._path = path
        self._head = json.dumps({"boot": boot_id}) + "\n"
        self.entries: dict[str, Any] = {}
        self._lines = 0
        self._file: IO[bytes] | None = None
        self._read()
        self._rewrite()

    def write(self, entries: Mapping[str, Any]) -> None:
        """Make the entries last, None removes one; returns when the kernel has them. Raises OSError when it can't."""
        for key, value in entries.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        assert self._file is not None
        self._file.write("".join(_line(key, value) for key, value in entries.items()).encode())
        self._lines += len(entries)
        if self._lines > max(REWRITE_LINES_MIN, REWRITE_FACTOR * len(self.entries)):
            self._rewrite()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _read(self) -> None:
        try:
            text = self._path.read_text(errors="replace")
        except FileNotFoundError:
            return
        if not text.startswith(self._head):
            log.warning("journal is of another boot: starting an empty one")
            return
        for line in text[len(self._head) :].splitlines():
            try:
                key, value = json.loads(line)
            except ValueError:
                log.warning("journal ends in a line that was cut off")
                return
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value

    def _rewrite(self) -> None:
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        file = os.fdopen(descriptor, "ab", buffering=0)
        file.write((self._head + "".join(_line(key, value) for key, value in self.entries.items())).encode())
        os.replace(fresh, self._path)
        self.close()
        self._file = file
        self._lines = len(self.entries) + 1


def _line(key: str, value: Any) -> str:
    return json.dumps([key, value], separators=(",", ":")) + "\n"

"""The journal of this boot: a small store of JSON values by key, written before what it tells of happens.

It is appended batch by batch (`journal_lines`) and rewritten when it is full of what is outdated. It lies on a tmpfs (it need not
outlive the boot, and parameters are in it), readable by root only; the kernel has what was written, so a crash of the agent loses
nothing and there is no need of fsync.

On a full disk it goes on. The file, and a spare for the next rewrite, are allocated in full, several times as large as what they hold;
when they can't grow any more the journal says so (`trouble`) while there is still room for HEADROOM bytes, which are for the ends of
operations and for stops. What could not be written is not forgotten: it stands in `entries`, and goes with the next write that works.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backstay_nodeagent.durable_file import BLOCK, Write, allocate, exchange, read_back, write_all
from backstay_nodeagent.journal_lines import batch_of, head_of, line_of, parse

log = logging.getLogger(__name__)
AREA_MIN = 64 * 1024
HEADROOM = 24 * 1024
"""Bytes that must be left, without growing, for an operation to begin that need not."""
GROWTH = 4
"""The file is so many times as large as what it holds."""


class Journal:
    """One writer at a time (the agent's lock sees to that). Open, read `entries`, then `write`.

    Raises OSError when there is a file of this boot that can't be read: what runs here would not be known."""

    def __init__(self, path: Path, *, boot_id: str, write: Write = os.pwrite) -> None:
        self._path = path
        self._spare = path.with_name(f".{path.name}.spare")
        self._write = write
        self._boot_id = boot_id
        self.entries: dict[str, Any] = {}
        self.damaged = False
        """Something that had been written could not be read again."""
        self._lines: dict[str, bytes] = {}
        self._live = 0
        self._unwritten: dict[str, None] = {}
        self._error = ""
        self._fd: int | None = None
        self._end = self._room = self._spare_room = 0
        self._number = 0
        self._read()
        self.try_again()

    @property
    def trouble(self) -> str:
        """Why nothing may begin that could be left out; empty: nothing is wrong."""
        if self._error:
            return self._error
        return "" if self._headroom >= HEADROOM else os.strerror(errno.ENOSPC)

    def write(self, entries: Mapping[str, Any]) -> None:
        """Make the entries last, None removes one; returns when the kernel has them. Raises OSError when it can't."""
        for key, value in entries.items():
            self._put(key, value)
            self._unwritten[key] = None
        try:
            self._store()
        except OSError as error:
            self._error = error.strerror or str(error)
            raise
        self._error = ""
        if self._headroom < HEADROOM:
            self.try_again()

    def try_again(self) -> None:
        """Write what is still unwritten, and make room if there is little. What fails stands in `trouble`."""
        try:
            if self._unwritten or self._fd is None or self._headroom < HEADROOM:
                self._rewrite()
        except OSError as error:
            if self._unwritten or self._fd is None:
                self._error = error.strerror or str(error)
        else:
            self._error = ""

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    # -- inside

    @property
    def _headroom(self) -> int:
        return min(self._room, self._spare_room) - self._live - len(head_of(self._boot_id))

    def _put(self, key: str, value: Any) -> None:
        self._live -= len(self._lines.pop(key, b""))
        if value is None:
            self.entries.pop(key, None)
        else:
            self.entries[key] = value
            self._lines[key] = line_of(key, value)
            self._live += len(self._lines[key])

    def _store(self) -> None:
        lines = b"".join(self._lines.get(key) or line_of(key, None) for key in self._unwritten)
        batch = batch_of(lines, self._number + 1)
        if self._fd is None or self._end + len(batch) > self._room:
            self._rewrite()
            return
        try:
            write_all(self._fd, batch, self._end, write=self._write)
        except OSError:
            # Perhaps it is this file alone (a bad block): the other one may do.
            self._rewrite()
            return
        self._end += len(batch)
        self._number += 1
        self._unwritten.clear()

    def _read(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        size = os.fstat(descriptor).st_size
        data = read_back(descriptor, size)
        if len(data) != size:
            os.close(descriptor)
            raise OSError(errno.EIO, f"{self._path} can't be read to its end")
        found = parse(data, boot_id=self._boot_id)
        if found is None:
            log.warning("journal is of another boot: starting an empty one")
            os.close(descriptor)
            return
        for key, value in found.entries.items():
            self._put(key, value)
        self.damaged = found.damaged
        if found.damaged:
            log.error(
                "journal is damaged: what can be read of it counts",
                extra={"fields": {"file": str(self._path)}},
            )
        if found.old_form:
            os.close(descriptor)
            return
        self._fd, self._room, self._end, self._number = descriptor, size, found.end, found.number

    def _rewrite(self) -> None:
        """What holds, and nothing else, into the spare; then that is the journal. Raises OSError; the journal is then what it was."""
        head = head_of(self._boot_id)
        image = head + batch_of(b"", 0) + batch_of(b"".join(self._lines.values()), 1)
        fresh = os.open(self._spare, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            room = self._grow(fresh, len(image), least=len(image))
            image_and_rest = image + b"\0" * (room - len(image))
            write_all(fresh, image_and_rest, 0, write=self._write)
            if read_back(fresh, room) != image_and_rest:
                raise OSError(errno.EIO, "the journal does not read as it was written")
            exchange(self._spare, self._path)
        except OSError:
            os.close(fresh)
            raise
        self.close()
        self._fd, self._room, self._end, self._number = fresh, room, len(image), 1
        self._unwritten.clear()
        self._spare_room = self._reserve(len(image))

    def _grow(self, descriptor: int, size: int, *, least: int) -> int:
        """To the room that `size` bytes should have, or the best that can be had. Raises OSError if that is less than `least`."""
        for wanted in (max(AREA_MIN, GROWTH * size, size + 2 * HEADROOM), size + 2 * HEADROOM, size):
            try:
                allocate(descriptor, -(-wanted // BLOCK) * BLOCK)
            except OSError as error:
                failure = error
            else:
                return os.fstat(descriptor).st_size
        if os.fstat(descriptor).st_size < least:
            raise failure
        return os.fstat(descriptor).st_size

    def _reserve(self, size: int) -> int:
        """Allocate the file of the next rewrite; returns how large it is."""
        try:
            descriptor = os.open(self._spare, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return 0
        try:
            return self._grow(descriptor, size, least=0)
        finally:
            os.close(descriptor)

"""Small files that can be written on a full disk, and that are whole or not there. Standard library only; part of the keeper.

A file that safety rests on must be replaceable when its file system is full, and that is when it matters. So
each has a spare beside it, of the same size and with its blocks allocated: a write fills the spare, looks at
what it wrote, and exchanges the two names, which takes no space. Contents are padded with line ends to the size
of the blocks, which JSON and `str.split` pass over.

Where names cannot be exchanged (an old kernel, a network file system) the spare replaces the file, and another
one is made if it can be.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

PAD = b"\n"
BLOCK = 4096
READS_MAX = 5
AT_FDCWD, RENAME_EXCHANGE = -100, 2

Write = Callable[[int, bytes | memoryview, int], int]
"""As os.pwrite: descriptor, bytes, offset; returns how many it took."""


def write_all(fd: int, data: bytes, at: int, *, write: Write = os.pwrite) -> None:
    """All of it, however little the kernel takes at a time. Raises OSError."""
    left = memoryview(data)
    while left:
        taken = write(fd, left, at)
        if taken <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left, at = left[taken:], at + taken


def read_back(fd: int, size: int) -> bytes:
    """The first `size` bytes, or what there is of them."""
    parts, at = [], 0
    while at < size and (part := os.pread(fd, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def exchange(fresh: Path, path: Path) -> None:
    """Let the names change places, or `fresh` replace what cannot be exchanged. Raises OSError."""
    if not _exchanged(fresh, path):
        os.replace(fresh, path)


def _exchanged(fresh: Path, path: Path) -> bool:
    call = getattr(_LIBC, "renameat2", None)
    if call is None:
        return False
    names = os.fsencode(fresh), os.fsencode(path)
    return bool(call(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)


def allocate(fd: int, size: int) -> None:
    """Make the file so long, with blocks behind every byte. Raises OSError; the file is then as long as before."""
    if os.fstat(fd).st_size < size:
        os.posix_fallocate(fd, 0, size)


def read_whole(path: Path) -> str:
    """The text of a file that may be written meanwhile. Raises OSError.

    What was opened may have become the spare, and be written again, before it was read: then it is read anew."""
    for _ in range(READS_MAX):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            here = os.fstat(descriptor)
            data = read_back(descriptor, here.st_size)
        finally:
            os.close(descriptor)
        there = os.stat(path)
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            break
    return data.decode(errors="replace").rstrip("\n\0")


class DurableFile:
    """One file and its spare, mode 0600. One writer at a time. With `sync` a write holds after a power cut too."""

    def __init__(self, path: Path, *, sync: bool = False, write: Write = os.pwrite) -> None:
        self.path = path
        self.spare = path.with_name(f".{path.name}.spare")
        self._sync = sync
        self._write = write

    def write(self, text: str) -> None:
        """All of it or nothing. Raises OSError; the file then says what it said before."""
        data = text.encode()
        descriptor = os.open(self.spare, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = max(os.fstat(descriptor).st_size, -(-(len(data) + 1) // BLOCK) * BLOCK)
            data += PAD * (size - len(data))
            write_all(descriptor, data, 0, write=self._write)
            if read_back(descriptor, size) != data:
                raise OSError(errno.EIO, f"{self.spare.name} does not read as it was written")
            if self._sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        exchange(self.spare, self.path)
        if self._sync:
            sync_folder(self.path.parent)
        self._reserve(size)

    def read(self) -> str:
        """Raises OSError."""
        return read_whole(self.path)

    def _reserve(self, size: int) -> None:
        """Have a spare as large as the file for the next time; without one the next write may fail, and says so."""
        try:
            descriptor = os.open(self.spare, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            allocate(descriptor, size)
        except OSError:
            return
        finally:
            os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Names too are on the disk then. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_LIBC = ctypes.CDLL(None, use_errno=True)

"""A real file system of a few KiB to fill, and to make room on again. Needs root."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STEP = 4096


class SmallDisk:
    """A tmpfs at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Not a block is left."""
        with self._ballast.open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(b"x" * STEP)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def clear(self) -> None:
        """Somebody has tidied up."""
        self._ballast.unlink(missing_ok=True)

    @property
    def free(self) -> int:
        """Bytes."""
        state = os.statvfs(self.path)
        return state.f_bavail * state.f_bsize


@contextmanager
def small_disk(path: Path, *, size: int) -> Iterator[SmallDisk]:
    """Of `size` bytes, for as long as the context lasts."""
    path.mkdir(exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "backstay-test", str(path)], check=True
    )
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)

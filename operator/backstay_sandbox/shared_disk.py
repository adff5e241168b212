"""The disk that all hosts of a sandbox share: a loop device over a sparse file, with an xfs on it.

Every host sees it under one stable path (layout.SHARED_DISK_IN_HOST).  The file system holds one page, so that a
web server started on top has something to show.  Since all hosts share one kernel, a mount by two hosts at once
would go unnoticed here; only hosts with kernels of their own can show that damage.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.command import CommandError, run, run_now

SIZE_BYTES = 320 << 20  # mkfs.xfs refuses less than 300 MB
PAGE = """<!DOCTYPE html>
<html><head><title>Website-Testes</title></head>
<body><h1>Website-Testes</h1><p>Served from the shared disk.</p></body></html>
"""


@dataclass(frozen=True, slots=True)
class SharedDisk:
    """An attached disk."""

    image: Path
    device: str
    """As the machine sees it, such as /dev/loop3."""
    device_number: tuple[int, int]
    """Major, minor."""


async def attach(image: Path) -> SharedDisk:
    """Make the image, attach it, put the file system and the page on it."""
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    device = (await run("losetup", "--find", "--show", str(image))).strip()
    await run("mkfs.xfs", "-q", "-f", "-L", "app", device)
    await _write_page(device, image.parent)
    number = os.stat(device).st_rdev
    return SharedDisk(image=image, device=device, device_number=(os.major(number), os.minor(number)))


async def _write_page(device: str, work_dir: Path) -> None:
    point = tempfile.mkdtemp(prefix="mkfs-", dir=work_dir)
    # In a mount namespace of its own: no host booting at this moment may inherit the mount.
    script = 'mount -t xfs "$1" "$2" && mkdir "$2/html" && cat >"$2/html/index.html" && umount "$2"'
    await run("unshare", "--mount", "sh", "-c", script, "sh", device, point, stdin=PAGE)
    os.rmdir(point)


def detach(image: Path) -> None:
    """Give the loop device back, if there is one, and remove the image.  Nothing may have it mounted any more."""
    with contextlib.suppress(CommandError):
        for line in run_now(
            "losetup", "--noheadings", "--output", "NAME", "--associated", str(image)
        ).split():
            run_now("losetup", "--detach", line)
    image.unlink(missing_ok=True)

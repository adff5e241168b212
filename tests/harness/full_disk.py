"""A host of the sandbox whose disk is full: its tmpfs is made as small as what is on it, which costs no memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

PLACE = "/run"
ROOMY = "50%"
"""As the sandbox makes it."""
TIMEOUT_S = 20.0


class FullDiskError(RuntimeError):
    """The disk did not become full, or roomy again."""


def fill(pid1: int) -> None:
    """Leave the host of this process 1 not a block."""
    total, free, size = map(
        int, _on_host(pid1, "stat", "--file-system", "--format", "%b %f %S", PLACE).split()
    )
    _on_host(pid1, "mount", "-o", f"remount,size={(total - free) * size}", PLACE)


def clear(pid1: int) -> None:
    """Give it room again; nothing to do for a host that is off."""
    if Path(f"/proc/{pid1}").exists():
        _on_host(pid1, "mount", "-o", f"remount,size={ROOMY}", PLACE)


def _on_host(pid1: int, *words: str) -> str:
    done = subprocess.run(
        ["nsenter", "--target", str(pid1), "--mount", "--", *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise FullDiskError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout

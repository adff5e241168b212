"""Whether guests with kernels of their own can see this checkout: they take their programs from the machine's own tree."""

from __future__ import annotations

import sys
from pathlib import Path

COVERED = ("tmp", "run", "dev", "proc", "sys", "mnt")
"""Directories of the machine that a guest covers: a checkout in one of them is not there for it."""


def why_unseen(*places: Path) -> str:
    """Empty if guests can see all of these; else why not, and what to do. Without places: this checkout and its Python."""
    for place in places or (Path(__file__), Path(sys.prefix)):
        path = place.resolve()
        if path.parts[1] in COVERED:
            return (
                f"own-kernel hosts: guests have a /{path.parts[1]} of their own and cannot see {path}; "
                "use a checkout elsewhere"
            )
    return ""

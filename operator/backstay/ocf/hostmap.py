r"""Pacemaker's `NODE:VALUE` lists: `pcmk_host_map` and `pcmk_delay_base`.

Entries are separated by `;`, space, tab or line break. A colon or an equals sign separates node and
value. A backslash takes the character after it as it is: `n1:My\ VM\;1;n2:3,5` maps n1 to
`My VM;1`. Source: "Pacemaker Explained", Special Meta-Attributes for Fencing Resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PIECES = re.compile(r"\\(?P<escaped>.)|(?P<gap>[;\s]+)|(?P<mark>[:=])|(?P<plain>[^\\;\s:=]+|\\)", re.DOTALL)
_SPECIAL = re.compile(r"[\\;\s:=]")

ESCAPES = "in a name or value, write a backslash before a space and each of \\ ; : ="
"""The remedy that messages about an unreadable entry name."""


@dataclass(frozen=True, slots=True)
class HostMap:
    """The entries that can be read, in their order, and the text of those that cannot."""

    entries: tuple[tuple[str, str], ...]
    unreadable: tuple[str, ...]


def parse_host_map(text: str) -> HostMap:
    """Read a list. Of two entries for one node both are returned; the later one counts."""
    entries: list[tuple[str, str]] = []
    unreadable: list[str] = []
    parts, start = [""], 0

    def close(end: int) -> None:
        if len(parts) == 2 and all(parts):
            entries.append((parts[0], parts[1]))
        elif text[start:end]:
            unreadable.append(text[start:end])

    for piece in _PIECES.finditer(text):
        if piece["gap"]:
            close(piece.start())
            parts, start = [""], piece.end()
        elif piece["mark"]:
            parts.append("")
        else:
            parts[-1] += piece["escaped"] or piece["plain"]
    close(len(text))
    return HostMap(tuple(entries), tuple(unreadable))


def host_map_text(entries: Iterable[tuple[str, str]]) -> str:
    """The list that `parse_host_map` reads as these entries."""
    return ";".join(f"{_escaped(node)}:{_escaped(value)}" for node, value in entries)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)

"""The lines of a journal: what makes a batch of them whole, and what can still be read of a damaged one. Standard library only; the
keeper reads them too.

A journal begins with a line that names the boot. Then come batches: a line `[key, value]` for each entry (null removes it), and a
line `["#", {...}]` that closes the batch with its number, its size in bytes and their checksum. A batch counts when its last line is
right: what a short write or a crash left is passed over, and so is what an earlier, longer text has left behind it. A journal of a
version before this one has no such lines; each of its entries counts, up to the first that can't be read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CLOSE = "#"


@dataclass
class Contents:
    """What a journal says. `end` is where the last batch ends (bytes), `number` that of the batch; `damaged`: something that was
    written can't be read."""

    entries: dict[str, Any] = field(default_factory=dict)
    end: int = 0
    number: int = -1
    damaged: bool = False
    old_form: bool = False


def head_of(boot_id: str) -> bytes:
    return json.dumps({"boot": boot_id}).encode() + b"\n"


def line_of(key: str, value: Any) -> bytes:
    return json.dumps([key, value], separators=(",", ":")).encode() + b"\n"


def batch_of(lines: bytes, number: int) -> bytes:
    """Lines, closed as batch `number`."""
    close = {"number": number, "bytes": len(lines), "crc": zlib.crc32(lines)}
    return lines + line_of(CLOSE, close)


def parse(data: bytes, *, boot_id: str) -> Contents | None:
    """None for a journal of another boot, or none at all."""
    head = head_of(boot_id)
    if not data.startswith(head):
        return None
    return contents_of(data, len(head))


def contents_of(data: bytes, begin: int) -> Contents:
    """All that counts behind the head, which ends at `begin`."""
    found = Contents(end=begin)
    closes = list(_closes(data, begin))
    if not closes and b"[" in data[begin:]:
        return _old_form(data, begin)
    for at, after, said in closes:
        lines = data[max(begin, at - said["bytes"]) : at]
        if said["number"] <= found.number:
            continue
        if zlib.crc32(lines) != said["crc"]:
            found.damaged = True
            continue
        found.damaged |= said["number"] != found.number + 1
        found.number, found.end = said["number"], after
        for line in lines.splitlines():
            _apply(json.loads(line), found.entries)
    return found


def _closes(data: bytes, begin: int) -> Iterator[tuple[int, int, Mapping[str, int]]]:
    """Lines that close batches: where each begins and ends, and what it says."""
    mark = f'["{CLOSE}",'.encode()
    at = data.find(mark, begin)
    while at >= 0:
        after = data.find(b"\n", at) + 1
        if after > 0 and (at == begin or data[at - 1 : at] == b"\n"):
            said = _said(data[at:after])
            if said is not None:
                yield at, after, said
        at = data.find(mark, at + 1)


def _said(line: bytes) -> Mapping[str, int] | None:
    try:
        said = json.loads(line)[1]
        good = all(isinstance(said[name], int) for name in ("number", "bytes", "crc"))
    except (ValueError, LookupError, TypeError):
        return None
    return said if good and said["bytes"] >= 0 else None


def _old_form(data: bytes, begin: int) -> Contents:
    found = Contents(old_form=True)
    for line in data[begin:].split(b"\0", 1)[0].splitlines():
        try:
            pair = json.loads(line)
            _apply(pair, found.entries)
        except (ValueError, TypeError):
            found.damaged = True
            break
    return found


def _apply(pair: Any, entries: dict[str, Any]) -> None:
    key, value = pair
    if value is None:
        entries.pop(key, None)
    else:
        entries[key] = value

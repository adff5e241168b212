"""Reading a kernel's own tables: addresses, listeners, mounts, volumes.

As a program, inside a guest, it says what that kernel holds: one JSON object per line, every EVERY_S, for ever. Guests see no tests, so
they get the text of this file (``python -I -S -c TEXT``): standard library only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

HTTP_PORT, LISTEN = 80, "0A"
EVERY_S = 0.1
VOLUME = "app_vg-app_lv"
DEVICES = (f"/dev/mapper/{VOLUME}", "/dev/app_vg/app_lv")


def is_listening(table: str, port: int = HTTP_PORT) -> bool:
    """By a table of /proc/net/tcp's form."""
    ends = f":{port:04X}"
    rows = (line.split() for line in table.splitlines()[1:])
    return any(row[3] == LISTEN and row[1].endswith(ends) for row in rows if len(row) > 3)


def local_addresses(fib_trie: str) -> frozenset[str]:
    """The addresses that the kernel takes for its own: leaves marked /32 host LOCAL."""
    found, leaf = set(), ""
    for line in fib_trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found.add(leaf)
    return frozenset(found)


def is_mounted(mountinfo: str, devices: Iterable[str]) -> bool:
    """Whether one of the devices is, by a table of /proc/self/mountinfo's form."""
    wanted = set(devices)
    return any(wanted & set(line.partition(" - ")[2].split()[1:2]) for line in mountinfo.splitlines())


# -- in a guest


def look() -> dict[str, object]:
    """As `faults.sight.look_at`: what stands on something is read before and after that."""
    serves, addresses = listens(), local_addresses(read("/proc/net/fib_trie"))
    mounted = is_mounted(read("/proc/self/mountinfo"), DEVICES)
    active = any(read(str(name)).strip() == VOLUME for name in Path("/sys/block").glob("dm-*/dm/name"))
    mounted = mounted and is_mounted(read("/proc/self/mountinfo"), DEVICES)
    addresses &= local_addresses(read("/proc/net/fib_trie"))
    return {
        "serves": serves and listens(),
        "addresses": sorted(addresses),
        "mounted": mounted,
        "active": active,
    }


def listens() -> bool:
    return is_listening(read("/proc/net/tcp")) or is_listening(read("/proc/net/tcp6"))


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""  # a table that this kernel does not have, or a volume that is gone


if __name__ == "__main__":
    while True:
        print(json.dumps(look()), flush=True)
        time.sleep(EVERY_S)

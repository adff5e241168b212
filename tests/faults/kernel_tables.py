"""Reading a kernel's own tables: addresses, listeners, mounts, volumes. Standard library only, since guests run it too."""

from __future__ import annotations

from collections.abc import Iterable

HTTP_PORT, LISTEN = 80, "0A"


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

"""What a host holds, seen from outside it: the kernel's own tables, through /proc of the machine, never what anything reports.

One look at a namespace host is five short reads; it starts no process and asks nobody. Hosts with kernels of their own: `guest_sights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.layout import SHARED_DISK_IN_HOST, Layout
from backstay_sandbox.process_record import start_time_of
from faults.kernel_tables import is_listening, is_mounted, local_addresses


@dataclass(frozen=True, slots=True)
class Sight:
    """One host at one moment. What changed while it was looked at counts as absent, so no order is seen that never was."""

    serves: bool = False
    """Somebody listens on port 80."""
    addresses: frozenset[str] = frozenset()
    """Of its network cards."""
    mounted: bool = False
    """The file system on the shared disk."""
    active: bool = False
    """The shared volume group, where there is one."""


OFF = Sight()


def look(layout: Layout) -> dict[str, Sight]:
    """Every host; one that is off holds nothing."""
    return {node: look_at(layout, node) for node in layout.nodes}


def look_at(layout: Layout, node: str) -> Sight:
    """What stands on something is read before and after what it stands on."""
    proc = proc_of_host(layout, node)
    if proc is None:
        return OFF
    try:
        serves, addresses = listens(proc), local_addresses((proc / "net/fib_trie").read_text())
        mounted = is_mounted((proc / "mountinfo").read_text(), [SHARED_DISK_IN_HOST])
        addresses &= local_addresses((proc / "net/fib_trie").read_text())
        serves = serves and listens(proc)
    except OSError:
        return OFF  # it died while we looked
    return Sight(serves, addresses, mounted) if proc_of_host(layout, node) == proc else OFF


def proc_of_host(layout: Layout, node: str) -> Path | None:
    """Of the host's pid 1; None when it is off."""
    try:
        pid, started = (layout.processes_dir / node).read_text().split()
    except (OSError, ValueError):
        return None
    return Path(f"/proc/{pid}") if start_time_of(int(pid)) == started else None


def listens(proc: Path) -> bool:
    return any(is_listening((proc / "net" / table).read_text()) for table in ("tcp", "tcp6"))


def holders(sights: Mapping[str, Sight], address: str) -> list[str]:
    return [node for node, sight in sights.items() if address in sight.addresses]

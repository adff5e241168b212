"""What the sandbox tells a booting guest, as JSON: one directory per guest, mounted into it.

Standard library only, as everything that runs inside a guest before its daemons do.
"""

from __future__ import annotations

from backstay_sandbox.host_init import HostIdentity, ServiceConfig

PLACE_IN_GUEST = "/backstay-guest"
"""Where stage1.sh puts the directory; these are the files in it."""
CONFIG_FILE, MOUNTS_FILE, START_FILE = "config.json", "mounts", "start"

CLUSTER_CARD, MANAGEMENT_CARD = "vec0", "vec1"
"""As the kernel names them; the first becomes eth0."""
READY_LINE = "/dev/ttyS0"
"""What a guest writes there the sandbox reads: READY, or DONE and a task's exit status."""
READY, DONE = "ready", "done"
PRIVATE_DISK, SHARED_DISK = "/dev/ubda", "/dev/ubdb"


class GuestConfig(HostIdentity):
    """A guest's whole configuration."""

    addresses: list[str]
    """Of eth0, with prefix length; none where there is no such card."""
    management: str
    """Of the management card, with prefix length, or empty."""
    lvm_conf: str
    services: list[ServiceConfig]
    """Their logs are serial lines of the guest."""
    task: str
    """A shell script to run instead of being a host; the guest powers itself off after it.  Empty for a host."""

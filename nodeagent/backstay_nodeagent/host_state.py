"""What the agent keeps on its host beside the journal: the boot's identity, the highest epochs, the lock.

`state_dir` is on the host's disk and outlives a boot; `run_dir` is a tmpfs and does not. The kernel's own boot id is shared by all
hosts that are namespaces of one kernel, and survives their "reboot", so the boot's identity is a file in `run_dir`, valid only
together with the kernel's boot id (should `run_dir` not be a tmpfs).
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import uuid
from pathlib import Path

log = logging.getLogger(__name__)
KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id_of(run_dir: Path, boot_id_file: Path | None = None) -> str:
    """The id of this boot of this host: from `boot_id_file` where one is given, else made once and kept in `run_dir`."""
    if boot_id_file is not None:
        return boot_id_file.read_text().strip()
    kernel = KERNEL_BOOT_ID.read_text().strip()
    path = run_dir / "boot-id"
    try:
        known_kernel, known = path.read_text().split()
    except (FileNotFoundError, ValueError):
        known_kernel = known = ""
    if known_kernel == kernel:
        return known
    fresh = str(uuid.uuid4())
    write_atomically(path, f"{kernel} {fresh}\n")
    return fresh


def load_epochs(state_dir: Path) -> dict[str, int]:
    """The highest epoch seen, by cluster."""
    try:
        data = json.loads((state_dir / "epochs.json").read_text())
        return {str(cluster): int(epoch) for cluster, epoch in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        log.warning("the highest epochs on disk can't be read: %s", error)
        return {}


def store_epoch(state_dir: Path, cluster: str, epoch: int) -> None:
    """Put it on the disk, for good. Blocks as long as the disk does; raises OSError when it can't."""
    epochs = load_epochs(state_dir)
    epochs[cluster] = max(epoch, epochs.get(cluster, 0))
    write_atomically(state_dir / "epochs.json", json.dumps(epochs, sort_keys=True) + "\n", sync=True)


def write_atomically(path: Path, text: str, *, sync: bool = False) -> None:
    """All of it or nothing, mode 0600; with `sync` also after a power cut."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.replace(fresh, path)
    if sync:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class AgentLock:
    """One agent at a time per `run_dir`: two would run the same orders. Held until the process ends."""

    def __init__(self, run_dir: Path) -> None:
        self._descriptor = os.open(run_dir / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def taken(self) -> bool:
        """Try to take it; False while another process has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self._descriptor)

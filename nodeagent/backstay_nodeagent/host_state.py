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

from backstay_nodeagent.durable_file import DurableFile, read_whole

log = logging.getLogger(__name__)
KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id_of(run_dir: Path, boot_id_file: Path | None = None) -> str:
    """The id of this boot of this host: from `boot_id_file` where one is given, else made once and kept in `run_dir`."""
    if boot_id_file is not None:
        return boot_id_file.read_text().strip()
    kernel = KERNEL_BOOT_ID.read_text().strip()
    path = run_dir / "boot-id"
    try:
        known_kernel, known = read_whole(path).split()
    except (FileNotFoundError, ValueError):
        known_kernel = known = ""
    if known_kernel == kernel:
        return known
    fresh = str(uuid.uuid4())
    DurableFile(path, sync=True).write(f"{kernel} {fresh}")
    return fresh


class EpochFile:
    """The highest epochs, by cluster, in a file of the host's disk."""

    def __init__(self, state_dir: Path) -> None:
        self._file = DurableFile(state_dir / "epochs.json", sync=True)

    def load(self) -> dict[str, int]:
        """Empty where there is none, or none that can be read: what this boot has seen is in the journal, and plans are meant for
        one boot only."""
        try:
            return self._load()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning("the highest epochs on disk can't be read: %s", error)
            return {}

    def store(self, cluster: str, epoch: int) -> None:
        """Put it on the disk, for good. Blocks as long as the disk does; raises OSError when it can't, and when what is there can't be
        read for an error of the disk's: it may be more than we know."""
        try:
            epochs = self._load()
        except (FileNotFoundError, ValueError, AttributeError, TypeError):
            epochs = {}
        epochs[cluster] = max(epoch, epochs.get(cluster, 0))
        self._file.write(json.dumps(epochs, sort_keys=True))

    def _load(self) -> dict[str, int]:
        return {str(cluster): int(epoch) for cluster, epoch in json.loads(self._file.read()).items()}


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

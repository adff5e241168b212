"""Inside a guest: says what its kernel holds, one JSON object per line, every EVERY_S, for ever (``python -I -S guest_eye.py``)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from faults.kernel_tables import is_listening, is_mounted, local_addresses

EVERY_S = 0.05
VOLUME = "app_vg-app_lv"
DEVICES = (f"/dev/mapper/{VOLUME}", "/dev/app_vg/app_lv")


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

"""Whether a fence device can be used, from what its checks say: the words of its Ready condition."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from backstay.coordinator.device_watch import Check


def usability(checks: Sequence[Check], *, online: Collection[str]) -> tuple[bool, str, str]:
    """Whether it can, reason and message. `checks` are those by nodes that are online."""
    if not online:
        return False, "NoExecutor", "no healthy node could run the fence agent"
    failed = [one for one in checks if one.message]
    if checks and len(failed) == len(checks):
        return False, "MonitorFailed", f"checked from {failed[0].node}: {failed[0].message}"
    message = f"cannot be reached from {' '.join(one.node for one in failed)}" if failed else ""
    return True, "Usable", message

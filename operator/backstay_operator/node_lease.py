"""A node's Lease as the tracker reads it.

Its agent has written it, and may be captured: any text may stand in an annotation. What can't be read counts as not said, numbers
have bounds, and nothing here raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backstay.api import (
    ANNOTATION_AGENT_ALIVE,
    ANNOTATION_BEAT,
    ANNOTATION_BOOT_ID,
    ANNOTATION_INCARNATION,
    ANNOTATION_LEASE_MS,
    ANNOTATION_MACHINE_ID,
    ANNOTATION_SEQUENCE,
    ANNOTATION_SYSTEM_UUID,
    ANNOTATION_VOUCHING_MS,
    ANNOTATION_WATCHDOG,
)
from backstay.liveness import MachineIdentity, NodeLease, WatchdogClaim
from backstay.liveness.machine import identity_value
from backstay_kube.client import Obj

LEASE_PREFIX = "node-"
DIGITS_MAX = 18
TEXT_MAX = 128
LEASE_MIN_S, LEASE_MAX_S, LEASE_DEFAULT_S = 0.1, 600.0, 3.0
"""HACluster.spec.heartbeat allows no more."""
PROMISE_MAX_MS = 1_800_000
"""More than any promise lasts."""


def node_lease(obj: Obj) -> NodeLease:
    """A sub-second duration stands in an annotation."""
    metadata, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    said = {str(name): str(value) for name, value in _mapping(metadata.get("annotations")).items()}
    boot_id = _text(said.get(ANNOTATION_BOOT_ID, ""))
    return NodeLease(
        node=str(metadata.get("name", "")).removeprefix(LEASE_PREFIX),
        token=f"{_text(str(spec.get('renewTime')))}/{_text(said.get(ANNOTATION_SEQUENCE, ''))}/{boot_id}",
        boot_id=boot_id,
        incarnation=_text(said.get(ANNOTATION_INCARNATION, "")),
        duration_s=_duration_s(said.get(ANNOTATION_LEASE_MS, ""), spec.get("leaseDurationSeconds")),
        beat=_whole(said.get(ANNOTATION_BEAT, "")),
        vouching_s=_promise_ms(said.get(ANNOTATION_VOUCHING_MS, "")) / 1000,
        watchdog=_claim(said.get(ANNOTATION_WATCHDOG, "")),
        agent_present=said.get(ANNOTATION_AGENT_ALIVE, "present") != "absent",
        machine=MachineIdentity(
            identity_value(said.get(ANNOTATION_MACHINE_ID, "")),
            identity_value(said.get(ANNOTATION_SYSTEM_UUID, "")),
        ),
    )


def _duration_s(milliseconds: str, seconds: object) -> float:
    whole = _whole(milliseconds)
    if whole is not None:
        duration_s = whole / 1000
    elif isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds:
        duration_s = float(min(seconds, LEASE_MAX_S))
    else:
        duration_s = LEASE_DEFAULT_S
    return min(LEASE_MAX_S, max(LEASE_MIN_S, duration_s))


def _promise_ms(text: str) -> int:
    """What can't be read counts as a promise: its node is not counted then."""
    if not text:
        return 0
    whole = _whole(text)
    return PROMISE_MAX_MS if whole is None else min(whole, PROMISE_MAX_MS)


def _claim(text: str) -> WatchdogClaim | None:
    """`D/W` in milliseconds; anything else is no claim."""
    deadline, _, timeout = (_whole(part) if part != "/" else 0 for part in text.partition("/"))
    if deadline is None or timeout is None:
        return None
    return WatchdogClaim(deadline_s=deadline / 1000, timeout_s=timeout / 1000)


def _whole(text: str) -> int | None:
    """ASCII digits, not too many of them; None for anything else."""
    fits = len(text) <= DIGITS_MAX and text.isascii() and text.isdecimal()
    return int(text) if fits else None


def _text(text: str) -> str:
    """What identifies something; without what no identifier holds, and not longer than it can be."""
    return text[:TEXT_MAX] if text.isascii() and text.isprintable() else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

"""Who wrote what to a real API server, by its audit log."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ACCOUNTS = "system:serviceaccount:backstay-system:"
PRESENCE = ("node-", "dc-", "operator-")
"""Leases: their renewal is what they are for."""


@dataclass(frozen=True, slots=True)
class Write:
    """One request that was to change something, whatever came of it."""

    at: float
    account: str
    verb: str
    resource: str
    name: str
    code: int

    @property
    def is_renewal(self) -> bool:
        return self.resource == "leases" and self.name.startswith(PRESENCE)


def writes_of_backstay(log: Path, *, since: float, until: float | None = None) -> list[Write]:
    """Of operators and agents; times are wall clock, in seconds."""
    end = time.time() if until is None else until
    return [one for one in _writes(log) if since <= one.at < end]


def summary(writes: list[Write]) -> Counter[str]:
    return Counter(f"{one.account} {one.verb} {one.resource}" for one in writes)


def _writes(log: Path) -> Iterator[Write]:
    for line in log.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # half a line: it is being written
        user = event["user"]["username"]
        if event.get("stage") != "ResponseComplete" or not user.startswith(ACCOUNTS):
            continue
        ref = event.get("objectRef") or {}
        kind = "/".join(one for one in (ref.get("resource"), ref.get("subresource")) if one)
        yield Write(
            at=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
            account=user.removeprefix(ACCOUNTS),
            verb=event["verb"],
            resource=kind,
            name=ref.get("name", ""),
            code=int((event.get("responseStatus") or {}).get("code", 0)),
        )

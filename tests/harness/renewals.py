"""How regularly the nodes renew their Leases, as the API shows it: the longest time between two renewals in a row."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError

SAMPLE_EVERY_S = 0.2
SEQUENCE = "ha.backstay.io/sequence"


@dataclass
class RenewalWatch:
    """Samples in a thread as long as the context lasts; `gap_s` then says the longest interval of each node."""

    kubeconfig: Path
    gap_s: dict[str, float] = field(default_factory=dict)
    renewals: dict[str, int] = field(default_factory=dict)
    _last: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> RenewalWatch:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._sample()), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        assert self._thread is not None
        self._thread.join(timeout=15.0)

    async def _sample(self) -> None:
        client = await KubeClient.connect(str(self.kubeconfig), timeout_s=5.0)
        try:
            while not self._end.is_set():
                with contextlib.suppress(ApiError):
                    for lease in (await client.list(kinds.LEASE, "backstay-system")).items:
                        self._note(lease)
                await asyncio.sleep(SAMPLE_EVERY_S)
        finally:
            await client.close()

    def _note(self, lease: dict[str, Any]) -> None:
        name = str(lease["metadata"]["name"])
        sequence = int((lease["metadata"].get("annotations") or {}).get(SEQUENCE, 0))
        if not name.startswith("node-") or not sequence:
            return
        at = datetime.fromisoformat(lease["spec"]["renewTime"])
        before = self._last.get(name)
        self._last[name] = (sequence, at)
        if before is None or sequence <= before[0]:
            return  # the first one, or a keeper that began anew
        gap_s = (at - before[1]).total_seconds() / (sequence - before[0])
        self.gap_s[name] = max(gap_s, self.gap_s.get(name, 0.0))
        self.renewals[name] = self.renewals.get(name, 0) + sequence - before[0]

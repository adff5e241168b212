"""Who may read /metrics, as kube-rbac-proxy asks: TokenReview says who it is, SubjectAccessReview whether they may `get` the path.

Answers are kept for a while, a bounded number of them, by the token's digest; a flood of new tokens makes a bounded number of requests.
The server of /metrics has a loop of its own; the client belongs to the program's.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backstay_kube.errors import ApiError
from backstay_kube.metrics_server import Admission

if TYPE_CHECKING:
    from backstay_kube.client import KubeClient

ALLOWED_FOR_S, DENIED_FOR_S = 60.0, 10.0
KEPT_MAX = 256
AT_ONCE_MAX = 4
REVIEW_S = 3.0
TOKEN_MAX = 8192
PATH = "/metrics"
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class TokenReviewer:
    """Call `admit` from any loop; `client` is used in the loop in which this was made."""

    def __init__(self, client: KubeClient, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._kept: dict[bytes, tuple[Admission, float]] = {}
        self._under_way = 0

    async def admit(self, token: str) -> Admission:
        """What becomes of the bearer of this token."""
        if not token or len(token) > TOKEN_MAX:
            return Admission.UNKNOWN
        work = asyncio.run_coroutine_threadsafe(self.review(token), self._loop)
        try:
            async with asyncio.timeout(2 * REVIEW_S + 1.0):
                return await asyncio.wrap_future(work)
        except TimeoutError:
            return Admission.UNDECIDED

    async def review(self, token: str) -> Admission:
        """In the program's own loop."""
        key = hashlib.sha256(token.encode()).digest()
        known = self._kept.get(key)
        if known is not None and self._now() < known[1]:
            return known[0]
        if self._under_way >= AT_ONCE_MAX:
            return Admission.UNDECIDED
        self._under_way += 1
        try:
            found = await self._ask(token)
        except ApiError:
            return Admission.UNDECIDED
        finally:
            self._under_way -= 1
        while len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        for_s = ALLOWED_FOR_S if found is Admission.ALLOWED else DENIED_FOR_S
        self._kept[key] = (found, self._now() + for_s)
        return found

    async def _ask(self, token: str) -> Admission:
        answer = await self._post(
            _TOKEN_REVIEWS,
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}},
        )
        status = answer.get("status") or {}
        user = status.get("user") or {}
        if status.get("authenticated") is not True or not user.get("username"):
            return Admission.UNKNOWN
        spec = {
            "user": user["username"],
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"path": PATH, "verb": "get"},
        }
        answer = await self._post(
            _ACCESS_REVIEWS,
            {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec},
        )
        status = answer.get("status") or {}
        allowed = status.get("allowed") is True and status.get("denied") is not True
        return Admission.ALLOWED if allowed else Admission.FORBIDDEN

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._client.request("POST", path, body=body, timeout_s=REVIEW_S)

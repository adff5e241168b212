"""A local copy of a collection, kept by list and watch, with a periodic list behind it because a watch can go silent.

`on_change` is called for each object that appeared, changed or vanished, and is only a hint to look: readers take `objects`.
`heard_at` tells by the monotonic clock when the API server was last known to be telling us the truth: an event, a bookmark or a list.

A list that fails changes nothing: the copy stays as it was, and `unread_s` says for how long the collection could not be read.

A list is asked for without a version, so it is as new as any answer before it. One that is older, or shows an older state of an
object than we know of from before its time, means that the API went back in time (an etcd restored from a backup): then it is the
truth, and `on_rewind` is called.

What was deleted stays deleted: the answer to a write, or a list, that was on its way meanwhile and does not know of it yet would bring
the object back until the next list. A watch tells everything in the order of its versions, so what it has not kept is gone.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat

from backstay.numerals import whole
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiError, ApiGone, ApiNotFound
from backstay_kube.kinds import Kind

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

OnChange = Callable[[str, Obj, Obj | None], None]
"""Called with ADDED, MODIFIED or DELETED, the object, and the object as it was known before."""

RETRY_S_MAX = 2.0
"""The longest pause between two attempts to read, unless the server asks for a longer one."""

OnHeard = Callable[[float, float | None], None]
"""Called after every successful read with the time, and with the time at which a list was asked for (None for a watch)."""


class Reflector:
    """Run `run()` as a task; `synced` is set after the first list."""

    def __init__(
        self,
        client: KubeClient,
        kind: Kind,
        *,
        namespace: str | None = None,
        field_selector: str | None = None,
        label_selector: str | None = None,
        on_change: OnChange | None = None,
        on_heard: OnHeard | None = None,
        on_rewind: Callable[[], None] = lambda: None,
        relist_s: float = 30.0,
    ) -> None:
        self.kind = kind
        self.synced = asyncio.Event()
        self.heard_at = 0.0
        self.failure = ""
        """Why the collection cannot be read now; empty while it can."""
        self._unread_since: float | None = None
        self._client = client
        self._namespace = namespace
        self._field_selector = field_selector
        self._label_selector = label_selector
        self._on_change = _contained(on_change) if on_change else _nothing
        self._on_heard = on_heard or (lambda _now, _sent: None)
        self._on_rewind = on_rewind
        self._relist_s = relist_s
        self._objects: dict[Key, Obj] = {}
        self._seen = 0
        """The highest version that the API has shown."""
        self._told = 0
        """All that happened up to this version was told by lists and watch, so what is not here was deleted."""
        self.token = object()
        """Another one whenever the objects may be others: what was made of them can be kept until then."""

    def get(self, name: str, namespace: str = "") -> Obj | None:
        return self._objects.get((namespace, name))

    def objects(self) -> Iterator[Obj]:
        """In order of namespace and name."""
        for key in sorted(self._objects):
            yield self._objects[key]

    @property
    def is_read(self) -> bool:
        """Whether the last attempt to read the collection, by list or watch, succeeded."""
        return self.synced.is_set() and self._unread_since is None

    def unread_s(self, now: float) -> float:
        """Seconds for which the collection could not be read at `now` (monotonic): 0 while the copy follows it, infinite before the
        first complete list."""
        if not self.synced.is_set():
            return math.inf
        return 0.0 if self._unread_since is None else now - self._unread_since

    def accept(self, obj: Obj) -> bool:
        """Take the answer of our own write at once, unless something newer was brought: another state of it, or that it is gone.

        True when the copy changed."""
        key = _key(obj)
        present = self._objects.get(key)
        newer = _version(obj) > (self._told if present is None else _version(present))
        if newer:
            self._objects[key] = obj
            self.token = object()
        self._seen = max(self._seen, _version(obj))
        return newer

    def drop(self, uid: str, name: str, namespace: str = "") -> None:
        """Take our own deletion of the object at once; another one of its name stays."""
        present = self._objects.get((namespace, name))
        if present is not None and present["metadata"].get("uid") == uid:
            del self._objects[namespace, name]
            self.token = object()

    async def run(self) -> None:
        """For ever: list, watch, list again. Cancelled from outside."""
        failures = 0
        while True:
            try:
                version = await self.list_now()
                failures = 0
                await self._follow(version)
            except ApiGone:
                log.debug("watch of %s is too old, listing again", self.kind.plural)
            except ApiError as error:
                failures = min(failures + 1, 6)
                self._failed(error)
                level = (
                    logging.WARNING if not isinstance(error, ApiNotFound) and failures == 1 else logging.DEBUG
                )
                log.log(level, "cannot follow %s: %s", self.kind.plural, error)
                pause_s = min(RETRY_S_MAX, 0.1 * 2**failures) * random.uniform(0.5, 1.0)
                await asyncio.sleep(error.pause_s(pause_s))

    def _failed(self, error: ApiError) -> None:
        self.failure = str(error)
        if self._unread_since is None:
            self._unread_since = time.monotonic()

    async def list_now(self, *, anew: bool = False) -> str:
        """Read everything now; returns the list's resourceVersion. Raises ApiError.

        `anew`: take the objects as they are listed, also where newer ones are known."""
        sent_at, seen = time.monotonic(), self._seen
        listed = await self._client.list(
            self.kind,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        fresh = {_key(obj): obj for obj in listed.items}
        as_of = whole(listed.resource_version) or 0
        went_back = self._is_past(fresh.values(), as_of, seen)
        past = went_back or anew
        if went_back:
            log.warning("the API went back in time: %s are as they were at %s", self.kind.plural, as_of)
        self._seen = as_of if past else max(self._seen, as_of)
        behind = not past and 0 < as_of < self._told
        self._told = as_of if past else max(self._told, as_of)
        for key in sorted(self._objects.keys() - fresh.keys()):
            if past or _version(self._objects[key]) <= as_of:
                gone = self._objects.pop(key)
                self.token = object()
                self._on_change("DELETED", gone, gone)
        for key, obj in fresh.items():
            present = self._objects.get(key)
            if present is None and behind:
                continue
            if present is None or _version(present) < _version(obj) or (past and present != obj):
                self._objects[key] = obj
                self.token = object()
                self._on_change("ADDED" if present is None else "MODIFIED", obj, present)
        if went_back:
            self._on_rewind()
        self.heard_at = time.monotonic()
        self.failure, self._unread_since = "", None
        self._on_heard(self.heard_at, sent_at)
        self.synced.set()
        return listed.resource_version

    def _is_past(self, fresh: Iterable[Obj], as_of: int, seen: int) -> bool:
        return as_of > 0 and (as_of < seen or any(map(self._knows_better, fresh, repeat(as_of))))

    def _knows_better(self, obj: Obj, as_of: int) -> bool:
        """Whether a newer state of it is known, from before the list was made."""
        present = self._objects.get(_key(obj))
        return present is not None and _version(obj) < _version(present) <= as_of

    async def _follow(self, version: str) -> None:
        """Watch for at most `relist_s`, then return so that a list follows."""
        deadline = time.monotonic() + self._relist_s
        events = self._client.watch(
            self.kind,
            resource_version=version,
            namespace=self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_s=max(1, round(self._relist_s)),
        )
        try:
            while (left := deadline - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left):
                        event = await anext(events)
                except (StopAsyncIteration, TimeoutError):
                    return
                self.heard_at = time.monotonic()
                self._apply(event.type, event.object)
                self._on_heard(self.heard_at, None)
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    def _apply(self, type_: str, obj: Obj) -> None:
        self._told = max(self._told, _version(obj))
        if type_ == "BOOKMARK":
            return
        key = _key(obj)
        self._seen = max(self._seen, _version(obj))
        present = self._objects.get(key)
        if present is not None and _version(present) > _version(obj):
            return
        if type_ == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = obj
        self.token = object()
        self._on_change(type_, obj, present)


def _nothing(_type: str, _obj: Obj, _before: Obj | None) -> None:
    pass


def _contained(on_change: OnChange) -> OnChange:
    """The callback, which one object that it cannot work with must not keep from the objects after it."""

    def call(type_: str, obj: Obj, before: Obj | None) -> None:
        try:
            on_change(type_, obj, before)
        except Exception:  # the outermost frame for one object
            log.exception("cannot take in %s", (obj.get("metadata") or {}).get("name"))

    return call


def _key(obj: Obj) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _version(obj: Obj) -> int:
    """Resource versions of one collection compare as integers (a guarantee since Kubernetes 1.35)."""
    text = str(obj["metadata"].get("resourceVersion", "0"))
    return whole(text) or 0

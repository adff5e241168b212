"""The API server of a simulated cluster: the sandbox's own verbs over the real object store, behind a network that misbehaves.

A request travels, is taken in or not, and its answer travels back or not; the caller knows only that. Watches lag, fall silent and
break. `KubeClient` is the product's, with its two lowest methods replaced.
"""

from __future__ import annotations

import asyncio
import enum
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backstay.api import KINDS
from backstay.api.crd import custom_resource_definition
from backstay.objectstore import ApiError as StoreError
from backstay.objectstore import CountingIds, EventType, ObjectStore, Patch, PatchType, StorageKey
from backstay_kube.client import METADATA_LIST, KubeClient, Obj, WatchEvent
from backstay_kube.errors import ApiUnavailable, error_of
from backstay_sandbox.apiserver.call import Answer, Call, refusal
from backstay_sandbox.apiserver.encoding import Encoder
from backstay_sandbox.apiserver.objects import Objects
from backstay_sandbox.apiserver.query import watch_query
from backstay_sandbox.apiserver.route import Target, parse_target
from simulation.virtual_time import PROCESS, WALL_0, VirtualLoop


@dataclass
class Link:
    """The way between one host and the API server. Times in seconds."""

    name: str
    up: bool = True
    """Requests get there."""
    back_up: bool = True
    """Answers and events come back."""
    delay_s: float = 0.002
    jitter_s: float = 0.003
    loss: float = 0.0
    answer_lag_s: float = 0.0
    """Added to the way of answers."""
    watch_lag_s: float = 0.0
    watch_silent: bool = False
    mute: dict[str, int] = field(default_factory=dict)
    """By plural: watches of that kind tell nothing, so many faults wish."""
    subscriptions: list[Subscription] = field(default_factory=list)


@dataclass
class Weather:
    """What is wrong with the API server itself."""

    answers: bool = True
    refuses: bool = False
    """While it does not answer: refuse at once, instead of leaving the caller to wait."""
    slow_s: float = 0.0
    failing: float = 0.0
    """Part of the requests that end in a 5xx, untouched."""
    losing: float = 0.0
    """Part of the requests that are taken in, and whose answer is lost."""
    meddling: float = 0.0
    """Part of the writes before which somebody else writes the same object: a storm of conflicts."""


class Sickness(enum.Enum):
    """How one kind cannot be listed, while the others can."""

    FAILS = "fail"
    HANGS = "hang"
    DENIED = "are denied"
    UNKNOWN = "find no such kind"


SICK_STATUS = {Sickness.FAILS: 500, Sickness.DENIED: 403, Sickness.UNKNOWN: 404}


class Subscription:
    """One watch on the wire."""

    def __init__(self, server: ApiServer, link: Link, watch: Any, encoder: Encoder, *, plural: str) -> None:
        self._server = server
        self._link = link
        self.plural = plural
        self._watch = watch
        self._encoder = encoder
        self._queue: deque[Obj | Exception | None] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._arrives_at = 0.0
        self._closed = False
        self._forsaken = False
        self._owner = PROCESS.get()
        self.held: list[Obj | Exception | None] = []

    @property
    def closed(self) -> bool:
        return self._closed or (self._owner is not None and not self._owner.alive)

    def forsake(self) -> None:
        """There is nothing more to come from its store."""
        self._forsaken = True

    def pump(self) -> None:
        """Send what the store has."""
        while not self._forsaken and self._watch.has_more:
            for event in self._watch.poll(16):
                body = (
                    json.dumps(event.document)
                    if event.type is EventType.ERROR
                    else self._encoder.stored(event.document)
                )
                self._send({"type": event.type.value, "object": json.loads(body)})

    def _send(self, item: Obj | Exception | None) -> None:
        link = self._link
        lag = link.delay_s + self._server.dice.uniform(0, link.jitter_s) + link.watch_lag_s
        self._arrives_at = max(self._arrives_at, self._server.loop.time() + lag)
        self._server.loop.call_at(self._arrives_at, self._arrive, item, context=self._server.context)

    def _arrive(self, item: Obj | Exception | None) -> None:
        if self.closed:
            return
        if not self._link.back_up or self._link.watch_silent or self._link.mute.get(self.plural):
            self.held.append(item)
            return
        self._queue.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def release(self) -> None:
        """The way is free again: what was held comes, in order."""
        held, self.held = self.held, []
        for item in held:
            self._send(item)

    def end(self, how: Exception | None) -> None:
        """By the server: None is a clean end."""
        if not self.closed:
            self._send(how)

    def fail(self, how: Obj | Exception) -> None:
        """By the server, with an error of whatever kind."""
        if not self.closed:
            self._send(how)

    async def next(self) -> Obj | None:
        while not self._queue:
            self._waiter = self._server.loop.create_future()
            await self._waiter
        item = self._queue.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self._closed = True
        if self in self._link.subscriptions:
            self._link.subscriptions.remove(self)


_PREPARED: list[ObjectStore] = []


def prepare_store() -> None:
    """A store that knows our kinds, for the next ApiServer: it takes a second, which forks of this process need not spend again."""
    if not _PREPARED:
        _PREPARED.append(_fresh_store())


def _take_store() -> ObjectStore:
    return _PREPARED.pop() if _PREPARED else _fresh_store()


def _fresh_store() -> ObjectStore:
    store = ObjectStore(ids=CountingIds())
    store.create_system_namespaces(now=WALL_0)
    definitions = store.resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert definitions is not None
    for kind in KINDS:
        store.create(definitions, "", newer(custom_resource_definition(kind)), now=WALL_0)
    return store


NOVELTY = "novelty"
"""A field of a newer version, which the API stores and our models do not know."""


def newer(definition: Obj) -> Obj:
    """The definition as a newer version's chart installs it."""
    for version in definition["spec"]["versions"]:
        parts = version["schema"]["openAPIV3Schema"]["properties"]
        for part in ("spec", "status"):
            parts.get(part, {}).get("properties", {})[NOVELTY] = {"type": "string"}
    return definition


Observer = Callable[[str, str, Target, int], None]
"""Called after each write that was taken in: process, method, target, status."""


class ApiServer:
    """One store, many links."""

    def __init__(self, loop: VirtualLoop, dice: random.Random) -> None:
        self.loop = loop
        self.dice = dice
        self.store = _take_store()
        self._ids = CountingIds(seed=1)
        """Of a restored store: uids must not return."""
        self.weather = Weather()
        self.sick: dict[tuple[str, str], Sickness] = {}
        """By link (empty: all of them) and plural."""
        self.links: dict[str, Link] = {}
        self.observers: list[Observer] = []
        self.requests = 0
        self.context = PROCESS_NONE
        self._encoder = Encoder()
        self._objects = Objects(self.store, self._encoder)
        self._subscriptions: dict[StorageKey, list[Subscription]] = {}
        self.store.listen(self._committed)

    def restore(self, snapshot: Obj) -> None:
        """The store as it was then; everybody's connections break. What was acknowledged since is gone, and versions return."""
        self.store = ObjectStore(ids=self._ids)
        self.store.restore(snapshot)
        self._encoder = Encoder()
        self._objects = Objects(self.store, self._encoder)
        for link in self.links.values():
            for one in list(link.subscriptions):
                one.forsake()
        self.break_watches(list(self.links.values()))
        self._subscriptions.clear()
        self.store.listen(self._committed)

    def link(self, name: str) -> Link:
        return self.links.setdefault(name, Link(name))

    def now(self) -> float:
        return WALL_0 + self.loop.time()

    # -- requests

    def call(
        self,
        link: Link,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float,
        caller: str,
    ) -> asyncio.Future[tuple[int, bytes]]:
        """Resolves to status and body, or fails with ApiUnavailable after `timeout_s` at the latest."""
        answer: asyncio.Future[tuple[int, bytes]] = self.loop.create_future()
        data = b"" if body is None else json.dumps(body).encode()
        request = _Request(link, method, path, dict(query or {}), data, content_type, caller, answer)
        self.loop.call_later(timeout_s, self._time_out, request, context=self.context)
        if link.up and self.dice.random() >= link.loss:
            self.loop.call_later(self._way(link), self._arrive, request, context=self.context)
        return answer

    def _way(self, link: Link) -> float:
        return link.delay_s + self.dice.uniform(0, link.jitter_s) + self.dice.uniform(0, self.weather.slow_s)

    def _time_out(self, request: _Request) -> None:
        if not request.answer.done():
            request.answer.set_exception(
                ApiUnavailable(f"{request.method} {request.path}: no answer in time")
            )

    def _arrive(self, request: _Request) -> None:
        weather = self.weather
        if not weather.answers:
            if weather.refuses:
                self._respond(request, Answer(b'{"message":"connection refused"}', status=503))
            return
        if weather.failing and self.dice.random() < weather.failing:
            self._respond(request, Answer(b'{"message":"etcd is slow"}', status=503))
            return
        sickness = self._sickness_of(request)
        if sickness is Sickness.HANGS:
            return
        if sickness is not None:
            self._respond(request, Answer(b'{"message":"cannot list"}', status=SICK_STATUS[sickness]))
            return
        answer = self.handle(
            request.method, request.path, request.query, request.body, request.content_type, request.caller
        )
        if not (weather.losing and self.dice.random() < weather.losing):
            self._respond(request, answer)

    def _sickness_of(self, request: _Request) -> Sickness | None:
        if not self.sick or request.method != "GET":
            return None
        target = parse_target(request.path)
        assert target is not None
        if target.name:
            return None
        return self.sick.get(("", target.plural)) or self.sick.get((request.link.name, target.plural))

    def handle(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, content_type: str, caller: str
    ) -> Answer:
        """Take a request in, now."""
        self.requests += 1
        target = parse_target(path)
        assert target is not None, path
        alone = "/keeper" in caller  # nothing but its keeper writes to a node's Lease
        if method == "PATCH" and not alone and self.dice.random() < self.weather.meddling:
            self._meddle(target)
        call = Call(method, path, query, self.now(), "application/json", content_type, caller, body)
        try:
            answer = self._objects.answer(call, target)
        except StoreError as error:
            answer = refusal(error)
        if method != "GET":
            for observer in self.observers:
                observer(caller, method, target, answer.status)
        return answer

    def _meddle(self, target: Target) -> None:
        """Somebody else annotates the object a moment before."""
        resource = self.store.resource(target.group, target.version, target.plural)
        if resource is None:
            return
        mark = {"metadata": {"annotations": {"example.com/meddler": str(self.requests)}}}
        try:
            patch = Patch(PatchType.MERGE, mark)
            self.store.patch(resource, target.namespace or "", target.name, patch, now=self.now())
        except StoreError:
            return

    def _respond(self, request: _Request, answer: Answer) -> None:
        if self.dice.random() < request.link.loss:
            return
        way = self._way(request.link) + request.link.answer_lag_s
        self.loop.call_later(way, self._come_back, request, answer, context=self.context)

    def _come_back(self, request: _Request, answer: Answer) -> None:
        if request.link.back_up and not request.answer.done():
            request.answer.set_result((answer.status, answer.body))

    # -- watches

    def subscribe(self, link: Link, path: str, query: Mapping[str, str]) -> Subscription:
        """Raises the store's ApiError."""
        target = parse_target(path)
        assert target is not None
        resource = self._objects.resource_of(target)
        watch = self.store.watch(resource, target.namespace, watch_query(query, resource, target.name))
        subscription = Subscription(self, link, watch, self._encoder, plural=target.plural)
        link.subscriptions[:] = [one for one in link.subscriptions if not one.closed]
        link.subscriptions.append(subscription)
        self._subscriptions.setdefault(resource.storage, []).append(subscription)
        timeout_s = float(query.get("timeoutSeconds", "300"))
        self.loop.call_later(timeout_s, subscription.end, None, context=self.context)
        subscription.pump()
        return subscription

    def _committed(self, storage: StorageKey) -> None:
        present = self._subscriptions.get(storage)
        if not present:
            return
        self._subscriptions[storage] = present = [one for one in present if not one.closed]
        if self.weather.answers:
            for one in present:
                one.pump()

    def break_watches(self, links: list[Link]) -> None:
        """Connections are gone, and both sides know."""
        for link in links:
            for one in list(link.subscriptions):
                one.held.clear()
                one.end(ApiUnavailable("the connection broke"))

    def drop_watches(self, link: Link, plural: str, *, too_old: bool) -> None:
        """Watches of one kind end, and what they held back is lost."""
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        how = {"type": "ERROR", "object": status} if too_old else ApiUnavailable("the connection broke")
        for one in [one for one in link.subscriptions if one.plural == plural]:
            one.held.clear()
            one.forsake()
            one.fail(how)

    def resume_watches(self, link: Link) -> None:
        for one in list(link.subscriptions):
            one.release()
            one.pump()


@dataclass
class _Request:
    link: Link
    method: str
    path: str
    query: dict[str, str]
    body: bytes
    content_type: str
    caller: str
    answer: asyncio.Future[tuple[int, bytes]]


class SimClient(KubeClient):
    """The product's client, whose requests go over a Link."""

    def __init__(self, server: ApiServer, link: Link, *, caller: str, timeout_s: float = 10.0) -> None:
        super().__init__(None, timeout_s=timeout_s, field_manager=caller)
        self._server = server
        self._link = link
        self._caller = caller

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float | None = None,
        accept: str = "application/json",
    ) -> Obj:
        assert accept in ("application/json", METADATA_LIST)
        total = self._timeout_s if timeout_s is None else timeout_s
        status, raw = await self._server.call(
            self._link,
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            timeout_s=total,
            caller=self._caller,
        )
        document: Obj = json.loads(raw) if raw else {}
        if accept == METADATA_LIST:
            document["items"] = [{"metadata": one["metadata"]} for one in document.get("items", ())]
        if status >= 300:
            raise error_of(
                status, f"{method} {path}: {document.get('message', '')}", str(document.get("reason", ""))
            )
        return document

    async def watch(  # type: ignore[override]
        self,
        kind: Any,
        *,
        resource_version: str,
        namespace: Any = None,
        label_selector: Any = None,
        field_selector: Any = None,
        timeout_s: int = 290,
    ) -> AsyncIterator[WatchEvent]:
        query = {"watch": "true", "resourceVersion": resource_version, "timeoutSeconds": str(timeout_s)}
        if field_selector:
            query["fieldSelector"] = field_selector
        # Opening takes a round trip, like any request.
        await self.request("GET", kind.path(namespace), query={"limit": "1"}, timeout_s=timeout_s + 10.0)
        try:
            subscription = self._server.subscribe(self._link, kind.path(namespace), query)
        except StoreError as error:
            raise error_of(error.code, str(error)) from error
        try:
            while (event := await subscription.next()) is not None:
                if event["type"] == "ERROR":
                    raise error_of(int(event["object"].get("code", 500)), event["object"].get("message", ""))
                yield WatchEvent(event["type"], event["object"])
        finally:
            subscription.close()


def _outside() -> Any:
    from contextvars import copy_context

    context = copy_context()
    context.run(PROCESS.set, None)
    return context


PROCESS_NONE = _outside()
"""The context of what is no process of the cluster: network, disks, the API server."""

"""Nothing is decided before every kind was read completely, and a kind that cannot be read is no empty kind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from backstay.api import HACluster
from backstay_kube import kinds
from backstay_kube.client import ObjectList
from backstay_kube.errors import ApiNotFound, ApiUnavailable
from backstay_operator.dc import ClusterTask
from backstay_operator.election import Elector
from backstay_operator.exposition import SceneCollector
from backstay_operator.metrics import Metrics
from backstay_operator.reading_watch import ReadingWatch
from backstay_operator.world import UNREAD_S_MAX, WATCHED, World

Obj = dict[str, Any]
EVERY_KIND = (*WATCHED, kinds.HANODEPLAN, kinds.LEASE)


class Server:
    """Lists what it is given; for a kind in `broken` it answers with that error. Its watches are silent."""

    def __init__(self) -> None:
        self.items: dict[kinds.Kind, list[Obj]] = {}
        self.broken: dict[kinds.Kind, Exception] = {}
        self.writes: list[Obj] = []
        self.version = 100

    async def list(self, kind: kinds.Kind, *_: Any, **__: Any) -> ObjectList:
        if kind in self.broken:
            raise self.broken[kind]
        return ObjectList(list(self.items.get(kind, [])), str(self.version))

    async def watch(self, kind: kinds.Kind, **_: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(3600)
        yield kind  # pragma: no cover

    async def create(self, _kind: kinds.Kind, body: Obj, *_: Any) -> Obj:
        return self._written(body)

    async def patch(self, _kind: kinds.Kind, name: str, body: Obj, **_: Any) -> Obj:
        return self._written({**body, "metadata": {**body["metadata"], "name": name}})

    def _written(self, body: Obj) -> Obj:
        self.version += 1
        self.writes.append(body["spec"])
        metadata = {**body["metadata"], "uid": "u", "resourceVersion": str(self.version)}
        metadata["namespace"] = "backstay-system"
        return {**body, "metadata": metadata}


def world_of(server: Server) -> World:
    return World(server)  # type: ignore[arg-type]


def copy_of(world: World, kind: kinds.Kind) -> Any:
    return next(one for one in world._followed if one.kind is kind)


async def read_all_but(world: World, missing: kinds.Kind) -> None:
    for copy in world._followed:
        if copy.kind is not missing:
            await copy.list_now()


@pytest.mark.parametrize("missing", EVERY_KIND, ids=lambda kind: kind.name)
async def test_a_term_begins_only_when_every_kind_was_read(missing: kinds.Kind) -> None:
    server = Server()
    world = world_of(server)
    await read_all_but(world, missing)
    assert not world.is_complete
    assert list(world.unread(0.0)) == [missing.name]
    await copy_of(world, missing).list_now()
    assert world.is_complete
    assert world.unread(0.0) == {}


@pytest.mark.parametrize("error", [ApiUnavailable("etcd is slow"), ApiNotFound("no such resource")])
async def test_a_list_that_fails_changes_nothing_and_is_not_an_empty_one(error: Exception) -> None:
    server = Server()
    node = {"metadata": {"name": "n1", "uid": "n1", "resourceVersion": "90"}}
    server.items[kinds.NODE] = [node]
    world = world_of(server)
    nodes = copy_of(world, kinds.NODE)
    await nodes.list_now()
    server.broken[kinds.NODE] = error
    following = asyncio.create_task(nodes.run())
    await asyncio.sleep(0.05)
    assert list(world.raw(kinds.NODE)) == [node]
    assert not nodes.is_read
    since = nodes._unread_since
    assert "Node" not in world.unread(since + UNREAD_S_MAX)
    assert world.unread(since + UNREAD_S_MAX + 0.1)["Node"] == str(error)
    server.broken.clear()
    await asyncio.sleep(0.5)
    assert nodes.is_read
    following.cancel()


async def test_an_api_that_went_back_is_doubted_until_every_kind_was_read_anew() -> None:
    server = Server()
    world = world_of(server)
    for copy in world._followed:
        await copy.list_now()
    server.broken[kinds.HARESOURCE] = ApiNotFound("not served yet")
    world._went_back()
    following = asyncio.create_task(world._follow_rewinds())
    await asyncio.sleep(0.1)
    assert world.doubtful
    server.broken.clear()
    await asyncio.sleep(0.6)
    assert not world.doubtful
    following.cancel()


async def test_a_replica_that_cannot_read_a_kind_gives_the_lease_up_and_does_not_stand() -> None:
    server = Server()
    world = world_of(server)
    await world.leases.list_now()
    eligible = [True]
    elector = Elector(
        world.client, world.leases, cluster="c", identity="me_1", is_eligible=lambda: eligible[0]
    )
    running = asyncio.create_task(elector.run(lambda: None))
    await asyncio.sleep(0.2)
    assert elector.leads()
    eligible[0] = False
    assert not elector.leads()
    await asyncio.sleep(0.7)
    assert server.writes[-1]["holderIdentity"] == ""
    writes = len(server.writes)
    await asyncio.sleep(0.5)
    assert len(server.writes) == writes
    eligible[0] = True
    await asyncio.sleep(0.5)
    assert elector.leads()
    running.cancel()


async def test_who_leads_outlasts_a_short_gap_and_who_does_not_lead_does_not_stand_in_one() -> None:
    world = world_of(Server())
    for copy in world._followed:
        await copy.list_now()
    task = ClusterTask(
        world,
        world.client,
        cluster="c",
        identity="me_1",
        metrics=Metrics(CollectorRegistry()),
        scenes=SceneCollector(),
    )
    assert task._may_lead()
    copy_of(world, kinds.HACONSTRAINT)._failed(ApiUnavailable("the watch broke"))
    assert not task._may_lead()
    task._term = object()  # type: ignore[assignment]
    assert task._may_lead()


async def test_no_epoch_is_taken_while_a_kind_is_unread() -> None:
    server = Server()
    world = world_of(server)
    cluster = HACluster.parse({"metadata": {"name": "c"}, "status": {"epoch": 7}})
    await read_all_but(world, kinds.HARESOURCE)
    task = ClusterTask(
        world,
        world.client,
        cluster="c",
        identity="me_1",
        metrics=Metrics(CollectorRegistry()),
        scenes=SceneCollector(),
    )
    task._cluster = lambda: cluster  # type: ignore[method-assign]
    assert await task._lead() < 1.0
    assert task._term is None
    assert server.writes == []


async def test_what_cannot_be_read_is_logged_once_and_measured(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    world = world_of(server)
    await read_all_but(world, kinds.HARESOURCE)
    copy_of(world, kinds.HARESOURCE)._failed(ApiUnavailable("403 forbidden"))
    metrics = Metrics(CollectorRegistry())
    watch = ReadingWatch(world, metrics)

    def measured(kind: str) -> float | None:
        return metrics.registry.get_sample_value("backstay_kind_unreadable", {"kind": kind})

    with caplog.at_level(logging.INFO):
        watch.look(0.0)
        watch.look(0.0)
    assert [one.getMessage() for one in caplog.records] == [
        "cannot read HAResource: 403 forbidden; this replica leads no cluster until it can"
    ]
    assert (measured("HAResource"), measured("Node")) == (1, 0)
    await copy_of(world, kinds.HARESOURCE).list_now()
    watch.look(0.0)
    assert measured("HAResource") == 0

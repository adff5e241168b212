"""Which epoch a DC must be above."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import pytest
from prometheus_client import CollectorRegistry

from backstay.api import HACluster
from backstay_kube import kinds
from backstay_kube.client import ObjectList
from backstay_kube.errors import ApiUnavailable
from backstay_operator.dc import ClusterTask
from backstay_operator.exposition import SceneCollector
from backstay_operator.metrics import Metrics
from backstay_operator.world import World


class Leading:
    """An elector that always leads."""

    def leads(self) -> bool:
        return True

    def follow(self, _heartbeat: object) -> None:
        return


class Beginner(ClusterTask):
    """Its first attempts to begin a term get no answer in time."""

    attempts = 0

    async def _lead(self) -> float:
        self.attempts += 1
        if self.attempts < 3:
            raise TimeoutError
        return 60.0


T = TypeVar("T", bound=ClusterTask)


def task_of(kind: type[T], world: World) -> T:
    return kind(
        world,
        world.client,
        cluster="c",
        identity="h_1",
        metrics=Metrics(CollectorRegistry()),
        scenes=SceneCollector(),
    )


async def test_term_that_gets_no_answer_in_time_is_begun_again() -> None:
    client: Any = object()
    task = task_of(Beginner, World(client))
    task._elector = Leading()  # type: ignore[assignment]
    task._term = object()  # type: ignore[assignment]
    running = asyncio.create_task(task._loop())
    await asyncio.sleep(1.0)
    assert not running.done()
    assert task.attempts == 3
    running.cancel()


class RestoredServer:
    """An API server whose objects can be set; it has no watches."""

    def __init__(self) -> None:
        self.version = 100
        self.items: dict[str, list[dict[str, Any]]] = {}

    async def list(self, kind: Any, *_: Any, **__: Any) -> ObjectList:
        return ObjectList(list(self.items.get(kind.plural, [])), str(self.version))


async def test_world_forgets_what_it_knew_when_the_api_went_back_and_remembers_epochs() -> None:
    server = RestoredServer()
    world = World(server)  # type: ignore[arg-type]

    def cluster(version: int, word: str) -> dict[str, Any]:
        metadata = {"name": "c", "uid": "u", "resourceVersion": str(version), "labels": {"word": word}}
        return {"metadata": metadata, "spec": {}}

    server.items["haclusters"] = [cluster(90, "lost")]
    server.items["hanodeplans"] = [
        {"metadata": {"name": "n1", "resourceVersion": "95"}, "spec": {"cluster": "c", "epoch": 7}}
    ]
    await world.plans.list_now()
    world.accept(kinds.HACLUSTER, cluster(90, "lost"))
    assert world.clusters()[0].metadata.labels["word"] == "lost"
    following = asyncio.create_task(world._follow_rewinds())
    server.version = 95
    server.items["haclusters"] = [cluster(90, "another object of the same version")]
    server.items["hanodeplans"] = []
    await world.plans.list_now()
    assert world.doubtful
    await asyncio.sleep(0.05)
    assert not world.doubtful
    assert world.rewinds == 1
    assert world.clusters()[0].metadata.labels["word"] == "another object of the same version"
    assert world.epochs["c"] == 7
    following.cancel()


def stored_plan(epoch: int, *, demands: int = 0) -> dict[str, Any]:
    metadata = {"name": "n1", "uid": "p", "resourceVersion": str(100 + epoch + demands)}
    status = {"observedEpoch": epoch, "requiredEpoch": demands}
    return {"metadata": metadata, "spec": {"cluster": "c", "epoch": epoch}, "status": status}


@pytest.mark.parametrize(
    ("status", "rewinds", "plan", "rewound"),
    [
        ({"epoch": 7}, 0, stored_plan(7), False),
        ({"epoch": 7}, 1, stored_plan(7), True),
        ({"epoch": 9, "rewoundEpoch": 8}, 1, stored_plan(9), False),
        ({"epoch": 7, "rewoundEpoch": 3}, 1, stored_plan(7), True),
        ({"epoch": 7}, 0, stored_plan(7, demands=8), True),
        ({"epoch": 9, "rewoundEpoch": 8}, 0, stored_plan(7, demands=8), False),
        ({"epoch": 5}, 0, stored_plan(9), True),
    ],
    ids=[
        "nothing happened",
        "we saw it",
        "we saw it, and a DC before us has answered for it",
        "we saw it, and what was answered for was another, in the past",
        "an agent saw it",
        "a dead agent's demand that a DC has met",
        "a host remembers an epoch that the HACluster has lost",
    ],
)
def test_a_past_is_answered_for_once(
    status: dict[str, int], rewinds: int, plan: dict[str, Any], rewound: bool
) -> None:
    """Else each replica would declare it anew when it first leads, and every node that is off would be fenced again."""
    client: Any = object()
    world = World(client)
    task = task_of(ClusterTask, world)
    world.note_epoch("c", 7)
    if rewinds:
        world._went_back()
        world.rewinds = rewinds
    world.plans.accept(plan)
    assert task._is_rewound(status, world.rewinds) is rewound


class BusyServer:
    """Writes the HACluster, and cannot list transitions the first time."""

    def __init__(self) -> None:
        self.lists = 0
        self.written: list[dict[str, Any]] = []
        self.status: dict[str, Any] = {"epoch": 7}

    def _cluster(self) -> dict[str, Any]:
        version = str(100 + len(self.written))
        return {
            "metadata": {"name": "c", "uid": "c", "resourceVersion": version},
            "status": dict(self.status),
        }

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self._cluster()

    async def patch(self, _kind: object, _name: str, body: dict[str, Any], **__: Any) -> dict[str, Any]:
        self.status |= body["status"]
        self.written.append(body["status"])
        return self._cluster()

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        self.lists += 1
        if self.lists == 1:
            raise ApiUnavailable("storage is (re)initializing")
        return ObjectList([], "1")


async def test_a_past_that_was_written_but_not_told_is_told_by_the_next_attempt() -> None:
    """On a real API server: an etcd was restored, the HACluster written, and the API not ready for what came next."""
    server: Any = BusyServer()
    world = World(server)
    world.note_epoch("c", 7)
    task = task_of(ClusterTask, world)
    world._went_back()
    world.rewinds += 1
    cluster = HACluster.parse({"metadata": {"name": "c"}, "status": {"epoch": 7}})
    with pytest.raises(ApiUnavailable):
        await task._begin_term(cluster)
    term = await task._begin_term(cluster)
    assert [one["rewoundEpoch"] for one in server.written] == [8, 9]
    assert term.coordinator._untold_rewind


@pytest.mark.parametrize(
    "claim", [{"requiredEpoch": 2**63 - 1}, {"observedEpoch": 2**63 - 1}], ids=["demanded", "seen"]
)
async def test_captured_agent_does_not_raise_the_epoch_of_its_cluster_nor_of_another(
    claim: dict[str, int],
) -> None:
    for cluster in ("c", "another"):
        server: Any = BusyServer()
        server.lists = 1
        world = World(server)
        world.note_epoch("c", 7)
        plan = stored_plan(7)
        world.plans.accept({**plan, "spec": {"cluster": cluster, "epoch": 7}, "status": claim})
        task = task_of(ClusterTask, world)
        await task._begin_term(HACluster.parse({"metadata": {"name": "c"}, "status": {"epoch": 7}}))
        assert server.written == [{**server.written[0], "epoch": 8}]
        assert "rewoundEpoch" not in server.written[0]


async def test_mutant_that_believes_every_epoch_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backstay.liveness.epochs.EPOCH_STEP_MAX", 2**63)
    with pytest.raises(AssertionError):
        await test_captured_agent_does_not_raise_the_epoch_of_its_cluster_nor_of_another(
            {"requiredEpoch": 2**63 - 1}
        )

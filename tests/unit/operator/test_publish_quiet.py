"""Statuses of many objects are made only when what they are made of changed, and are put right whatever happens to them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from backstay.state.assemble import Objects
from backstay_kube import kinds
from backstay_kube.errors import ApiError
from backstay_kube.kinds import Kind
from backstay_operator.publish import AT_ONCE, Publisher
from backstay_operator.statuses import Scene
from backstay_operator.world import World
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, group, power_switch, resource

Obj = dict[str, Any]


class CountingWorld(World):
    """Counts how many resources the publisher looks at."""

    looks = 0

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        self.looks += kind is kinds.HARESOURCE
        return super().get(kind, name, namespace)


class Api:
    """Takes merge patches of statuses, unless it is away."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.away = False
        self.version = 100
        self.pause_s = 0.0
        self.under_way = self.most = 0

    async def patch(
        self, kind: Kind, name: str, body: Obj, *, namespace: str | None, subresource: str
    ) -> Obj:
        assert subresource == "status"
        assert self.world is not None
        if self.away:
            raise ApiError("no answer")
        present = self.world.get(kind, name, namespace or "")
        assert present is not None
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.pause_s)
        self.under_way -= 1
        self.version += 1
        status = {**present.get("status", {}), **body["status"]}
        return {
            **present,
            "metadata": {**present["metadata"], "resourceVersion": str(self.version)},
            "status": status,
        }


class Published:
    """A model cluster, and the publisher that tells of it."""

    def __init__(self) -> None:
        self.model = ModelCluster("n1", "n2", "n3", cluster=cluster())
        self.model.add(power_switch(), resource("a"), resource("b"), resource("c"), group("g", "a", "b"))
        self.api = Api()
        self.world = CountingWorld(self.api)  # type: ignore[arg-type]
        self.api.world = self.world
        self.publisher = Publisher(self.api, self.world)  # type: ignore[arg-type]
        self.objects: Objects | None = None
        self.model.watchers.append(self._keep)
        self.model.run(5)
        self.hear_of_everything()
        self.why = {"c": "n1 with score 1"}

    def hear_of_everything(self) -> None:
        for kind, items in (
            (kinds.HARESOURCE, self.model.resources),
            (kinds.RESOURCEGROUP, self.model.groups),
        ):
            for item in items:
                body = item.model_dump(by_alias=True, exclude_none=True)
                body.pop("status", None)
                body["metadata"]["resourceVersion"] = "1"
                self.world.accept(kind, body)

    def _keep(self, objects: Objects, _orders: object) -> None:
        self.objects = objects

    def scene(self, **changes: Any) -> Scene:
        orders, objects = self.model.orders, self.objects
        assert orders is not None
        assert objects is not None
        made = Scene(
            picture=orders.picture, objects=objects, problems=orders.picture.assembly.problems, acks={},
            why=self.why, epoch=1, number=1, dc="n1", dc_since=0.0, operators=("n1",), dc_node="n1",
            now=self.model.wall,
        )  # fmt: skip
        return replace(made, **changes)

    def publish(self, scene: Scene) -> tuple[int, int]:
        """How many resources were looked at, and how many statuses written."""
        looks, writes = self.world.looks, self.publisher.writes
        asyncio.run(self.publisher._publish(scene))
        return self.world.looks - looks, self.publisher.writes - writes

    def status(self, name: str) -> Obj:
        found = self.world.get(kinds.HARESOURCE, name, "default")
        assert found is not None
        return dict(found["status"])


@pytest.fixture
def published() -> Published:
    made = Published()
    assert made.publish(made.scene())[1] == 4  # three resources and a group
    assert made.publish(made.scene())[1] == 0  # they stand
    return made


def test_nobody_looks_at_resources_of_a_quiet_cluster(published: Published) -> None:
    assert published.publish(published.scene(now=published.model.wall + 60)) == (0, 0)
    assert published.status("a")["role"] == "Started"
    assert published.status("a")["group"] == "g"


def test_what_somebody_else_wrote_is_put_right(published: Published) -> None:
    body = {**(published.world.get(kinds.HARESOURCE, "c", "default") or {})}
    body["metadata"] = {**body["metadata"], "resourceVersion": "999"}
    body["status"] = {**body["status"], "role": "Elsewhere"}
    published.api.version = 999
    published.world.accept(kinds.HARESOURCE, body)
    assert published.publish(published.scene())[1] == 1
    assert published.status("c")["role"] == "Started"


def test_what_could_not_be_written_is_tried_again(published: Published) -> None:
    published.api.away = True
    scene = published.scene(why={"c": "because"})
    assert published.publish(scene)[1] == 0
    published.api.away = False
    assert published.publish(scene)[1] == 1
    assert published.status("c")["why"] == "because"


def test_a_stop_is_published(published: Published) -> None:
    (home,) = published.model.where("c")
    published.model.crash(home)
    published.model.run(0.2)
    published.model.run(20)
    published.publish(published.scene())
    assert published.status("c")["node"] not in ("", home)


def test_statuses_are_written_a_few_at_a_time() -> None:
    made = Published()
    made.model.add(*(resource(f"r{number}") for number in range(3 * AT_ONCE)))
    made.model.run(5)
    made.hear_of_everything()
    made.api.pause_s = 0.005
    assert made.publish(made.scene())[1] == 4 + 3 * AT_ONCE
    assert made.api.most == AT_ONCE
    assert made.publish(made.scene())[1] == 0


def test_dc_that_wakes_up_late_does_not_take_the_epoch_of_its_successor_back(published: Published) -> None:
    later = published.model.cluster.model_dump(by_alias=True, exclude_none=True)
    later["metadata"]["resourceVersion"] = "999"
    later["status"] = {"epoch": 2, "dc": "n2"}
    published.api.version = 999
    published.world.accept(kinds.HACLUSTER, later)
    assert published.publish(published.scene(epoch=1, dc="n1"))[1] == 0
    published.publish(published.scene(epoch=2, dc="n2"))
    told = published.world.get(kinds.HACLUSTER, later["metadata"]["name"])
    assert told is not None
    assert told["status"]["epoch"] == 2
    assert told["status"]["conditions"]

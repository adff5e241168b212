"""The objects of a member that has left: only they are deleted, and only as they were judged.

Runs on the object store that the sandbox serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from backstay.api import KINDS, HACluster
from backstay.api.crd import custom_resource_definition
from backstay.coordinator import Fenced, Leaver
from backstay.objectstore import ApiError as StoreError
from backstay.objectstore import CountingIds, ObjectStore
from backstay_kube import kinds
from backstay_kube.client import METADATA_LIST, KubeClient, Obj
from backstay_kube.errors import ApiConflict, ApiNotFound, ApiUnavailable, error_of
from backstay_operator.dc import ClusterTask
from backstay_operator.exposition import SceneCollector
from backstay_operator.members import MEMBER_LABEL, ensure_members, let_go, remove_strangers
from backstay_operator.metrics import Metrics
from backstay_operator.world import World
from backstay_sandbox.apiserver.call import Call
from backstay_sandbox.apiserver.encoding import Encoder
from backstay_sandbox.apiserver.objects import Objects
from backstay_sandbox.apiserver.route import parse_target

NOW = 1_790_000_000.0
REPORTED = {"cluster": "a", "bootId": "b", "agentVersion": "1", "state": "Leaving"}


class StoreClient(KubeClient):
    """The product's client on a store of its own. `failing` refuses requests of a method for a kind."""

    def __init__(self) -> None:
        super().__init__(None)
        store = ObjectStore(ids=CountingIds())
        store.create_system_namespaces(now=NOW)
        definitions = store.resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        assert definitions is not None
        for kind in KINDS:
            store.create(definitions, "", custom_resource_definition(kind), now=NOW)
        self._objects = Objects(store, Encoder())
        self.failing: set[tuple[str, str]] = set()

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
        target = parse_target(path)
        assert target is not None
        if (method, target.plural) in self.failing:
            raise ApiUnavailable("etcd is slow")
        data = b"" if body is None else json.dumps(body).encode()
        call = Call(method, path, dict(query or {}), NOW, "application/json", content_type, "test", data)
        try:
            answer = self._objects.answer(call, target)
        except StoreError as error:
            raise error_of(error.code, str(error)) from error
        document: Obj = json.loads(answer.body)
        if accept == METADATA_LIST:
            document["items"] = [{"metadata": one["metadata"]} for one in document.get("items", ())]
        return document


class Api:
    """A cluster "a" of n1, and n2, which it does not select."""

    def __init__(self) -> None:
        self.client = StoreClient()
        self.world = World(self.client)
        self.cluster = HACluster.parse({"metadata": {"name": "a"}, "spec": {"nodeSelector": {"ha": "a"}}})

    async def begin(self, *, ours: bool = True) -> None:
        spec = {"nodeSelector": {"ha": "a"}}
        await self.client.create(kinds.HACLUSTER, {"metadata": {"name": "a"}, "spec": spec})
        await self.client.create(kinds.NODE, {"metadata": {"name": "n1", "labels": {"ha": "a"}}})
        await self.client.create(kinds.NODE, {"metadata": {"name": "n2"}})
        labels = {MEMBER_LABEL: "a"} if ours else {}
        await self.client.create(kinds.HANODE, {"metadata": {"name": "n2", "labels": labels}, "spec": {}})
        await self.client.patch(kinds.HANODE, "n2", {"status": REPORTED}, subresource="status")
        plan = {"cluster": "a", "epoch": 1}
        await self.client.create(kinds.HANODEPLAN, {"metadata": {"name": "n2"}, "spec": plan})
        await self.read()

    async def read(self) -> None:
        for copy in self.world._followed:
            await copy.list_now()

    def leaver(self) -> Leaver:
        plan, node = self.world.plans.get("n2"), self.world.get(kinds.HANODE, "n2")
        assert plan is not None
        return Leaver(
            node="n2",
            proof="it has stopped everything",
            plan_uid=plan["metadata"]["uid"],
            plan_version=plan["metadata"]["resourceVersion"],
            node_uid=node["metadata"]["uid"] if node is not None else "",
        )

    async def left(self) -> tuple[bool, bool]:
        """Whether plan and HANode are gone from the API."""
        return await self._is_gone(kinds.HANODEPLAN), await self._is_gone(kinds.HANODE)

    async def _is_gone(self, kind: kinds.Kind) -> bool:
        try:
            await self.client.get(kind, "n2")
        except ApiNotFound:
            return True
        return False


@pytest.fixture
async def api() -> Api:
    made = Api()
    await made.begin()
    return made


def task_of(api: Api) -> ClusterTask:
    return ClusterTask(
        api.world,
        api.client,
        cluster="a",
        identity="me_1",
        metrics=Metrics(CollectorRegistry()),
        scenes=SceneCollector(),
    )


async def test_plan_and_hanode_of_a_member_that_has_left_go(api: Api) -> None:
    assert api.world.nodes_of(api.cluster) == ["n1", "n2"]
    await let_go(api.world, api.cluster, [api.leaver()])
    assert await api.left() == (True, True)
    assert api.world.nodes_of(api.cluster) == ["n1"]


async def test_plan_that_was_written_since_the_judgement_stays(api: Api) -> None:
    judged = api.leaver()
    await api.client.patch(kinds.HANODEPLAN, "n2", {"spec": {"sync": 7}})
    await let_go(api.world, api.cluster, [judged])
    assert await api.left() == (False, False)


async def test_plan_that_was_made_anew_since_the_judgement_stays(api: Api) -> None:
    judged = api.leaver()
    await api.client.delete(kinds.HANODEPLAN, "n2")
    await api.client.create(
        kinds.HANODEPLAN, {"metadata": {"name": "n2"}, "spec": {"cluster": "a", "epoch": 1}}
    )
    await let_go(api.world, api.cluster, [judged])
    assert (await api.left())[0] is False


async def test_node_that_a_fresh_look_shows_to_be_selected_stays(api: Api) -> None:
    await api.client.patch(kinds.NODE, "n2", {"metadata": {"labels": {"ha": "a"}}})
    await let_go(api.world, api.cluster, [api.leaver()])
    assert await api.left() == (False, False)


@pytest.mark.parametrize(
    "failing", [("GET", "nodes"), ("GET", "haclusters"), ("DELETE", "hanodeplans")], ids="-".join
)
async def test_nothing_goes_on_a_read_or_deletion_that_failed(api: Api, failing: tuple[str, str]) -> None:
    api.client.failing = {failing}
    await let_go(api.world, api.cluster, [api.leaver()])
    api.client.failing.clear()
    assert await api.left() == (False, False)
    assert api.world.nodes_of(api.cluster) == ["n1", "n2"]


async def test_deletion_that_failed_half_way_is_ended_by_the_next(api: Api) -> None:
    api.client.failing = {("DELETE", "hanodes")}
    await let_go(api.world, api.cluster, [api.leaver()])
    api.client.failing.clear()
    assert await api.left() == (True, False)
    assert api.world.nodes_of(api.cluster) == ["n1", "n2"], "its HANode says that an agent reported"
    node = await api.client.get(kinds.HANODE, "n2")
    await let_go(
        api.world, api.cluster, [Leaver(node="n2", proof="fenced", node_uid=node["metadata"]["uid"])]
    )
    assert await api.left() == (True, True)


async def test_hanode_that_a_user_wrote_stays_and_holds_nothing() -> None:
    api = Api()
    await api.begin(ours=False)
    await let_go(api.world, api.cluster, [api.leaver()])
    assert await api.left() == (True, False)
    status = (await api.client.get(kinds.HANODE, "n2"))["status"]
    assert (status["state"], status.get("bootId"), status.get("agentVersion")) == ("NotAMember", "", "")
    assert api.world.nodes_of(api.cluster) == ["n1"]


async def test_hanode_of_a_node_that_never_ran_an_agent_goes_with_its_node(api: Api) -> None:
    await api.client.delete(kinds.HANODEPLAN, "n2")
    nothing = {"bootId": "", "agentVersion": ""}
    await api.client.patch(kinds.HANODE, "n2", {"status": nothing}, subresource="status")
    await api.read()
    api.client.failing = {("GET", "nodes")}
    await remove_strangers(api.world, api.cluster)
    api.client.failing.clear()
    assert not (await api.left())[1], "a list that failed is no empty one"
    await remove_strangers(api.world, api.cluster)
    assert (await api.left())[1]


async def test_hanode_that_cannot_be_created_is_tried_again(api: Api) -> None:
    api.client.failing = {("POST", "hanodes")}
    assert not await ensure_members(api.world, api.cluster)
    api.client.failing.clear()
    assert await ensure_members(api.world, api.cluster)
    assert api.world.get(kinds.HANODE, "n1") is not None


async def test_fencing_is_recorded_in_an_hanode_that_was_deleted_meanwhile(api: Api) -> None:
    fenced = Fenced(node="n2", boot_id="b", action="reboot", by="pdu on n1")
    task = task_of(api)
    await api.client.delete(kinds.HANODE, "n2")
    assert await task._record_fenced(fenced, epoch=4)
    status = (await api.client.get(kinds.HANODE, "n2"))["status"]
    assert (status["fenced"]["bootId"], status["fenced"]["epoch"]) == ("b", 4)


async def test_record_that_the_api_did_not_take_is_told_as_such(api: Api) -> None:
    api.client.failing = {("PATCH", "hanodes")}
    fenced = Fenced(node="n2", boot_id="b", action="reboot", by="pdu on n1")
    assert not await task_of(api)._record_fenced(fenced, epoch=4)


async def test_deletion_honours_uid_and_version(api: Api) -> None:
    plan = api.leaver()
    for wrong in ({"uid": "another"}, {"resource_version": "1"}):
        with pytest.raises(ApiConflict):
            await api.client.delete(
                kinds.HANODEPLAN,
                "n2",
                **{"uid": plan.plan_uid, "resource_version": plan.plan_version, **wrong},
            )
    await api.client.delete(kinds.HANODEPLAN, "n2", uid=plan.plan_uid, resource_version=plan.plan_version)
    assert (await api.left())[0]

"""What Backstay's client lives through: a real API server that forgets, refuses, falls silent, breaks off, and takes the kind away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay.api import LEASE_NAMESPACE
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiConflict, ApiError, ApiForbidden, ApiGone, ApiNotFound, ApiUnavailable
from backstay_kube.reflector import Reflector
from backstay_nodeagent.lease_client import LeaseClient
from backstay_nodeagent.lease_protocol import LeaseProtocol
from backstay_sandbox import installation, objects
from harness.faulty_proxy import FaultyProxy
from harness.real_server import RealServer

KIND = kinds.HANODEPLAN
PATIENCE_S = 15.0


@pytest.fixture
async def admin(real_server: RealServer) -> AsyncIterator[KubeClient]:
    async with real_server.client() as client:
        yield client


@pytest.fixture
async def proxy(real_server: RealServer) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy(real_server.access).serving() as serving:
        yield serving


@pytest.fixture
async def client(real_server: RealServer, proxy: FaultyProxy, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """The administrator's, through the proxy."""
    document = yaml.safe_load(real_server.kubeconfig.read_text())
    document["clusters"][0]["cluster"] = {"server": proxy.url}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    async with await KubeClient.connect(str(tmp_path / "kubeconfig"), timeout_s=5.0) as connected:
        yield connected


@contextlib.asynccontextmanager
async def following(client: KubeClient, kind: kinds.Kind = KIND, **options: Any) -> AsyncIterator[Reflector]:
    reflector = Reflector(client, kind, **options)
    task = asyncio.create_task(reflector.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await reflector.synced.wait()
        yield reflector
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], what: str, *, timeout_s: float = PATIENCE_S) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s: {what}") from None


async def ensure_plan(admin: KubeClient, name: str) -> None:
    with contextlib.suppress(ApiNotFound):
        await admin.delete(KIND, name)
    await admin.create(KIND, {"metadata": {"name": name}, "spec": {"epoch": 1}})


async def raise_epoch(admin: KubeClient, name: str) -> int:
    epoch = int((await admin.get(KIND, name))["spec"]["epoch"]) + 1
    await admin.patch(KIND, name, {"spec": {"epoch": epoch}})
    return epoch


def shows(reflector: Reflector, name: str, epoch: int) -> Callable[[], bool]:
    def look() -> bool:
        found = reflector.get(name)
        return found is not None and found["spec"]["epoch"] == epoch

    return look


async def test_watch_of_a_forgotten_version_is_gone(admin: KubeClient) -> None:
    with pytest.raises(ApiGone):
        async for _ in admin.watch(KIND, resource_version="1", timeout_s=5):
            pass


async def test_reflector_lists_again_when_its_version_is_forgotten(
    admin: KubeClient, client: KubeClient, proxy: FaultyProxy
) -> None:
    await ensure_plan(admin, "forgotten")
    async with following(client) as reflector:
        await until(lambda: proxy.watches == 1, "the watch begins")
        proxy.past = "1"
        proxy.break_watches()
        await until(lambda: proxy.past == "" and proxy.watches >= 3, "Gone, and a watch after it")
        epoch = await raise_epoch(admin, "forgotten")
        await until(shows(reflector, "forgotten", epoch), "the change")


async def test_page_of_a_compacted_list_is_gone_and_the_whole_is_read_again(
    real_server: RealServer, admin: KubeClient
) -> None:
    if real_server.plane is None:
        pytest.skip("compaction needs etcd of our own, not the server of BACKSTAY_TEST_KUBECONFIG")
    for name in ("page-a", "page-b", "page-c"):
        await ensure_plan(admin, name)
    first = await admin.request("GET", KIND.path(), query={"limit": "1"})
    await raise_epoch(admin, "page-c")
    revision = int((await admin.list(KIND)).resource_version)
    etcd = urllib.request.Request(
        f"{real_server.plane.etcd_url}/v3/kv/compaction",
        data=json.dumps({"revision": str(revision), "physical": True}).encode(),
        headers={"Content-Type": "application/json"},
    )
    await asyncio.to_thread(lambda: urllib.request.urlopen(etcd, timeout=10).read())
    follow = {"limit": "1", "continue": first["metadata"]["continue"]}
    with contextlib.suppress(ApiGone):
        # A server that serves pages from its cache may still know the version; one that asks etcd does not.
        await admin.request("GET", KIND.path(), query=follow)
    async with following(admin) as reflector:
        assert {"page-a", "page-b", "page-c"} <= {one["metadata"]["name"] for one in reflector.objects()}


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_reflector_outlives_refusals_and_does_not_hammer(
    admin: KubeClient, client: KubeClient, proxy: FaultyProxy, code: int
) -> None:
    await ensure_plan(admin, "refused")
    async with following(client) as reflector:
        await until(lambda: proxy.watches == 1, "the watch begins")
        before = proxy.requests
        proxy.refusals = [code] * 4
        proxy.break_watches()
        epoch = await raise_epoch(admin, "refused")
        await until(shows(reflector, "refused", epoch), "the change, after four refusals")
        assert proxy.requests - before <= 4 + 3, "one request per refusal, then a list and a watch"


async def test_refusals_are_told_as_what_they_are(client: KubeClient, proxy: FaultyProxy) -> None:
    for code in (429, 500, 503):
        proxy.refusals = [code]
        with pytest.raises(ApiUnavailable) as refused:
            await client.list(KIND)
        assert refused.value.code == code
        assert refused.value.pause_s(0.1) == (1.0 if code == 429 else 0.1), "what the server asks for"


async def test_silent_watch_is_found_out_by_the_list_behind_it(
    admin: KubeClient, client: KubeClient, proxy: FaultyProxy
) -> None:
    await ensure_plan(admin, "silent")
    async with following(client, relist_s=1.0) as reflector:
        await until(lambda: proxy.watches >= 1, "the watch begins")
        proxy.fall_silent()
        epoch = await raise_epoch(admin, "silent")
        await until(shows(reflector, "silent", epoch), "the change, though no watch tells it", timeout_s=6.0)
        await admin.delete(KIND, "silent")
        await until(lambda: reflector.get("silent") is None, "the deletion, too", timeout_s=6.0)


async def test_broken_watches_lose_nothing(admin: KubeClient, client: KubeClient, proxy: FaultyProxy) -> None:
    await ensure_plan(admin, "broken")
    async with following(client) as reflector:
        for _ in range(5):
            epoch = await raise_epoch(admin, "broken")
            proxy.break_watches()
            await until(shows(reflector, "broken", epoch), "the change", timeout_s=10.0)


async def test_watches_ask_for_bookmarks_and_the_reflector_takes_them_as_a_sign_of_life(
    admin: KubeClient, client: KubeClient, proxy: FaultyProxy
) -> None:
    """Servers send them when they like, on a quiet watch about once a minute: here the proxy brings one."""
    listed = await admin.list(KIND)
    async with following(client) as reflector:
        await until(lambda: proxy.watches == 1, "the watch begins")
        assert proxy.watch_query["allowWatchBookmarks"] == "true"
        names, heard_at = {one["metadata"]["name"] for one in reflector.objects()}, reflector.heard_at
        metadata = {"resourceVersion": listed.resource_version}
        proxy.say({"type": "BOOKMARK", "object": {"kind": "HANodePlan", "metadata": metadata}})
        await until(lambda: reflector.heard_at > heard_at, "the bookmark")
        assert {one["metadata"]["name"] for one in reflector.objects()} == names


async def test_lists_are_read_by_pages(client: KubeClient, admin: KubeClient, proxy: FaultyProxy) -> None:
    for number in range(5):
        await ensure_plan(admin, f"paged-{number}")
    before = proxy.requests
    listed = await client.list(KIND, page_size=2)
    names = [one["metadata"]["name"] for one in listed.items]
    assert len(names) == len(set(names))
    assert proxy.requests - before == -(-len(names) // 2)


async def test_reflector_lives_through_the_deletion_of_its_kind(admin: KubeClient) -> None:
    kind = kinds.HATRANSITION
    definition = next(one for one in objects.definitions() if one["spec"]["names"]["kind"] == kind.name)
    body = {"metadata": {"name": "before"}, "spec": {"cluster": "c", "number": 1}}
    with contextlib.suppress(ApiConflict):
        await admin.create(kind, body)
    async with following(admin, kind, relist_s=1.0) as reflector:
        assert reflector.get("before") is not None
        await admin.delete(kinds.CRD, definition["metadata"]["name"])
        await until(lambda: reflector.get("before") is None, "what went with the kind is gone here too")
        await until_defined_again(admin, definition)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(ApiNotFound):
                    await admin.create(kind, {**body, "metadata": {"name": "after"}})
                    break
                await asyncio.sleep(0.1)
        await until(lambda: reflector.get("after") is not None, "what came with the kind made anew")
    await admin.delete(kind, "after")


async def until_defined_again(admin: KubeClient, definition: dict[str, Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(ApiError):
                await admin.create(kinds.CRD, definition)
                return
            await asyncio.sleep(0.1)


async def test_renewed_token_is_used_before_the_old_one_is_refused(
    real_server: RealServer, admin: KubeClient, tmp_path: Path
) -> None:
    """As a kubelet renews it: the file is exchanged under a running client, and the old pod's token dies."""
    node = "token-node"
    with contextlib.suppress(ApiConflict):
        await admin.create(kinds.NODE, {"metadata": {"name": node}})
    await ensure_plan(admin, node)
    pod = await installation.ensure_pod(admin, account=installation.AGENT, node=node)
    old = await installation.bound_token(admin, account=installation.AGENT, pod=pod)
    (tmp_path / "token").write_text(old)
    document = yaml.safe_load(real_server.kubeconfig_with(old, name="rotated").read_text())
    document["users"][0]["user"] = {"tokenFile": "token"}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    async with await KubeClient.connect(str(tmp_path / "kubeconfig")) as agent:
        protocol = LeaseProtocol(namespace=LEASE_NAMESPACE, node=node, boot_id="boot", held=False)
        keeper = LeaseClient({**keeper_access(agent)}, protocol)
        await agent.list(KIND)
        await asyncio.to_thread(lambda: keeper.renew({"holderIdentity": node}, {}, timeout_s=5.0))
        await installation.delete_pod(admin, account=installation.AGENT, node=node)
        pod = await installation.ensure_pod(admin, account=installation.AGENT, node=node)
        fresh = await installation.bound_token(admin, account=installation.AGENT, pod=pod)
        (tmp_path / "new").write_text(fresh)
        (tmp_path / "new").rename(tmp_path / "token")
        async with real_server.client_with(old, name="old") as late:
            await until_refused(late)
        await agent.list(KIND)
        await asyncio.to_thread(lambda: keeper.renew({"holderIdentity": node}, {}, timeout_s=5.0))
        assert agent.credentials().token == fresh


def keeper_access(client: KubeClient) -> dict[str, str]:
    from backstay_nodeagent.program import access_of

    return dict(access_of(client))  # type: ignore[arg-type]


async def until_refused(client: KubeClient) -> None:
    async with asyncio.timeout(30.0):
        while True:
            try:
                await client.list(KIND)
            except ApiForbidden as error:
                if error.code == 401:
                    return
                raise
            await asyncio.sleep(0.2)


async def test_namespace_with_resources_in_it_deletes_cleanly(real_server: RealServer) -> None:
    """No agent and no operator runs here: nothing of ours may hold it."""
    manifest = """
apiVersion: ha.backstay.io/v1alpha1
kind: HAResource
metadata: {name: r, namespace: leaving}
spec: {agent: "ocf:heartbeat:Dummy"}
"""
    real_server.kubectl("create", "namespace", "leaving")
    real_server.kubectl("apply", "--server-side", "-f", "-", given=manifest)
    await asyncio.to_thread(lambda: real_server.kubectl("delete", "namespace", "leaving", "--timeout=25s"))

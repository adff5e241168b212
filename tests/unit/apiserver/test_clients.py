"""kopf and the kubernetes client, sync and asyncio, run on the server unchanged."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from unit.apiserver.servers import Server

kubernetes = pytest.importorskip("kubernetes")
kopf = pytest.importorskip("kopf")

DEFINITION = Path(__file__).parent / "gizmo.yaml"
GIZMOS = ("ha.example.io", "v1alpha1", "default", "gizmos")
WAIT_S = 15


@pytest.fixture(autouse=True, scope="module")
def _definition(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    import yaml
    from kubernetes import config, dynamic
    from kubernetes.dynamic import exceptions  # noqa: F401 (makes dynamic.exceptions known)

    api = config.new_client_from_config(str(server.kubeconfig))
    discovered = str(tmp_path_factory.mktemp("discovered") / "cache.json")
    definitions = dynamic.DynamicClient(api, cache_file=discovered).resources.get(
        api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition"
    )
    with contextlib.suppress(dynamic.exceptions.ConflictError):
        definitions.create(body=yaml.safe_load(DEFINITION.read_text()))
    # A real server takes a moment to serve what was defined.
    server.kubectl("wait", "--for=condition=Established", "crd/gizmos.ha.example.io", "--timeout=10s")


def gizmo(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "ha.example.io/v1alpha1",
        "kind": "Gizmo",
        "metadata": {"name": name},
        "spec": {"agent": "ocf:x"},
    }


@pytest.fixture
async def aio(server: Server) -> AsyncIterator[Any]:
    from kubernetes.aio import client, config

    configuration = client.Configuration()
    await config.load_kube_config(str(server.kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield api


def test_sync_client_renews_a_lease_by_patch(server: Server) -> None:
    from kubernetes import client, config

    leases = client.CoordinationV1Api(config.new_client_from_config(str(server.kubeconfig)))
    spec = client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=3)
    leases.create_namespaced_lease("default", client.V1Lease(metadata={"name": "beat"}, spec=spec))
    renewed = "2026-01-01T00:00:00.000001Z"
    lease = leases.patch_namespaced_lease("beat", "default", {"spec": {"renewTime": renewed}})
    assert lease.spec.renew_time.isoformat() == "2026-01-01T00:00:00.000001+00:00"
    stale = client.V1Lease(metadata={"name": "beat", "resourceVersion": "1"}, spec=spec)
    with pytest.raises(client.ApiException) as refused:
        leases.replace_namespaced_lease("beat", "default", stale)
    assert refused.value.status == 409


def test_sync_client_watches_and_resumes(server: Server) -> None:
    from kubernetes import client, config, watch

    core = client.CoreV1Api(config.new_client_from_config(str(server.kubeconfig)))
    start = core.list_namespaced_config_map("default").metadata.resource_version
    for name in ("w1", "w2"):
        core.create_namespaced_config_map(
            "default", client.V1ConfigMap(metadata={"name": name}, data={"k": "v"})
        )
    seen = [
        (event["type"], event["object"].metadata.name)
        for event in watch.Watch().stream(
            core.list_namespaced_config_map, "default", resource_version=start, timeout_seconds=1
        )
    ]
    assert seen == [("ADDED", "w1"), ("ADDED", "w2")]


async def test_asyncio_client_sees_a_patch_within_milliseconds(aio: Any) -> None:
    from kubernetes.aio import client, watch

    objects = client.CustomObjectsApi(aio)
    await objects.create_namespaced_custom_object(*GIZMOS, gizmo("quick"))
    took: list[float] = []
    started = 0.0

    async def look() -> None:
        async with watch.Watch() as stream:
            async for event in stream.stream(
                objects.list_namespaced_custom_object, *GIZMOS, field_selector="metadata.name=quick"
            ):
                if event["type"] == "MODIFIED":
                    took.append(time.perf_counter() - started)
                    if len(took) == 20:
                        return

    looking = asyncio.create_task(look())
    await asyncio.sleep(0.2)
    for epoch in range(10, 30):
        started = time.perf_counter()
        await objects.patch_namespaced_custom_object(
            *GIZMOS, "quick", {"spec": {"epoch": epoch}}, _content_type="application/merge-patch+json"
        )
        await asyncio.sleep(0.01)
    await asyncio.wait_for(looking, WAIT_S)
    assert sorted(took)[10] < 0.1, "half of the events come within 100 ms even on a busy machine"


async def test_asyncio_client_gets_410_for_a_version_of_another_life(aio: Any) -> None:
    from kubernetes.aio import client, watch

    core = client.CoreV1Api(aio)

    async def look() -> None:
        async with watch.Watch() as stream:
            async for _ in stream.stream(
                core.list_namespace, resource_version="999999999", timeout_seconds=5
            ):
                pass

    with pytest.raises(client.ApiException) as refused:
        await look()
    assert refused.value.status == 410


async def test_kopf_operator_handles_creation_and_events(server: Server, aio: Any) -> None:
    from kubernetes.aio import client

    registry = kopf.OperatorRegistry()
    told: list[tuple[str, str]] = []

    @kopf.on.create("ha.example.io", "v1alpha1", "gizmos", registry=registry, id="created")
    async def created(body: Any, name: str, **_: Any) -> dict[str, int]:
        kopf.event(body, type="Normal", reason="Made", message="it was made")
        return {"made": len(name)}

    @kopf.on.event("ha.example.io", "v1alpha1", "gizmos", registry=registry)
    async def happened(event: Any, name: str, **_: Any) -> None:
        told.append((str(event["type"]), name))

    @kopf.on.login(registry=registry)
    def login(**given: Any) -> Any:
        return kopf.login_with_kubeconfig(**given)

    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.persistence.progress_storage = kopf.StatusProgressStorage(field="status.kopf.progress")
    stop, ready = asyncio.Event(), asyncio.Event()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KUBECONFIG", str(server.kubeconfig))
        operator = asyncio.create_task(
            kopf.operator(
                registry=registry, settings=settings, clusterwide=True, stop_flag=stop, ready_flag=ready
            )
        )
        try:
            await asyncio.wait_for(ready.wait(), WAIT_S)
            objects = client.CustomObjectsApi(aio)
            await objects.create_namespaced_custom_object(*GIZMOS, gizmo("handled"))
            status = await _until_status(objects, "handled", "created")
            assert status["created"] == {"made": 7}
            await objects.delete_namespaced_custom_object(*GIZMOS, "handled")
            async with asyncio.timeout(WAIT_S):
                while ("DELETED", "handled") not in told:
                    await asyncio.sleep(0.02)
        finally:
            stop.set()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(operator, WAIT_S)
    events = (await client.CoreV1Api(aio).list_namespaced_event("default")).items
    assert ("handled", "Made") in [(event.involved_object.name, event.reason) for event in events]


async def _until_status(objects: Any, name: str, key: str) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await objects.get_namespaced_custom_object(*GIZMOS, name)
            if key in found.get("status", {}):
                return dict(found["status"])
            await asyncio.sleep(0.05)

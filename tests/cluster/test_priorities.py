"""What the API server does first (charts/backstay/files/flowcontrol): seen by the schema that it names in the head of each answer."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request

import pytest

from backstay.api import LEASE_NAMESPACE
from backstay_kube import kinds
from backstay_kube.client import MERGE_PATCH
from backstay_sandbox import installation
from backstay_sandbox.installation import AGENT, OPERATOR
from harness.real_server import RealServer

pytestmark = pytest.mark.cluster
NODE = "priorities"
UNDERSTOOD_WITHIN_S = 20.0


def schema_of(server: RealServer, token: str, path: str) -> str:
    """Uid of the FlowSchema under which a patch was done, whatever came of it. Nothing is written."""
    request = urllib.request.Request(
        f"{server.url}{path}?dryRun=All",
        method="PATCH",
        data=b"{}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": MERGE_PATCH},
    )
    unchecked = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(request, timeout=10, context=unchecked) as answer:
            return str(answer.headers["X-Kubernetes-PF-FlowSchema-UID"])
    except urllib.error.HTTPError as error:
        return str(error.headers["X-Kubernetes-PF-FlowSchema-UID"])


@pytest.mark.parametrize(
    ("account", "path", "schema"),
    [
        (AGENT, kinds.LEASE.path(LEASE_NAMESPACE, f"node-{NODE}"), "backstay-urgent"),
        (OPERATOR, kinds.LEASE.path(LEASE_NAMESPACE, "dc-c"), "backstay-urgent"),
        (OPERATOR, kinds.HANODEPLAN.path(None, NODE), "backstay-urgent"),
        (OPERATOR, kinds.HACLUSTER.path(None, "c", "status"), "backstay-urgent"),
        (AGENT, kinds.HANODEPLAN.path(None, NODE, "status"), "backstay-reports"),
        (OPERATOR, kinds.HARESOURCE.path("default", "vip", "status"), "backstay-reports"),
        (OPERATOR, kinds.RESOURCEGROUP.path("default", "app", "status"), "backstay-reports"),
    ],
)
async def test_heartbeats_and_orders_do_not_queue_behind_reports(
    real_server: RealServer, account: str, path: str, schema: str
) -> None:
    async with real_server.client() as admin:
        token = await installation.bound_token(admin, account=account, pod=None)
        wanted = (await admin.get(installation.KINDS["FlowSchema"], schema))["metadata"]["uid"]
    until = time.monotonic() + UNDERSTOOD_WITHIN_S  # the server learns of schemas by a watch
    while (found := schema_of(real_server, token, path)) != wanted and time.monotonic() < until:
        time.sleep(0.2)
    assert found == wanted


async def test_priorities_are_understood_and_lead_somewhere(real_server: RealServer) -> None:
    async with real_server.client() as admin:
        for name in ("backstay-urgent", "backstay-reports"):
            schema = await admin.get(installation.KINDS["FlowSchema"], name)
            level = await admin.get(installation.KINDS["PriorityLevelConfiguration"], name)
            dangling = [one for one in schema["status"]["conditions"] if one["type"] == "Dangling"]
            assert [one["status"] for one in dangling] == ["False"]
            assert level["spec"]["type"] == "Limited"

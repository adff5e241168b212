"""Who may do what, asked with real tokens of the API server's own making: bound to pods on nodes, checked by RBAC and admission."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from backstay.api import LEASE_NAMESPACE, HACluster, HAResource
from backstay_kube import kinds
from backstay_kube.client import APPLY_PATCH, KubeClient
from backstay_kube.errors import ApiConflict, ApiError, ApiForbidden, ApiNotFound
from backstay_nodeagent.node_token import Account, request_token
from backstay_operator.secret_grants import SecretGrants, wanted_grants
from backstay_sandbox import installation
from backstay_sandbox.installation import AGENT, OPERATOR
from harness.real_server import RealServer

NODES = ("rights-a", "rights-b")
LEASE = {"holderIdentity": "x", "leaseDurationSeconds": 3}
STATUS = {"status": {"observedGeneration": 1}}
AUDIENCE = "https://kubernetes.default.svc.cluster.local"


@pytest.fixture
async def admin(real_server: RealServer) -> AsyncIterator[KubeClient]:
    async with real_server.client() as client:
        for name in NODES:
            with contextlib.suppress(ApiConflict):
                await client.create(kinds.NODE, {"metadata": {"name": name}})
            with contextlib.suppress(ApiConflict):
                await client.create(kinds.HANODEPLAN, {"metadata": {"name": name}, "spec": {"epoch": 1}})
        yield client


@pytest.fixture
async def agent(real_server: RealServer, admin: KubeClient) -> AsyncIterator[KubeClient]:
    """The node agent of rights-a."""
    pod = await installation.ensure_pod(admin, account=AGENT, node=NODES[0])
    token = await installation.bound_token(admin, account=AGENT, pod=pod)
    async with real_server.client_with(token, name="agent") as client:
        yield client


@pytest.fixture
async def homeless(real_server: RealServer, admin: KubeClient) -> AsyncIterator[KubeClient]:
    """The agents' account, with a token of no pod."""
    token = await installation.bound_token(admin, account=AGENT, pod=None)
    async with real_server.client_with(token, name="homeless") as client:
        yield client


@pytest.fixture
async def operator(real_server: RealServer, admin: KubeClient) -> AsyncIterator[KubeClient]:
    pod = await installation.ensure_pod(admin, account=OPERATOR, node=NODES[0])
    token = await installation.bound_token(admin, account=OPERATOR, pod=pod)
    async with real_server.client_with(token, name="operator") as client:
        yield client


async def remove(admin: KubeClient, kind: kinds.Kind, name: str, namespace: str | None = None) -> None:
    with contextlib.suppress(ApiError):
        await admin.delete(kind, name, namespace)


def lease(name: str, namespace: str = LEASE_NAMESPACE) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": LEASE}


# -- the node agent


async def test_agent_creates_and_renews_its_own_lease(agent: KubeClient, admin: KubeClient) -> None:
    await remove(admin, kinds.LEASE, "node-rights-a", LEASE_NAMESPACE)
    await agent.create(kinds.LEASE, lease("node-rights-a"), LEASE_NAMESPACE)
    renewed = await agent.patch(
        kinds.LEASE, "node-rights-a", {"spec": {"leaseDurationSeconds": 4}}, namespace=LEASE_NAMESPACE
    )
    assert renewed["spec"]["leaseDurationSeconds"] == 4


@pytest.mark.parametrize("name", ["node-rights-b", "dc-sandbox", "operator-x", "rights-a"])
async def test_agent_creates_no_other_lease(agent: KubeClient, name: str) -> None:
    with pytest.raises(ApiForbidden, match="may write the Lease node-rights-a only"):
        await agent.create(kinds.LEASE, lease(name), LEASE_NAMESPACE)


async def test_agent_cannot_have_a_lease_named_for_it(agent: KubeClient) -> None:
    unnamed = {"metadata": {"generateName": "node-rights-", "namespace": LEASE_NAMESPACE}, "spec": LEASE}
    with pytest.raises(ApiForbidden, match="may write the Lease node-rights-a only"):
        await agent.create(kinds.LEASE, unnamed, LEASE_NAMESPACE)


async def test_agent_renews_no_other_lease(agent: KubeClient, admin: KubeClient) -> None:
    with contextlib.suppress(ApiConflict):
        await admin.create(kinds.LEASE, lease("node-rights-b"), LEASE_NAMESPACE)
    with pytest.raises(ApiForbidden, match="may write the Lease node-rights-a only, not node-rights-b"):
        await agent.patch(
            kinds.LEASE, "node-rights-b", {"spec": {"holderIdentity": "thief"}}, namespace=LEASE_NAMESPACE
        )
    kept = await admin.get(kinds.LEASE, "node-rights-b", LEASE_NAMESPACE)
    assert kept["spec"]["holderIdentity"] == "x"


async def test_agent_writes_a_lease_in_no_other_namespace(agent: KubeClient) -> None:
    with pytest.raises(ApiForbidden):
        await agent.create(kinds.LEASE, lease("node-rights-a", "default"), "default")


async def test_agent_writes_the_status_of_its_own_plan(agent: KubeClient) -> None:
    written = await agent.patch(kinds.HANODEPLAN, "rights-a", STATUS, subresource="status")
    assert written["status"]["observedGeneration"] == 1


async def test_agent_writes_the_status_of_no_other_plan(agent: KubeClient, admin: KubeClient) -> None:
    with pytest.raises(ApiForbidden, match="may write the status of HANodePlan rights-a only"):
        await agent.patch(kinds.HANODEPLAN, "rights-b", STATUS, subresource="status")
    other = await admin.get(kinds.HANODEPLAN, "rights-b")
    assert not (other.get("status") or {}).get("observedGeneration")


@pytest.mark.parametrize("name", NODES)
async def test_agent_writes_no_plan_itself(agent: KubeClient, admin: KubeClient, name: str) -> None:
    before = (await admin.get(kinds.HANODEPLAN, name))["spec"]
    with pytest.raises(ApiForbidden):
        await agent.patch(kinds.HANODEPLAN, name, {"spec": {"epoch": 99}})
    with pytest.raises(ApiForbidden):
        await agent.create(kinds.HANODEPLAN, {"metadata": {"name": f"{name}-new"}, "spec": {"epoch": 1}})
    with pytest.raises(ApiForbidden):
        await agent.delete(kinds.HANODEPLAN, name)
    # A status write carries no spec with it, whatever the body says.
    with contextlib.suppress(ApiForbidden):
        await agent.patch(kinds.HANODEPLAN, name, {"spec": {"epoch": 99}, **STATUS}, subresource="status")
    assert (await admin.get(kinds.HANODEPLAN, name))["spec"] == before


async def test_agent_deletes_no_lease_not_even_its_own(agent: KubeClient, admin: KubeClient) -> None:
    for name in ("node-rights-a", "node-rights-b"):
        with contextlib.suppress(ApiConflict):
            await admin.create(kinds.LEASE, lease(name), LEASE_NAMESPACE)
        with pytest.raises(ApiForbidden):
            await agent.delete(kinds.LEASE, name, LEASE_NAMESPACE)


async def test_token_of_no_pod_writes_nothing(homeless: KubeClient) -> None:
    with pytest.raises(ApiForbidden, match="not bound to a pod on a node"):
        await homeless.create(kinds.LEASE, lease("node-rights-a"), LEASE_NAMESPACE)
    with pytest.raises(ApiForbidden, match="not bound to a pod on a node"):
        await homeless.patch(kinds.HANODEPLAN, "rights-a", STATUS, subresource="status")


async def test_policy_holds_an_agent_that_was_given_too_many_rights(
    real_server: RealServer, admin: KubeClient, agent: KubeClient
) -> None:
    """RBAC may be widened by mistake; the policy is a wall of its own, DELETE and the main endpoint included."""
    real_server.kubectl(
        *("create", "clusterrolebinding", "too-much", "--clusterrole=cluster-admin"),
        f"--serviceaccount={LEASE_NAMESPACE}:{AGENT}",
    )
    try:
        for name in NODES:
            with contextlib.suppress(ApiConflict):
                await admin.create(kinds.LEASE, lease(f"node-{name}"), LEASE_NAMESPACE)
        await until_allowed(agent)
        refused = "may write the (Lease|status)|a node agent may not write"
        with pytest.raises(ApiForbidden, match=refused):
            await agent.patch(kinds.HANODEPLAN, "rights-a", {"spec": {"epoch": 99}})
        with pytest.raises(ApiForbidden, match=refused):
            await agent.delete(kinds.HANODEPLAN, "rights-b")
        with pytest.raises(ApiForbidden, match=refused):
            await agent.create(kinds.HANODEPLAN, {"metadata": {"name": "rights-c"}, "spec": {"epoch": 1}})
        with pytest.raises(ApiForbidden, match=refused):
            await agent.delete(kinds.LEASE, "node-rights-b", LEASE_NAMESPACE)
        with pytest.raises(ApiForbidden, match=refused):
            await agent.create(kinds.LEASE, lease("node-rights-a", "default"), "default")
        with pytest.raises(ApiForbidden, match=refused):
            await agent.create(kinds.NODE, {"metadata": {"name": "rights-new"}})
    finally:
        real_server.kubectl("delete", "clusterrolebinding", "too-much")


async def until_allowed(client: KubeClient) -> None:
    """RBAC is learnt by a watch: wait until it says yes to what only the wide role allows."""
    for _ in range(50):
        with contextlib.suppress(ApiForbidden):
            await client.list(kinds.SECRET)
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the binding is not in force after five seconds")


async def test_token_ends_with_its_pod(real_server: RealServer, admin: KubeClient) -> None:
    pod = await installation.ensure_pod(admin, account=AGENT, node=NODES[1])
    token = await installation.bound_token(admin, account=AGENT, pod=pod)
    async with real_server.client_with(token, name="mortal") as client:
        await client.list(kinds.HANODEPLAN)
        await installation.delete_pod(admin, account=AGENT, node=NODES[1])
        # The server remembers a token that it has checked for some seconds.
        refusal = await refusal_of(client)
        assert refusal is not None
        assert refusal.code == 401


async def refusal_of(client: KubeClient) -> ApiForbidden | None:
    for _ in range(150):
        try:
            await client.list(kinds.HANODEPLAN)
        except ApiForbidden as error:
            return error
        await asyncio.sleep(0.1)
    return None


@pytest.mark.parametrize("kind", [kinds.SECRET, kinds.LEASE, kinds.HARESOURCE, kinds.NODE, kinds.EVENT])
async def test_agent_lists_nothing_but_plans(agent: KubeClient, kind: kinds.Kind) -> None:
    with pytest.raises(ApiForbidden):
        await agent.list(kind)


# -- the operator


async def test_operator_reads_no_secret(operator: KubeClient) -> None:
    with pytest.raises(ApiForbidden):
        await operator.get(kinds.SECRET, "anything", LEASE_NAMESPACE)
    with pytest.raises(ApiForbidden):
        await operator.list(kinds.SECRET)


async def test_operator_makes_no_secret(operator: KubeClient) -> None:
    for type_, name in (("kubernetes.io/service-account-token", "token-x"), ("Opaque", "other")):
        body = {
            "metadata": {
                "name": name,
                "namespace": LEASE_NAMESPACE,
                "annotations": {"kubernetes.io/service-account.name": AGENT},
            },
            "type": type_,
        }
        with pytest.raises(ApiForbidden):
            await operator.create(kinds.SECRET, body, LEASE_NAMESPACE)


ROLE_NAME = "backstay-nodeagent-secrets"


def role(name: str = ROLE_NAME, **rule: Any) -> dict[str, Any]:
    good = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]}
    return {"metadata": {"name": name, "namespace": "default"}, "rules": [{**good, **rule}]}


async def apply(client: KubeClient, kind: kinds.Kind, body: dict[str, Any]) -> None:
    metadata = body["metadata"]
    await client.patch(
        kind, metadata["name"], body, namespace=metadata["namespace"], content_type=APPLY_PATCH
    )


async def test_operator_grants_agents_the_reading_of_named_secrets(
    operator: KubeClient, admin: KubeClient, agent: KubeClient
) -> None:
    for name in ("db", "other-db"):
        with contextlib.suppress(ApiConflict):
            await admin.create(kinds.SECRET, {"metadata": {"name": name, "namespace": "default"}}, "default")
    with pytest.raises(ApiForbidden):
        await agent.get(kinds.SECRET, "db", "default")
    resource = HAResource.parse(
        {
            "metadata": {"name": "r", "namespace": "default"},
            "spec": {
                "agent": "ocf:heartbeat:Dummy",
                "paramsFrom": {"password": {"secretKeyRef": {"name": "db", "key": "p"}}},
            },
        }
    )
    grants = SecretGrants(operator)
    await grants.ensure(wanted_grants([resource], [], []), [])
    await until_readable(agent, "db")
    for refused in ("other-db", "nothing"):
        with pytest.raises(ApiForbidden):
            await agent.get(kinds.SECRET, refused, "default")
    with pytest.raises(ApiForbidden):
        await agent.list(kinds.SECRET, "default")
    written = grants.writes
    another = SecretGrants(operator)
    await another.ensure(wanted_grants([resource], [], []), [])
    assert (written, another.writes) == (2, 0), "what is granted already is not written again"
    await another.ensure({}, [])
    with pytest.raises(ApiNotFound):
        await admin.get(kinds.ROLE, ROLE_NAME, "default")
    await grants_are_renewed_for_a_cluster_made_anew(admin, operator, resource)


async def grants_are_renewed_for_a_cluster_made_anew(
    admin: KubeClient, operator: KubeClient, resource: HAResource
) -> None:
    """They belong to their clusters, and vanish with the last one."""
    body = {"metadata": {"name": "granting"}, "spec": {"nodeSelector": {"backstay.io/none": "x"}}}
    uids = []
    for _ in range(2):
        cluster = HACluster.parse(await admin.create(kinds.HACLUSTER, body))
        await SecretGrants(operator).ensure(wanted_grants([resource], [], []), [cluster])
        references = (await admin.get(kinds.ROLE, ROLE_NAME, "default"))["metadata"]["ownerReferences"]
        assert [one["uid"] for one in references] == [cluster.metadata.uid]
        uids.append(cluster.metadata.uid)
        await admin.delete(kinds.HACLUSTER, "granting")
        # The controller manager collects what belonged to it; it learns of new kinds every half a minute.
        async with asyncio.timeout(90.0):
            with contextlib.suppress(ApiNotFound):
                while await admin.get(kinds.ROLE, ROLE_NAME, "default"):
                    await asyncio.sleep(0.2)
    assert uids[0] != uids[1]


async def until_readable(client: KubeClient, name: str) -> None:
    for _ in range(50):
        with contextlib.suppress(ApiForbidden):
            await client.get(kinds.SECRET, name, "default")
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} can't be read after five seconds")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (role(name="other"), "other"),
        (role(verbs=["get", "list"]), "`get` of Secrets given by name"),
        (role(verbs=["*"]), "`get` of Secrets given by name"),
        (role(resourceNames=[]), "`get` of Secrets given by name"),
        (role(resources=["secrets", "pods"]), "`get` of Secrets given by name"),
        (role(resources=["serviceaccounts/token"], verbs=["create"]), "`get` of Secrets given by name"),
        (role(apiGroups=["*"]), "`get` of Secrets given by name"),
    ],
    ids=["name", "list", "all verbs", "unnamed", "pods", "tokens", "groups"],
)
async def test_operator_grants_nothing_but_named_secrets(
    operator: KubeClient, body: dict[str, Any], why: str
) -> None:
    with pytest.raises(ApiForbidden, match=why):
        await apply(operator, kinds.ROLE, body)


@pytest.mark.parametrize(
    ("subject", "role_ref"),
    [
        ({"kind": "ServiceAccount", "name": OPERATOR, "namespace": LEASE_NAMESPACE}, ROLE_NAME),
        ({"kind": "ServiceAccount", "name": AGENT, "namespace": "default"}, ROLE_NAME),
        ({"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}, ROLE_NAME),
        ({"kind": "ServiceAccount", "name": AGENT, "namespace": LEASE_NAMESPACE}, "other"),
    ],
    ids=["itself", "another namespace's", "a person", "another role"],
)
async def test_operator_grants_to_nobody_but_agents(
    operator: KubeClient, subject: dict[str, str], role_ref: str
) -> None:
    body = {
        "metadata": {"name": ROLE_NAME, "namespace": "default"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role_ref},
        "subjects": [subject],
    }
    with pytest.raises((ApiForbidden, ApiNotFound)):
        await apply(operator, kinds.ROLEBINDING, body)


async def test_operator_writes_no_spec_that_people_write(operator: KubeClient, admin: KubeClient) -> None:
    body = {"metadata": {"name": "rights", "namespace": "default"}, "spec": {"agent": "ocf:pacemaker:Dummy"}}
    with pytest.raises(ApiForbidden):
        await operator.create(kinds.HARESOURCE, body, "default")
    await remove(admin, kinds.HARESOURCE, "rights", "default")
    await admin.create(kinds.HARESOURCE, body, "default")
    with pytest.raises(ApiForbidden):
        await operator.patch(kinds.HARESOURCE, "rights", {"spec": {"agent": "lsb:evil"}}, namespace="default")
    done = await operator.patch(
        kinds.HARESOURCE, "rights", {"status": {"role": "Stopped"}}, namespace="default", subresource="status"
    )
    assert done["spec"]["agent"] == "ocf:pacemaker:Dummy"
    await admin.delete(kinds.HARESOURCE, "rights", "default")


async def test_agent_gets_a_token_of_its_own_node_that_outlives_its_pod_and_no_other(
    real_server: RealServer, admin: KubeClient, agent: KubeClient
) -> None:
    account = Account(LEASE_NAMESPACE, AGENT)
    own = await request_token(agent, account, NODES[0])
    with pytest.raises(ApiForbidden, match="bound to the Node rights-a, and no other"):
        await request_token(agent, account, NODES[1])
    with pytest.raises(ApiForbidden):
        await request_token(agent, Account(LEASE_NAMESPACE, OPERATOR), NODES[0])
    path = installation.SERVICE_ACCOUNT.path(LEASE_NAMESPACE, AGENT, "token")
    unbound = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    with pytest.raises(ApiForbidden, match="and no other"):
        await agent.request("POST", path, body=unbound)
    bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": NODES[0]}}
    for more in (
        {"audiences": ["vault"]},
        {"audiences": [AUDIENCE, "sts.amazonaws.com"]},
        {"expirationSeconds": 86_401},
        {"audiences": [AUDIENCE], "expirationSeconds": 10 * 365 * 86_400},
    ):
        with pytest.raises(ApiForbidden, match=r"for the API server .* that lasts 86400 s at most"):
            await agent.request("POST", path, body={**unbound, "spec": {**bound, **more}})
    short = {**bound, "audiences": [AUDIENCE], "expirationSeconds": 600}
    await agent.request("POST", path, body={**unbound, "spec": short})
    await installation.delete_pod(admin, account=AGENT, node=NODES[0])
    async with real_server.client_with(own, name="keeper") as keeper:
        lease = {"metadata": {"name": f"node-{NODES[0]}", "namespace": LEASE_NAMESPACE}, "spec": LEASE}
        with contextlib.suppress(ApiConflict):
            await keeper.create(kinds.LEASE, lease, LEASE_NAMESPACE)
        await keeper.patch(kinds.LEASE, f"node-{NODES[0]}", {"spec": LEASE}, namespace=LEASE_NAMESPACE)
        with pytest.raises(ApiForbidden):
            await keeper.patch(kinds.LEASE, f"node-{NODES[1]}", {"spec": LEASE}, namespace=LEASE_NAMESPACE)

"""The chart's accounts, rights and admission policies and priorities, applied without helm; and tokens as pods on nodes get them.

The chart keeps this content as plain YAML whose only expressions are the release's namespace and the audiences of tokens
(charts/backstay/files), so that what is tested and what the sandbox runs under is what the chart installs, to the letter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backstay.api import LEASE_NAMESPACE
from backstay_kube.errors import ApiConflict, ApiNotFound
from backstay_kube.kinds import ROLE, ROLEBINDING, Kind

if TYPE_CHECKING:
    from backstay_kube.client import KubeClient

CHART = Path(__file__).resolve().parents[2] / "charts/backstay"
PARTS = ("rbac", "admission", "flowcontrol")
NAMESPACE_EXPRESSION = "{{ .Release.Namespace }}"
AUDIENCES_EXPRESSION = "{{ toJson .Values.nodeagent.tokenAudiences }}"
OPERATOR, AGENT = "backstay-operator", "backstay-nodeagent"
"""The ServiceAccounts."""
APPLY_PATCH = "application/apply-patch+yaml"

Manifest = dict[str, Any]

SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount", True)
POD = Kind("", "v1", "pods", "Pod", True)
_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
_FLOW = "flowcontrol.apiserver.k8s.io"
KINDS = {
    kind.name: kind
    for kind in (
        *(SERVICE_ACCOUNT, ROLE, ROLEBINDING),
        Kind(_RBAC, "v1", "clusterroles", "ClusterRole", False),
        Kind(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False),
        Kind(_ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False),
        Kind(
            _ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", False
        ),
        Kind(_FLOW, "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", False),
        Kind(_FLOW, "v1", "flowschemas", "FlowSchema", False),
    )
}


class InstallationError(RuntimeError):
    """The chart is not there, or is not what this can read; the message is for the user."""


def security_manifests(namespace: str = LEASE_NAMESPACE) -> list[Manifest]:
    """ServiceAccounts, roles, bindings, policies and priorities, in the order in which they are applied."""
    found: list[Manifest] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        for name in (OPERATOR, AGENT)
    ]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    audiences = json.dumps(values["nodeagent"]["tokenAudiences"])
    for part in PARTS:
        paths = sorted((CHART / "files" / part).glob("*.yaml"))
        if not paths:
            raise InstallationError(
                f"{CHART / 'files' / part} is not there; this needs a checkout of the repository"
            )
        for path in paths:
            text = path.read_text().replace(NAMESPACE_EXPRESSION, namespace)
            text = text.replace(AUDIENCES_EXPRESSION, audiences)
            if "{{" in text:
                raise InstallationError(
                    f"{path}: only {NAMESPACE_EXPRESSION} and {AUDIENCES_EXPRESSION} may stand in it"
                )
            found += [document for document in yaml.safe_load_all(text) if document]
    return found


async def install_security(client: KubeClient, namespace: str = LEASE_NAMESPACE) -> None:
    """Apply all of it; the namespace must be there."""
    for manifest in security_manifests(namespace):
        metadata = manifest["metadata"]
        await client.patch(
            KINDS[manifest["kind"]],
            metadata["name"],
            manifest,
            namespace=metadata.get("namespace"),
            content_type=APPLY_PATCH,
        )


async def ensure_pod(
    client: KubeClient, *, account: str, node: str, namespace: str = LEASE_NAMESPACE
) -> Manifest:
    """A pod of this account on this node, as its Deployment or DaemonSet would make it; nobody runs it."""
    name = f"{account}-{node}"
    body = {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": account}},
        "spec": {
            "nodeName": node,
            "serviceAccountName": account,
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "program", "image": "backstay.invalid/none"}],
        },
    }
    try:
        return await client.create(POD, body, namespace)
    except ApiConflict:
        return await client.get(POD, name, namespace)


async def delete_pod(
    client: KubeClient, *, account: str, node: str, namespace: str = LEASE_NAMESPACE
) -> None:
    """At once: no kubelet would ever say that it has ended.  Its tokens are void from then on."""
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    try:
        await client.request("DELETE", POD.path(namespace, f"{account}-{node}"), body=options)
    except ApiNotFound:
        return


async def bound_token(
    client: KubeClient,
    *,
    account: str,
    pod: Manifest | None,
    namespace: str = LEASE_NAMESPACE,
    lifetime_s: int = 3600,
) -> str:
    """A token as the kubelet mounts it into this pod: it names the pod and its node.  Without a pod it names neither."""
    spec: Manifest = {"expirationSeconds": lifetime_s}
    if pod is not None:
        metadata = pod["metadata"]
        reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec["boundObjectRef"] = reference
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = SERVICE_ACCOUNT.path(namespace, account, "token")
    answer = await client.request("POST", path, body=body)
    return str(answer["status"]["token"])

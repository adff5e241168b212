"""Which Secrets node agents may read: a Role per namespace that names them, kept by one DC (design note 0007).

Agents share one ServiceAccount and admission never sees a read, so what may be read is held small here: `get` of exactly the
Secrets that resources and fence devices name. The operator itself can read none of them.

One writer: the DC of the oldest HACluster, which knows the objects of all. Level-triggered: a list, a comparison, writes only where
something differs. The objects belong to the HAClusters, so they vanish with the last one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from backstay.api import (
    API_VERSION,
    LEASE_NAMESPACE,
    FenceDevice,
    HACluster,
    HAResource,
    ResourceGroup,
    ResourceTemplate,
)
from backstay_kube import kinds
from backstay_kube.client import APPLY_PATCH, KubeClient, Obj
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound

log = logging.getLogger(__name__)

NAME = "backstay-nodeagent-secrets"
AGENT_ACCOUNT = "backstay-nodeagent"
LABELS = {"app.kubernetes.io/part-of": "backstay", "app.kubernetes.io/managed-by": "backstay-operator"}
SELECTOR = ",".join(f"{key}={value}" for key, value in sorted(LABELS.items()))
LOOK_EVERY_S = 15.0
"""A Role that was deleted, by somebody or with an HACluster that was made anew, is missed for so long."""
LOOK_AGAIN_S = 5.0
"""After a look that failed."""
RBAC = "rbac.authorization.k8s.io"

Grants = Mapping[str, tuple[str, ...]]
"""Namespace to names of Secrets, sorted."""


def wanted_grants(
    resources: Iterable[HAResource],
    groups: Iterable[ResourceGroup],
    devices: Iterable[FenceDevice],
) -> Grants:
    """What agents need for everything that is configured."""
    found: dict[str, set[str]] = {}
    templates: list[tuple[str, ResourceTemplate]] = [
        (one.metadata.namespace or "", one.spec) for one in resources
    ]
    for group in groups:
        space = group.metadata.namespace or ""
        templates += [
            (space, member.template) for member in group.spec.members if member.template is not None
        ]
    for space, template in templates:
        for source in template.params_from.values():
            found.setdefault(space, set()).add(source.secret_key_ref.name)
    for device in devices:
        for given in device.spec.params_from.values():
            ref = given.secret_key_ref
            if ref.namespace:
                found.setdefault(ref.namespace, set()).add(ref.name)
    return {space: tuple(sorted(names)) for space, names in sorted(found.items()) if space}


class SecretGrants:
    """Call `ensure` as often as you like; it asks the API only when something changed, or every LOOK_EVERY_S."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._held: Grants | None = None
        self._looked_at = float("-inf")
        self.writes = 0

    def forget(self) -> None:
        """Somebody else may have written meanwhile: look before the next comparison."""
        self._held, self._looked_at = None, float("-inf")

    async def ensure(self, wanted: Grants, owners: Iterable[HACluster]) -> None:
        """Make what is granted what is wanted. A namespace that refuses is told and tried again at the next look."""
        references = [_owner(cluster) for cluster in owners]
        now = time.monotonic()
        due = now - self._looked_at > (LOOK_AGAIN_S if self._held is None else LOOK_EVERY_S)
        if not due and self._held in (None, wanted):
            return
        if due:
            try:
                self._held = await self._look(references)
            except ApiError as error:
                log.warning("cannot see what node agents may read: %s", error)
                self._looked_at = now
                return
            self._looked_at = now
        held = dict(self._held or {})
        for space in sorted(wanted.keys() | held.keys()):
            if wanted.get(space) == held.get(space):
                continue
            try:
                await self._write(space, wanted.get(space, ()), references)
            except ApiError as error:
                log.warning("node agents can't be let read the Secrets of %s: %s", space, error)
        # What was refused counts as held until the next look, so that a namespace that is gone is not tried with every step.
        self._held = wanted

    async def _look(self, owners: list[dict[str, str]]) -> Grants:
        """What is granted; what is granted in part, or would vanish with HAClusters that are not these, counts as nothing."""
        roles = (await self._client.list(kinds.ROLE, label_selector=SELECTOR)).items
        bindings = (await self._client.list(kinds.ROLEBINDING, label_selector=SELECTOR)).items
        bound = {
            one["metadata"]["namespace"]
            for one in bindings
            if one["metadata"]["name"] == NAME and _belongs_to(one, owners)
        }
        found = {}
        for role in (one for one in roles if one["metadata"]["name"] == NAME):
            space = role["metadata"]["namespace"]
            found[space] = _names(role) if space in bound and _belongs_to(role, owners) else ()
        return found

    async def _write(self, space: str, names: tuple[str, ...], owners: list[dict[str, str]]) -> None:
        if not names:
            for kind in (kinds.ROLEBINDING, kinds.ROLE):
                try:
                    self.writes += 1
                    await self._client.delete(kind, NAME, space)
                except (ApiNotFound, ApiConflict):
                    continue
            return
        for kind, body in ((kinds.ROLE, _role(names)), (kinds.ROLEBINDING, _binding())):
            metadata = {"name": NAME, "namespace": space, "labels": LABELS, "ownerReferences": owners}
            self.writes += 1
            await self._client.patch(
                kind, NAME, {"metadata": metadata, **body}, namespace=space, content_type=APPLY_PATCH
            )
        log.info("node agents may read Secrets", extra={"space": space, "secrets": ", ".join(names)})


def _role(names: tuple[str, ...]) -> Obj:
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": list(names), "verbs": ["get"]}
    return {"rules": [rule]}


def _binding() -> Obj:
    return {
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": AGENT_ACCOUNT, "namespace": LEASE_NAMESPACE}],
    }


def _names(role: Obj) -> tuple[str, ...]:
    """What a Role grants; a Role that says something else than we write counts as granting nothing."""
    rules: list[dict[str, Any]] = role.get("rules") or []
    names = tuple(rules[0].get("resourceNames") or ()) if len(rules) == 1 else ()
    return names if {"rules": rules} == _role(names) else ()


def _belongs_to(obj: Obj, owners: list[dict[str, str]]) -> bool:
    references = obj["metadata"].get("ownerReferences") or []
    return {one["uid"] for one in references} == {one["uid"] for one in owners}


def _owner(cluster: HACluster) -> dict[str, str]:
    metadata = cluster.metadata
    return {"apiVersion": API_VERSION, "kind": "HACluster", "name": metadata.name, "uid": metadata.uid}

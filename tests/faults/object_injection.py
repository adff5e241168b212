"""What people, controllers and newer versions do to Kubernetes objects of a sandbox: by kubectl, as they would.

Each is undone by making the object as it was again; so nothing here depends on what the cluster has made of it meanwhile.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backstay.api import KINDS, LEASE_NAMESPACE
from backstay.api.base import GROUP
from backstay_sandbox import objects
from faults.schedule import Kind

NOVELTY = "novelty"
"""A field of a newer version: the API stores it once `teach_novelty` was called, and today's models do not know it."""
HOLD = "example.com/hold"
RIVAL = "rival"
LEFT_OUT = "example.com/left-out"
UNSERVED = "haresources"
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
GROUP_FILE = TUTORIAL / "2-appgroup.yaml"

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
"""Runs kubectl with these words; `given` is its standard input."""


class ObjectFaultError(RuntimeError):
    """kubectl refused; the message is its own."""


@dataclass
class ObjectInjector:
    """:meth:`begin` does it, :meth:`end` undoes it; both return False for kinds that are not of objects."""

    kubectl: Kubectl
    _unreadable: dict[Kind, str] = field(
        default_factory=lambda: {
            Kind.PLAN_UNREADABLE: "hanodeplan/{node}",
            Kind.HANODE_UNREADABLE: "hanode/{node}",
            Kind.RESOURCE_UNREADABLE: "haresource/cluster-ip",
        }
    )

    def begin(self, kind: Kind, node: str) -> bool:
        """Raises ObjectFaultError."""
        match kind:
            case Kind.NODE_RELABELLED:
                self._do("label", "node", node, *(f"{key}-" for key in objects.NODE_LABELS))
            case Kind.NODE_DELETED | Kind.NODE_DELETED_AND_DEAD:
                self._do("delete", "node", node, "--wait=false")
            case Kind.SELECTOR_EDITED:
                self._label_others(node)
                self._select({**objects.NODE_LABELS, LEFT_OUT: "no"})
            case Kind.CLUSTER_REPLACED:
                self._do("delete", "hacluster", objects.CLUSTER, "--wait=false")
                self._apply(objects.cluster())
            case Kind.GROUP_REPLACED:
                self._do("delete", "-f", str(GROUP_FILE), "--wait=false")
            case Kind.HANODE_HELD:
                self._patch(f"hanode/{node}", {"metadata": {"finalizers": [HOLD]}})
                self._do("delete", "hanode", node, "--wait=false")
            case Kind.RIVAL_CLUSTER:
                self._apply({**objects.cluster(), "metadata": {"name": RIVAL}})
            case Kind.KIND_UNSERVED:
                self._serve(UNSERVED, served=False)
            case Kind.STATUSES_WIPED:
                for one in (f"hanode/{node}", f"hanodeplan/{node}", "resourcegroup/appgroup"):
                    self._patch(one, {"status": None}, status=True)
            case _:
                return self._begin_single(kind, node)
        return True

    def end(self, kind: Kind, node: str) -> bool:
        """Raises ObjectFaultError."""
        match kind:
            case Kind.NODE_RELABELLED | Kind.NODE_DELETED | Kind.NODE_DELETED_AND_DEAD:
                self._apply(objects.node(node))
            case Kind.SELECTOR_EDITED:
                self._select({LEFT_OUT: None})
            case Kind.GROUP_REPLACED:
                self._do("apply", "-f", str(GROUP_FILE))
            case Kind.HANODE_HELD:
                self._patch(f"hanode/{node}", {"metadata": {"finalizers": None}})
            case Kind.RIVAL_CLUSTER:
                self._do("delete", "hacluster", RIVAL, "--ignore-not-found")
            case Kind.KIND_UNSERVED:
                self._serve(UNSERVED, served=True)
            case _ if kind in self._unreadable:
                self._patch(self._unreadable[kind].format(node=node), {"spec": {NOVELTY: None}})
            case _:
                return False
        return True

    def teach_novelty(self) -> None:
        """Definitions of a newer version are installed, as `helm upgrade` does before the operator is rolled."""
        for kind in KINDS:
            path = f"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/{NOVELTY}"
            change = [{"op": "add", "path": path, "value": {"type": "string"}}]
            name = f"{kind.info.plural}.{GROUP}"
            self._do("patch", "crd", name, "--type=json", "-p", json.dumps(change))

    def _begin_single(self, kind: Kind, node: str) -> bool:
        in_namespace = ("-n", LEASE_NAMESPACE, "--wait=false")
        match kind:
            case Kind.HANODE_DELETED:
                self._do("delete", "hanode", node, "--wait=false")
            case Kind.PLAN_DELETED:
                self._do("delete", "hanodeplan", node, "--wait=false")
            case Kind.NODE_LEASE_DELETED:
                self._do("delete", "lease", objects.lease_name(node), *in_namespace)
            case Kind.DC_LEASE_DELETED:
                self._do("delete", "lease", f"dc-{objects.CLUSTER}", *in_namespace)
            case _ if kind in self._unreadable:
                self._patch(self._unreadable[kind].format(node=node), {"spec": {NOVELTY: "x"}})
            case _:
                return False
        return True

    # -- by kubectl

    def _do(self, *words: str, given: str = "") -> None:
        done = self.kubectl(*words, given=given)
        if done.returncode != 0:
            raise ObjectFaultError(f"kubectl {' '.join(words)}: {(done.stderr or done.stdout).strip()}")

    def _apply(self, manifest: dict[str, Any]) -> None:
        self._do("apply", "--server-side", "--force-conflicts", "-f", "-", given=json.dumps(manifest))

    def _patch(self, reference: str, change: dict[str, Any], *, status: bool = False) -> None:
        subresource = ("--subresource=status",) if status else ()
        self._do("patch", reference, "--type=merge", *subresource, "-p", json.dumps(change))

    def _select(self, selector: dict[str, str | None]) -> None:
        self._patch(f"hacluster/{objects.CLUSTER}", {"spec": {"nodeSelector": selector}})

    def _label_others(self, node: str) -> None:
        self._do("label", "nodes", "--all", "--overwrite", f"{LEFT_OUT}=no")
        self._do("label", "node", node, f"{LEFT_OUT}-")

    def _serve(self, plural: str, *, served: bool) -> None:
        change = [{"op": "replace", "path": "/spec/versions/0/served", "value": served}]
        self._do("patch", "crd", f"{plural}.{GROUP}", "--type=json", "-p", json.dumps(change))

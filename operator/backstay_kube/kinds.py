"""The kinds that Backstay's programs speak of, and their paths."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.api import KINDS
from backstay.api.base import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """A served resource: `group` is empty for the core API."""

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """URL path of the collection, or of one object, or of its subresource."""
        parts = ["", "apis", self.group, self.version] if self.group else ["", "api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _own(name: str) -> Kind:
    info = next(kind.info for kind in KINDS if kind.info.kind == name)
    return Kind(GROUP, VERSION, info.plural, info.kind, info.namespaced)


HACLUSTER = _own("HACluster")
HANODE = _own("HANode")
HARESOURCE = _own("HAResource")
RESOURCEGROUP = _own("ResourceGroup")
HACONSTRAINT = _own("HAConstraint")
FENCEDEVICE = _own("FenceDevice")
HANODEPLAN = _own("HANodePlan")
HATRANSITION = _own("HATransition")

NODE = Kind("", "v1", "nodes", "Node", False)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", False)
SECRET = Kind("", "v1", "secrets", "Secret", True)
EVENT = Kind("", "v1", "events", "Event", True)
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease", True)
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "roles", "Role", True)
ROLEBINDING = Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True)

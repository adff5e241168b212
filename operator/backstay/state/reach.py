"""Which namespaces' resources the constraints of a namespace may name (HACluster `spec.allowedReferences`)."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.api import HACluster


@dataclass(frozen=True, slots=True)
class Reach:
    """Pairs of namespace lists: constraints in the first may name resources in the second; `*` means all.

    A namespace always reaches itself, and what has no namespace (fence devices, on which constraints have no effect)."""

    entries: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    def allows(self, source: str, target: str) -> bool:
        """Whether a constraint in `source` may name a resource in `target`."""
        if target in (source, ""):
            return True
        return any(_has(sources, source) and _has(targets, target) for sources, targets in self.entries)


def _has(namespaces: tuple[str, ...], name: str) -> bool:
    return "*" in namespaces or name in namespaces


def reach_of(cluster: HACluster) -> Reach:
    """What the HACluster allows."""
    return Reach(
        tuple((tuple(one.namespaces), tuple(one.targets)) for one in cluster.spec.allowed_references)
    )

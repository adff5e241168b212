"""An operation and its result, as crm_simulate's options write them: `memcached_monitor_20000@node1=7`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from backstay.state.cluster import ClusterState
from backstay.state.resource import primitives_of

_SPEC = re.compile(
    r"^(?P<resource>.+)_(?P<operation>start|stop|monitor|promote|demote|notify|reload|reload-agent|migrate_to|migrate_from)"
    r"_(?P<interval>\d+)@(?P<node>[^=@]+)=(?P<rc>\d+)$"
)


class UnknownName(ValueError):
    """A node or a resource that is not in the state. `known` are the names that are."""

    def __init__(self, kind: str, name: str, known: frozenset[str]) -> None:
        super().__init__(f"there is no {kind} {name!r} in this cluster")
        self.name = name
        self.known = known


@dataclass(frozen=True, slots=True)
class OpSpec:
    """`interval_ms` is 0 for what does not recur; `resource` may be one instance of a clone (`name:0`)."""

    resource: str
    operation: str
    interval_ms: int
    node: str
    rc: int

    @classmethod
    def parse(cls, text: str) -> "OpSpec":
        """Raises ValueError for anything else than RESOURCE_OPERATION_INTERVAL@NODE=RC."""
        found = _SPEC.match(text)
        if found is None:
            raise ValueError(
                f"{text!r} is not RESOURCE_OPERATION_INTERVAL@NODE=RC, such as web_monitor_10000@node1=7 (interval in ms)"
            )
        return cls(
            found["resource"], found["operation"], int(found["interval"]), found["node"], int(found["rc"])
        )

    def __str__(self) -> str:
        return f"{self.resource}_{self.operation}_{self.interval_ms}@{self.node}={self.rc}"


def refuse_unknown(state: ClusterState, *, nodes: Iterable[str], specs: Iterable[OpSpec]) -> None:
    """Raises UnknownName."""
    known_nodes = frozenset(node.name for node in state.nodes)
    known_resources = frozenset(one.id for resource in state.resources for one in primitives_of(resource))
    specs = tuple(specs)
    for name in (*nodes, *(spec.node for spec in specs)):
        if name not in known_nodes:
            raise UnknownName("node", name, known_nodes)
    for spec in specs:
        if spec.resource.partition(":")[0] not in known_resources:
            raise UnknownName("resource", spec.resource, known_resources)

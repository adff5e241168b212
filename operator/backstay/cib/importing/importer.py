"""`import_cib(xml)`: manifests for everything in a CIB's configuration, and the report of what they cannot hold.

Each manifest is checked against the model of its kind, so that what is printed can be applied; one that fails is left out and
reported as lost. Resources, constraints and nodes keep the CIB's order in an annotation, since Pacemaker breaks ties by it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from backstay.api import KINDS, HAClusterSpec
from backstay.cib.constraints import ConstraintReader
from backstay.cib.importing.cluster import cluster_manifest, node_manifests
from backstay.cib.importing.constraints import ConstraintWriter
from backstay.cib.importing.fencing import DeviceWriter, topology_manifest
from backstay.cib.importing.losses import find_losses
from backstay.cib.importing.names import Names
from backstay.cib.importing.report import Element, Item, Report, Weight
from backstay.cib.importing.resources import ResourceWriter
from backstay.cib.reader import parse_cib
from backstay.cib.tree import Index, parse_xml
from backstay.state.cluster import ClusterState
from backstay.state.resource import Primitive, Resource, primitives_of

Obj = dict[str, Any]
_KINDS = {kind.info.kind: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Imported:
    """Manifests in the order in which to apply them, and what was found on the way."""

    manifests: tuple[Obj, ...]
    report: tuple[Item, ...]

    @property
    def complete(self) -> bool:
        """Whether the manifests mean what the CIB means."""
        return all(item.weight is not Weight.LOST for item in self.report)


def import_cib(
    xml: str | bytes, *, now: float, namespace: str = "default", cluster: str | None = None
) -> Imported:
    """Raises CibError for what is no CIB. `cluster`: name of the HACluster, by default the CIB's cluster-name."""
    root = parse_xml(xml)
    state = parse_cib(xml, now=now)
    return _Import(root, state, namespace=namespace, cluster=cluster).run()


class _Import:
    def __init__(self, root: Element, state: ClusterState, *, namespace: str, cluster: str | None) -> None:
        self._root = root
        self._state = state
        self._index = Index(root)
        self._report = Report(root)
        self._names = Names()
        self._namespace = namespace
        self._cluster = cluster or self._names.of("HACluster", state.cluster_name or "pacemaker")
        self._elements = {
            element.get("id"): element for element in root.iterfind("configuration/resources//*[@id]")
        }
        self._manifests: list[Obj] = []

    def run(self) -> Imported:
        find_losses(self._root, self._index, self._report)
        cluster = cluster_manifest(self._state, name=self._cluster, complain=self._about_root)
        levels = topology_manifest(self._state.fencing_levels, names=self._names)
        if levels and "fencing_topology" in HAClusterSpec.model_fields:
            cluster["spec"]["fencingTopology"] = levels
        elif levels:
            for element in self._root.iterfind("configuration/fencing-topology/fencing-level"):
                self._report.lost(element, "an HACluster has no topology: use spec.level of the FenceDevices")
        self._add(cluster, self._root)
        self._nodes()
        self._resources()
        self._constraints()
        return Imported(tuple(self._manifests), self._report.items)

    def _about_root(self, message: str) -> None:
        self._report.lost(self._root, message)

    def _about(self, resource: str, message: str) -> None:
        self._report.lost(self._elements.get(resource, self._root), message)

    def _nodes(self) -> None:
        by_name = {one.get("uname"): one for one in self._root.iterfind("configuration/nodes/node")}
        for manifest, node in zip(
            node_manifests(self._state, cluster=self._cluster, names=self._names),
            (node for node in self._state.nodes if node.kind.value == "member"),
            strict=True,
        ):
            element = by_name.get(node.name, self._root)
            name = manifest["metadata"]["name"]
            if name != node.name:
                self._report.lost(
                    element, f"no Node can have this name: {name} stands for it", attribute="uname"
                )
            self._add(manifest, element)

    def _resources(self) -> None:
        writer = ResourceWriter(names=self._names, namespace=self._namespace, complain=self._about)
        devices = DeviceWriter(names=self._names, cluster=self._cluster, complain=self._about)
        for resource in self._state.resources:
            fencing = [one for one in primitives_of(resource) if one.agent.is_fencing]
            if fencing and not isinstance(resource, Primitive):
                self._about(resource.id, "fence devices in groups or clones: a FenceDevice is one by itself")
            for primitive in fencing:
                manifest = devices.write(primitive, position=writer.next_position())
                self._add(manifest, self._elements.get(primitive.id, self._root))
            if fencing:
                continue
            for manifest in writer.write(resource):
                self._add(manifest, self._element_of(manifest, resource))

    def _element_of(self, manifest: Obj, resource: Resource) -> Element:
        identity = manifest["spec"].get("resourceId") or manifest["metadata"]["name"]
        return self._elements.get(identity, self._elements.get(resource.id, self._root))

    def _constraints(self) -> None:
        reader = ConstraintReader(self._root, self._index)
        writer = ConstraintWriter(names=self._names, namespace=self._namespace)
        devices = frozenset(
            one.id
            for resource in self._state.resources
            for one in primitives_of(resource)
            if one.agent.is_fencing
        )
        for element in self._root.iterfind("configuration/constraints/*"):
            complain = self._complainer(element)
            pattern = element.get("rsc-pattern")
            found = list(reader.read(element) if pattern is None else reader.read_pattern(element))
            for constraint in found:
                if _names_device(element, devices):
                    complain("it is about a fence device, which any healthy node may use")
                    break
                manifest = writer.write(constraint, pattern=pattern, complain=complain)
                if manifest is not None:
                    self._add(manifest, element)

    def _complainer(self, element: Element) -> Callable[[str], None]:
        return lambda message: self._report.lost(element, message)

    def _add(self, manifest: Obj, element: Element) -> None:
        """Keep a manifest; a field that its model refuses is left out of it and told, and what is nothing without it too."""
        label = f"{manifest['kind']} {manifest['metadata']['name']}"
        for turn in range(_REPAIRS_MAX):
            try:
                _KINDS[manifest["kind"]].parse(manifest)
            except ValidationError as error:
                refused = error.errors()[0]
                if turn == 0 or refused["type"] != "missing":  # what is missing now was taken out before
                    self._report.lost(element, f"{label}: {_message(refused)}")
                if not _left_out(manifest, refused["loc"]):
                    return
            else:
                self._manifests.append(manifest)
                return


_REPAIRS_MAX = 20


def _left_out(manifest: Obj, path: tuple[int | str, ...]) -> bool:
    """Take what is at the path out of the manifest; where nothing is, what lacks it. False when the whole would go."""
    for length in range(len(path), 1, -1):
        holder: Any = manifest
        for step in path[: length - 1]:
            holder = holder[int(step)] if isinstance(holder, list) else holder.get(step, {})
        last = path[length - 1]
        if isinstance(holder, list) and isinstance(last, int) and last < len(holder):
            del holder[last]
            return True
        if isinstance(holder, dict) and last in holder:
            del holder[last]
            return True
    return False


def _names_device(element: Element, devices: frozenset[str]) -> bool:
    named = {element.get(name) for name in ("rsc", "with-rsc", "first", "then")}
    named |= {one.get("id") for one in element.iterfind("resource_set/resource_ref")}
    return bool(named & devices)


def _message(error: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if field == "spec.agent" and error["type"] != "missing":
        return f"{field}: there is no agent {error['input']!r} that a host could run"
    return f"{field}: {error['msg']}"

"""Reads manifests from files, folders and stdin into the objects of one cluster, as `kubectl apply -f` takes them.

Kinds that are not Backstay's are passed over: a folder may hold Secrets and Deployments too. What cannot be read is an error that
names file, document and field.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from backstay.api import (
    API_VERSION,
    KINDS,
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HAResource,
    Resource,
    ResourceGroup,
)
from backstay.state.assemble import Objects
from backstay_cli.errors import CliError, nearest

Obj = dict[str, Any]
K = TypeVar("K", bound=Resource)
_KINDS = {kind.info.kind: kind for kind in KINDS}
_SUFFIXES = (".yaml", ".yml", ".json")
FILE_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """One object, and where it stands."""

    where: str
    item: Resource


def read_objects(paths: Sequence[str], *, cluster: str | None, namespace: str) -> Objects:
    """The objects of the only cluster in the files, or of the one named. Raises CliError."""
    found = [one for path in paths for one in _in_path(path, namespace)]
    clusters = _of_kind(found, HACluster)
    names = [one.metadata.name for one in clusters]
    if cluster is not None and clusters:
        clusters = [one for one in clusters if one.metadata.name == cluster]
        if not clusters:
            raise CliError(f"there is no HACluster {cluster!r} in these files", hint=nearest(cluster, names))
    if len(clusters) > 1:
        raise CliError(
            f"these files hold several clusters: {', '.join(names)}", hint="choose with --cluster NAME"
        )
    chosen = clusters[0] if clusters else HACluster.parse(_default_cluster(cluster))
    name = chosen.metadata.name
    spaces = chosen.spec.namespaces

    def here(item: Resource) -> bool:
        return not spaces or item.metadata.namespace in spaces

    return Objects(
        cluster=chosen,
        nodes=tuple(one for one in _of_kind(found, HANode) if one.spec.cluster in ("", name)),
        resources=tuple(one for one in _of_kind(found, HAResource) if here(one)),
        groups=tuple(one for one in _of_kind(found, ResourceGroup) if here(one)),
        constraints=tuple(one for one in _of_kind(found, HAConstraint) if here(one)),
        devices=tuple(
            one for one in _of_kind(found, FenceDevice) if one.spec.cluster == name or not clusters
        ),
    )


def with_assumed_nodes(objects: Objects) -> tuple[Objects, list[str]]:
    """Manifests need not name nodes: the operator makes HANodes. Without any, those that constraints and fence devices name are
    assumed, or two of no name. The second is who was assumed."""
    if objects.nodes:
        return objects, []
    named = {
        item.spec.location.node
        for item in objects.constraints
        if item.spec.location is not None and item.spec.location.node is not None
    }
    for device in objects.devices:
        named |= {*device.spec.targets.nodes, *device.spec.host_map}
    names = sorted(named) or ["node-1", "node-2"]
    nodes = [
        HANode.parse({"apiVersion": API_VERSION, "kind": "HANode", "metadata": {"name": name}, "spec": {}})
        for name in names
    ]
    return replace(objects, nodes=tuple(nodes)), names


def _default_cluster(name: str | None) -> Obj:
    return {
        "apiVersion": API_VERSION,
        "kind": "HACluster",
        "metadata": {"name": name or "default"},
        "spec": {},
    }


def _of_kind(found: Sequence[Found], kind: type[K]) -> list[K]:
    return [one.item for one in found if isinstance(one.item, kind)]


def _in_path(path: str, namespace: str) -> Iterator[Found]:
    if path != "-" and os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if name.endswith(_SUFFIXES))
        if not names:
            raise CliError(f"the folder {path} holds no manifests ({', '.join(_SUFFIXES)})")
        for name in names:
            yield from _in_file(os.path.join(path, name), namespace)
    else:
        yield from _in_file(path, namespace)


def _in_file(path: str, namespace: str) -> Iterator[Found]:
    name = "stdin" if path == "-" else path
    try:
        if path == "-":
            text = sys.stdin.buffer.read(FILE_BYTES_MAX)
        else:
            with open(path, "rb") as file:
                text = file.read(FILE_BYTES_MAX)
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except OSError as error:
        raise CliError(f"cannot read {name}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CliError(f"{name} is no YAML: {' '.join(str(error).split())}") from None
    for number, document in enumerate(documents, start=1):
        where = name if len(documents) == 1 else f"{name}, document {number}"
        for obj in _unlisted(document, where):
            kind = _KINDS.get(str(obj.get("kind")))
            if kind is None or obj.get("apiVersion") != API_VERSION:
                continue
            yield Found(where, _parsed(kind, obj, where, namespace))


def _unlisted(document: Any, where: str) -> list[Obj]:
    if document is None:
        return []
    if not isinstance(document, dict):
        raise CliError(f"{where} is no manifest: it holds {type(document).__name__}")
    if document.get("kind") == "List":
        return [item for item in document.get("items") or [] if isinstance(item, dict)]
    return [document]


def _parsed(kind: type[Resource], obj: Obj, where: str, namespace: str) -> Resource:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise CliError(f"{where}: metadata.name is missing")
    if kind.info.namespaced and not metadata.get("namespace"):
        obj = {**obj, "metadata": {**metadata, "namespace": namespace}}
    try:
        return kind.parse(obj)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise CliError(f"{where}: {kind.info.kind} {metadata['name']}: {field}: {first['msg']}") from None

"""Manifests as the objects of a cluster, and from there to a CIB again."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from backstay.api import KINDS, FenceDevice, HACluster, HAConstraint, HANode, HAResource, ResourceGroup
from backstay.cib.exporting import export_cib
from backstay.cib.exporting.objects import configuration_of, with_devices
from backstay.state.assemble import Objects

Obj = dict[str, Any]
NOW = 1_700_000_000.0


def objects_of(manifests: Sequence[Obj]) -> Objects:
    models = {kind.info.kind: kind for kind in KINDS}
    found: dict[type, list[Any]] = defaultdict(list)
    for manifest in manifests:
        model = models[manifest["kind"]]
        found[model].append(model.parse(manifest))
    (cluster,) = found[HACluster]
    return Objects(
        cluster=cluster,
        nodes=tuple(found[HANode]),
        resources=tuple(found[HAResource]),
        groups=tuple(found[ResourceGroup]),
        constraints=tuple(found[HAConstraint]),
        devices=tuple(found[FenceDevice]),
    )


def exported(manifests: Sequence[Obj], *, now: float = NOW) -> str:
    """The CIB of the manifests. Nothing in them may be wrong."""
    objects = objects_of(manifests)
    assembly = configuration_of(objects, now=now)
    assert assembly.problems == ()
    return export_cib(with_devices(assembly.state, objects))


def grafted(xml: str, original: str) -> str:
    """The configuration of the one with the status of the other: what runs, who is there, and when it was."""
    root, source = ET.fromstring(xml), ET.fromstring(original)
    for status in root.findall("status"):
        root.remove(status)
    root.extend(source.findall("status"))
    for name in ("execution-date", "have-quorum", "dc-uuid"):
        value = source.get(name)
        if value is not None:
            root.set(name, value)
    options = root.find("configuration/crm_config/cluster_property_set")
    if options is not None:  # whether there is a watchdog is found out, too
        options.extend(source.findall("configuration/crm_config/*/nvpair[@name='have-watchdog']"))
    # A CIB's status names nodes by their ids in the cluster layer, which objects do not hold.
    ids = {node.get("uname"): node.get("id", "") for node in source.iterfind("configuration/nodes/node")}
    for node in root.iterfind("configuration/nodes/node"):
        node.set("id", ids[node.get("uname")])
    return ET.tostring(root, encoding="unicode")

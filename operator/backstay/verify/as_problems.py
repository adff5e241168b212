"""Findings about the scheduler's view as problems of the objects that people wrote: their kind, name, and path of the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from backstay.api import HAConstraint
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.assemble_resources import ResourceIndex
from backstay.verify.fault import Fault

_FIELDS = {
    "location": {"rsc": "resource", "node": "node", "score": "score"},
    "colocation": {"rsc": "resource", "with-rsc": "withResource", "score": "score"},
    "order": {"first": "first", "then": "then"},
    "ticket": {"rsc": "resource"},
}
_RESOURCE_FIELDS = {
    "requires": "spec.meta.requires",
    "operations": "spec.operations",
    "clone-max": "spec.clone.max",
    "promoted-max": "spec.clone.promotedMax",
}


def problems_of(faults: Iterable[Fault], objects: Objects, index: ResourceIndex) -> Iterator[Problem]:
    """One problem for each."""
    constraints = {constraint_id(item): item for item in objects.constraints}
    for fault in faults:
        kind, namespace, name = "HACluster", "", objects.cluster.metadata.name
        field = f"spec.properties.{_camel(fault.field)}" if fault.field else "spec"
        if fault.kind == "constraint" and fault.subject in constraints:
            item = constraints[fault.subject]
            kind, namespace, name = "HAConstraint", item.metadata.namespace or "", item.metadata.name
            field = _constraint_field(item, fault.field)
        elif fault.kind == "resource" and fault.subject in index.objects:
            ref = index.objects[fault.subject]
            kind, namespace, name = ref.kind, ref.namespace, ref.name
            field = _RESOURCE_FIELDS.get(fault.field, "spec")
        yield Problem(
            kind=kind,
            namespace=namespace,
            name=name,
            code=fault.code,
            message=f"{field}: {fault.message}; {fault.fix}",
            field=field,
            severity=fault.severity,
        )


def constraint_id(item: HAConstraint) -> str:
    """The id under which the scheduler knows a constraint."""
    return item.spec.constraint_id or f"{item.metadata.namespace or ''}/{item.metadata.name}"


def _constraint_field(item: HAConstraint, field: str) -> str:
    kind = next((one for one in _FIELDS if getattr(item.spec, one) is not None), "")
    rest = _FIELDS.get(kind, {}).get(field)
    if rest is not None:
        return f"spec.{kind}.{rest}"
    if field.startswith("rule "):
        return f"spec.{kind}.rules"
    return f"spec.{kind}.sets" if field.startswith("set ") else f"spec.{kind}"


def _camel(option: str) -> str:
    return re.sub(r"-(.)", lambda found: found[1].upper(), option)

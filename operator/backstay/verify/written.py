"""Every resource as it is written in a manifest: a whole HAResource, or a member inside a ResourceGroup. Oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backstay.api import HAResource, ResourceGroup
from backstay.api.resource import ResourceTemplate
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.claims import ObjectRef, ref_of
from backstay.state.seniority import seniority


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One resource: its id, its object, and the path of its template in that object."""

    id: str
    kind: str
    namespace: str
    name: str
    path: str
    template: ResourceTemplate

    @property
    def owner(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def error(self, code: str, field: str, message: str) -> Finding:
        """It can't run so; `field` is relative to the template."""
        return self._finding(code, field, message, warning=False)

    def warning(self, code: str, field: str, message: str) -> Finding:
        """It can run, and hardly as meant."""
        return self._finding(code, field, message, warning=True)

    def _finding(self, code: str, field: str, message: str, *, warning: bool) -> Finding:
        whole = f"{self.path}.{field}" if field else self.path
        problem = Problem(
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            code=code,
            message=f"{whole}: {message}",
            field=whole,
            severity="warning" if warning else "error",
        )
        return Finding(resource=self.id, problem=problem)


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and the resource that it concerns (empty: none in particular)."""

    resource: str
    problem: Problem


def written_resources(objects: Objects, holders: Mapping[str, ObjectRef]) -> tuple[Written, ...]:
    """All that assembly takes: of two with one id the holder's only (`holders`: ResourceIndex.objects)."""
    items: list[HAResource | ResourceGroup] = [*objects.resources, *objects.groups]
    found: dict[str, Written] = {}
    for item in sorted(items, key=lambda one: seniority(one.metadata)):
        ref = ref_of(item)
        for one in _of_resource(item) if isinstance(item, HAResource) else _of_group(item):
            if holders.get(one.id) == ref:
                found.setdefault(one.id, one)
    return tuple(found.values())


def _of_resource(item: HAResource) -> Iterator[Written]:
    space = item.metadata.namespace or ""
    yield Written(
        id=item.resource_id,
        kind="HAResource",
        namespace=space,
        name=item.metadata.name,
        path="spec",
        template=item.spec,
    )


def _of_group(group: ResourceGroup) -> Iterator[Written]:
    space = group.metadata.namespace or ""
    for number, member in enumerate(group.spec.members):
        if member.template is not None and member.name is not None:
            yield Written(
                id=member.name,
                kind="ResourceGroup",
                namespace=space,
                name=group.metadata.name,
                path=f"spec.members[{number}].template",
                template=member.template,
            )

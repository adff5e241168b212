"""Constraints that speak of no node, or of no resource, of this cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backstay.api import HAConstraint
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.assemble_resources import ResourceIndex
from backstay.state.pattern import PatternError, matching
from backstay.verify.nearest import listed, suggestion


def check_places(objects: Objects, index: ResourceIndex) -> Iterator[Problem]:
    """Nodes and patterns that match nothing. References by name are assembly's to judge."""
    members = sorted(node.metadata.name for node in objects.nodes)
    for item in sorted(objects.constraints, key=lambda one: one.key):
        location = item.spec.location
        if location is None:
            continue
        if location.node is not None and location.node not in members:
            cluster = objects.cluster.metadata.name
            yield _problem(
                item,
                "UnknownNode",
                "spec.location.node",
                f"{location.node!r} is no node of HACluster {cluster!r}, which has {listed(members) or 'none'}"
                f"{suggestion(location.node, members)}",
            )
        if location.resource_pattern is not None:
            yield from _check_pattern(
                item, location.resource_pattern, index.top_ids_within_reach(item.metadata.namespace or "")
            )


def _check_pattern(item: HAConstraint, pattern: str, ids: Sequence[str]) -> Iterator[Problem]:
    field = "spec.location.resourcePattern"
    try:
        found = any(matching(pattern, ids))
    except PatternError:
        return  # assembly tells
    if not found:
        yield _problem(
            item,
            "ReferenceNotFound",
            field,
            f"no id of a resource, group or clone matches {pattern!r} (members of groups and clones do "
            f"not count); in namespace {item.metadata.namespace!r}, and where the HACluster's "
            f"allowedReferences lets it look, there are {listed(ids) or 'none'}",
        )


def _problem(item: HAConstraint, code: str, field: str, message: str) -> Problem:
    return Problem(
        kind="HAConstraint",
        namespace=item.metadata.namespace or "",
        name=item.metadata.name,
        code=code,
        message=f"{field}: {message}",
        field=field,
    )

"""Discovery: what groups, versions and resources there are, in the legacy and the aggregated form.

Built from the store's resources on each request (they change with every definition). Assumes nothing; a group or
version nobody serves is refused with 404.
"""

import re
from collections.abc import Sequence

from backstay.objectstore import JsonObject, Resource
from backstay.objectstore.errors import no_such_resource
from backstay_sandbox.apiserver.reviews import REVIEWS

_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")
_STABILITY = {None: 0, "beta": 1, "alpha": 2}


def _version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions the way clients prefer them: stable before beta before alpha, newer before older."""
    found = _VERSION.match(version)
    if found is None:
        return (3, 0, 0, version)
    return (_STABILITY[found[2]], -int(found[1]), -int(found[3] or 0), version)


def _versions(resources: Sequence[Resource], group: str) -> list[str]:
    found = {resource.version for resource in resources if resource.group == group}
    found.update(review.version for review in REVIEWS if review.group == group)
    return sorted(found, key=_version_rank)


def _groups(resources: Sequence[Resource]) -> list[str]:
    """Named groups, in the order they came."""
    names = [resource.group for resource in resources] + [review.group for review in REVIEWS]
    return [name for name in dict.fromkeys(names) if name]


def core_versions(address: str) -> JsonObject:
    """GET /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(resources: Sequence[Resource]) -> JsonObject:
    """GET /apis."""
    groups = [_group(resources, name) for name in _groups(resources)]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_of(resources: Sequence[Resource], name: str) -> JsonObject:
    """GET /apis/GROUP. Raises NotFound."""
    if name not in _groups(resources):
        raise no_such_resource()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(resources, name)}


def _group(resources: Sequence[Resource], name: str) -> JsonObject:
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version} for version in _versions(resources, name)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(resources: Sequence[Resource], group: str, version: str) -> JsonObject:
    """GET /api/v1 or /apis/GROUP/VERSION. Raises NotFound."""
    listed: list[JsonObject] = []
    for resource in resources:
        if (resource.group, resource.version) == (group, version):
            listed.extend(_legacy(resource))
    listed.extend(
        {
            "name": review.plural,
            "singularName": review.kind.lower(),
            "namespaced": False,
            "kind": review.kind,
            "verbs": ["create"],
        }
        for review in REVIEWS
        if (review.group, review.version) == (group, version)
    )
    if not listed:
        raise no_such_resource()
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _legacy(resource: Resource) -> list[JsonObject]:
    entry: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    subs = [
        {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": ["get", "patch", "update"],
        }
        for name in resource.subresources
    ]
    return [entry, *subs]


def aggregated(resources: Sequence[Resource], api_version: str, *, is_core: bool) -> JsonObject:
    """GET /api or /apis in the aggregated form; `api_version` is v2 or v2beta1."""
    names = [""] if is_core else _groups(resources)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{api_version}",
        "metadata": {},
        "items": [_aggregated_group(resources, name) for name in names],
    }


def _aggregated_group(resources: Sequence[Resource], name: str) -> JsonObject:
    versions = []
    for version in _versions(resources, name):
        entries = [
            _aggregated_resource(resource)
            for resource in resources
            if (resource.group, resource.version) == (name, version)
        ]
        entries.extend(
            {
                "resource": review.plural,
                "responseKind": _kind(name, version, review.kind),
                "scope": "Cluster",
                "singularResource": review.kind.lower(),
                "verbs": ["create"],
            }
            for review in REVIEWS
            if (review.group, review.version) == (name, version)
        )
        versions.append({"version": version, "resources": entries, "freshness": "Current"})
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def _kind(group: str, version: str, kind: str) -> JsonObject:
    return {"group": group, "version": version, "kind": kind}


def _aggregated_resource(resource: Resource) -> JsonObject:
    kind = _kind(resource.group, resource.version, resource.kind)
    entry: JsonObject = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": kind, "verbs": ["get", "patch", "update"]}
            for name in resource.subresources
        ]
    return entry

"""What a request's path means: which resource, where, which object, which part of it.

Pure. Assumes a decoded path without its query; answers None for a path that is not of the resource form
(`/api/v1/...`, `/apis/GROUP/VERSION/...`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One resource path. `namespace` None means all of them (or a cluster-scoped kind); `name` may be empty."""

    group: str
    version: str
    plural: str
    namespace: str | None
    name: str
    subresource: str


# What follows /namespaces/NAME and is a part of the namespace itself, not a kind of object inside it.
_NAMESPACE_PARTS = ("status", "finalize")


def parse_target(path: str) -> Target | None:
    """The resource a path addresses."""
    steps = [step for step in path.split("/") if step]
    if len(steps) >= 3 and steps[0] == "api":
        group, version, rest = "", steps[1], steps[2:]
    elif len(steps) >= 4 and steps[0] == "apis":
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        return None
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) >= 3 and not (group == "" and rest[2] in _NAMESPACE_PARTS):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Target(group, version, plural, namespace, name, subresource)

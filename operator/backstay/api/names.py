"""Kubernetes names for Pacemaker ids: ClusterIP -> cluster-ip, app_lvm -> app-lvm, VIP -> vip.

A hump is an upper-case letter after a lower-case one or a digit; runs of capitals stay together. Whatever is not allowed in a
name becomes a hyphen.
"""

from __future__ import annotations

import re

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ID = re.compile(r"^[A-Za-z_][A-Za-z0-9._-]*\Z")


def kubernetes_name(resource_id: str) -> str:
    """The object's name for a resource id. Raises ValueError for what is no id, and when nothing usable is left."""
    if not _ID.match(resource_id) or len(resource_id) > 128:
        raise ValueError(f"{resource_id!r} is not a resource id")
    hyphenated = _HUMP.sub("-", resource_id).lower().replace("_", "-")
    name = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9.-]", "-", hyphenated)).strip("-.")
    name = re.sub(r"[-.]*\.[-.]*", ".", name)
    if not name:
        raise ValueError(f"no Kubernetes name can be made of the id {resource_id!r}")
    return name

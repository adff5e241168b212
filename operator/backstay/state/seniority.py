"""The order of objects: by their position annotation where they have one, then the oldest first.

Pacemaker breaks ties by the order of its configuration; an import keeps that order in the annotation. Without it age decides, so that
the older of two objects keeps an id, and names make it total.
"""

from __future__ import annotations

from backstay.api import ANNOTATION_POSITION, Metadata

LAST = 1 << 62


def position_of(metadata: Metadata) -> int:
    """The position, LAST for what has none or no number."""
    text = metadata.annotations.get(ANNOTATION_POSITION, "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else LAST


def seniority(metadata: Metadata) -> tuple[int, str, str, str]:
    """Sorts objects of one kind."""
    created = metadata.creation_timestamp or ""
    return position_of(metadata), created, metadata.namespace or "", metadata.name

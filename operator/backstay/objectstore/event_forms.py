"""The two faces of one Event: core/v1 (how it is stored) and events.k8s.io/v1.

Assumes documents of the named form; members neither form names are left out, as the real conversion leaves them.
"""

from backstay.objectstore.document import JsonObject

_SAME = ("related", "reason", "eventTime", "type", "action", "reportingInstance", "series")

_MODERN_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
    **{name: name for name in _SAME},
}
_CORE_TO_MODERN = {core: modern for modern, core in _MODERN_TO_CORE.items()}


def event_to_core(document: JsonObject) -> JsonObject:
    """An events.k8s.io/v1 Event as core/v1."""
    return _renamed(document, _MODERN_TO_CORE, api_version="v1")


def event_from_core(document: JsonObject) -> JsonObject:
    """A core/v1 Event as events.k8s.io/v1."""
    return _renamed(document, _CORE_TO_MODERN, api_version="events.k8s.io/v1")


def _renamed(document: JsonObject, names: dict[str, str], *, api_version: str) -> JsonObject:
    shown = {"apiVersion": api_version, "kind": "Event", "metadata": document["metadata"]}
    for key, value in document.items():
        if key in names:
            shown[names[key]] = value
    return shown

"""Events do not live for ever: the real server forgets one an hour after its last write.

Pure: says which events are due; whoever has a clock asks now and then. Assumes stored core/v1 Events.
"""

from collections.abc import Iterable

from backstay.objectstore.collection import ObjectKey
from backstay.objectstore.document import JsonObject
from backstay.objectstore.listing import key_of
from backstay.objectstore.timestamps import unix_seconds

EVENT_LIFE_S = 3600.0


def expired_events(events: Iterable[JsonObject], *, now: float) -> list[ObjectKey]:
    """The keys of the events nobody wrote to for EVENT_LIFE_S."""
    return [key_of(event) for event in events if now - _last_written(event) > EVENT_LIFE_S]


def _last_written(event: JsonObject) -> float:
    """When the server last took a write: the times clients put into an event are theirs, and may be wrong."""
    metadata = event["metadata"]
    found = [
        metadata.get("creationTimestamp"),
        *(entry.get("time") for entry in metadata.get("managedFields") or ()),
    ]
    return max(filter(None, (unix_seconds(text) for text in found if isinstance(text, str))), default=0.0)

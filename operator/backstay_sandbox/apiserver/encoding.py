"""JSON on the wire: bodies in, objects out.

Objects never change once stored, so the bytes of one are kept and reused: by the response to its writer and by
every watch that tells of it. Refuses, with an ApiError, bodies that are no JSON or YAML object or are too large.
"""

import json
from collections import OrderedDict

import yaml

from backstay.objectstore import Json, JsonObject
from backstay.objectstore.errors import ApiError, bad_request, unsupported_media_type

BODY_BYTES_MAX = 3 * 1024 * 1024
"""The real server's limit for a request's body."""

KEPT_MAX = 512
KEPT_BYTES_MAX = 64 * 1024
"""Larger objects are encoded again when needed: they are few, and would make the cache big."""

_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)


class Encoder:
    """Encodes documents; remembers the bytes of the latest."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[JsonObject, bytes]] = OrderedDict()

    def stored(self, document: JsonObject) -> bytes:
        """The bytes of an object as the store holds it, which never changes."""
        # By identity, not by uid and version: a dry run, a watch whose selection an object left, and a changed
        # schema all show other content under the same version. Keeping the object keeps its id taken.
        found = self._kept.get(id(document))
        if found is not None:
            return found[1]
        body = encoded(document)
        if len(body) <= KEPT_BYTES_MAX:
            self._kept[id(document)] = (document, body)
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return body


def encoded(value: Json) -> bytes:
    """A JSON value as compact UTF-8."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def decoded_body(body: bytes, content_type: str) -> Json:
    """The document of a request's body; None for an empty one. Raises BadRequest or UnsupportedMediaType."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        return None
    if kind in ("", "application/json") or kind.endswith("+json"):
        return _from_json(body)
    if kind == "application/yaml" or kind.endswith("+yaml"):
        # kubectl sends JSON under this name; YAML proper is the exception, and far slower to read.
        return _from_json(body) if body.lstrip()[:1] == b"{" else _from_yaml(body)
    raise unsupported_media_type("application/json, application/yaml")


def _from_json(body: bytes) -> Json:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as broken:
        raise _undecodable("json", broken) from broken


def _from_yaml(body: bytes) -> Json:
    try:
        # Through JSON, so that only what JSON can say comes out (no dates, no tuples, no shared references).
        return json.loads(json.dumps(yaml.load(body, Loader=_YAML_LOADER), default=str))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as broken:
        raise _undecodable("yaml", broken) from broken


def _undecodable(kind: str, broken: Exception) -> ApiError:
    return bad_request(f"the object provided is unrecognized: couldn't decode {kind}: {broken}")

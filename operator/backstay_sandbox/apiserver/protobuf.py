"""Protobuf request bodies of the few kinds that `kubectl create` sends so; everything else is JSON.

Recent kubectl writes built-in kinds as protobuf and does not fall back to JSON, so `kubectl create namespace` needs
this. Only requests: answers are always JSON, which such clients accept too. Assumes the public field numbers of the
kinds below; refuses, with an ApiError, any other kind or field rather than dropping what it does not understand.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backstay.objectstore import Json, JsonObject
from backstay.objectstore.errors import ApiError, bad_request, unsupported_media_type

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_FIXED64 = 1
DEPTH_MAX = 16

Decode = Callable[[bytes | int, int], Json]
"""From a field's raw value and the depth left to its JSON value."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    decode: Decode
    repeated: bool = False
    is_map: bool = False


_Message = dict[int, _Field]


def _text(raw: bytes | int, depth: int) -> Json:
    if isinstance(raw, int):
        raise _malformed("a string is not a number")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("a string is not UTF-8") from None


def _base64(raw: bytes | int, depth: int) -> Json:
    return b64encode(raw).decode() if isinstance(raw, bytes) else None


def _bool(raw: bytes | int, depth: int) -> Json:
    return bool(raw)


def _dropped(raw: bytes | int, depth: int) -> Json:
    """A part the server sets itself, or that an answer does not depend on."""
    return None


def _inside(message: _Message) -> Decode:
    def decode(raw: bytes | int, depth: int) -> Json:
        if isinstance(raw, int) or depth <= 0:
            raise _malformed("unexpected nesting")
        return _object(message, raw, depth - 1)

    return decode


def _strings(*names: str) -> _Message:
    """A message of strings, numbered from one."""
    return {at: _Field(name, _text) for at, name in enumerate(names, start=1)}


_OWNER: _Message = {
    1: _Field("kind", _text),
    3: _Field("name", _text),
    4: _Field("uid", _text),
    5: _Field("apiVersion", _text),
    6: _Field("controller", _bool),
    7: _Field("blockOwnerDeletion", _bool),
}
_META: _Message = {
    1: _Field("name", _text),
    2: _Field("generateName", _text),
    3: _Field("namespace", _text),
    4: _Field("selfLink", _dropped),
    5: _Field("uid", _text),
    6: _Field("resourceVersion", _text),
    7: _Field("generation", _dropped),
    8: _Field("creationTimestamp", _dropped),
    9: _Field("deletionTimestamp", _dropped),
    10: _Field("deletionGracePeriodSeconds", _dropped),
    11: _Field("labels", _text, is_map=True),
    12: _Field("annotations", _text, is_map=True),
    13: _Field("ownerReferences", _inside(_OWNER), repeated=True),
    14: _Field("finalizers", _text, repeated=True),
}
_METADATA = _Field("metadata", _inside(_META))
_NAMED: _Message = {1: _Field("name", _text)}
_RULE: _Message = {
    at: _Field(name, _text, repeated=True)
    for at, name in enumerate(
        ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"), start=1
    )
}
_ROLE: _Message = {1: _METADATA, 2: _Field("rules", _inside(_RULE), repeated=True)}
_BINDING: _Message = {
    1: _METADATA,
    2: _Field("subjects", _inside(_strings("kind", "apiGroup", "name", "namespace")), repeated=True),
    3: _Field("roleRef", _inside(_strings("apiGroup", "kind", "name"))),
}
_REVIEW: _Message = {1: _METADATA, 2: _Field("spec", _dropped), 3: _Field("status", _dropped)}

_KINDS: dict[str, _Message] = {
    "Namespace": {1: _METADATA, 2: _Field("spec", _dropped), 3: _Field("status", _dropped)},
    "ConfigMap": {
        1: _METADATA,
        2: _Field("data", _text, is_map=True),
        3: _Field("binaryData", _base64, is_map=True),
        4: _Field("immutable", _bool),
    },
    "Secret": {
        1: _METADATA,
        2: _Field("data", _base64, is_map=True),
        3: _Field("type", _text),
        4: _Field("stringData", _text, is_map=True),
        5: _Field("immutable", _bool),
    },
    "ServiceAccount": {
        1: _METADATA,
        3: _Field("imagePullSecrets", _inside(_NAMED), repeated=True),
        4: _Field("automountServiceAccountToken", _bool),
    },
    "Role": _ROLE,
    "ClusterRole": _ROLE,
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "SelfSubjectReview": {1: _METADATA, 2: _Field("status", _dropped)},
    "SelfSubjectAccessReview": _REVIEW,
    "SelfSubjectRulesReview": _REVIEW,
}
_ENVELOPE: _Message = {
    1: _Field("type", _inside(_strings("apiVersion", "kind"))),
    2: _Field("raw", lambda raw, depth: raw),
    3: _Field("contentEncoding", _text),
    4: _Field("contentType", _text),
}


def decode_protobuf(body: bytes) -> JsonObject:
    """The document in a protobuf body. Raises UnsupportedMediaType for a kind or field not known here."""
    if not body.startswith(_MAGIC):
        raise _malformed("it does not begin as a Kubernetes object does")
    envelope = _object(_ENVELOPE, body[len(_MAGIC) :], DEPTH_MAX)
    named = envelope.get("type") or {}
    message = _KINDS.get(named.get("kind", ""))
    if message is None:
        raise unsupported_media_type("application/json, application/yaml")
    return {**named, **_object(message, envelope.get("raw") or b"", DEPTH_MAX)}


def _malformed(reason: str) -> ApiError:
    return bad_request(f"the object provided is unrecognized: couldn't decode protobuf: {reason}")


def _object(message: _Message, raw: bytes, depth: int) -> JsonObject:
    found: JsonObject = {}
    for number, value in _fields(raw):
        known = message.get(number)
        if known is None:
            # Better no object than one that silently lost a field.
            raise unsupported_media_type("application/json, application/yaml")
        if known.is_map:
            key, item = _entry(known, value, depth)
            found.setdefault(known.name, {})[key] = item
        elif known.repeated:
            found.setdefault(known.name, []).append(known.decode(value, depth))
        else:
            decoded = known.decode(value, depth)
            if decoded not in (None, ""):
                found[known.name] = decoded
    return found


def _entry(known: _Field, raw: bytes | int, depth: int) -> tuple[str, Json]:
    if isinstance(raw, int):
        raise _malformed("a map entry is not a message")
    parts = dict(_fields(raw))
    return str(_text(parts.get(1, b""), depth)), known.decode(parts.get(2, b""), depth)


def _fields(raw: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers and raw values of one message, in order."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        match wire:
            case 0:
                value, at = _varint(raw, at)
                yield number, value
                continue
            case 1 | 5:
                length = 8 if wire == _FIXED64 else 4
            case 2:
                length, at = _varint(raw, at)
            case _:
                raise _malformed(f"unknown wire type {wire}")
        if at + length > len(raw):
            raise _malformed("it ends too early")
        yield number, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 70:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _malformed("a number does not end")

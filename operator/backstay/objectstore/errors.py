"""What the API server says no with: one exception that carries a metav1.Status, and makers for each refusal.

The words are the real server's, because clients (kubectl, kopf, controllers) look at `reason` and `code`, and
people at `message`. Assumes the caller knows which refusal it wants; an unknown one is a bug, not an ApiError.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from backstay.objectstore.document import Json, JsonObject


class Reason(StrEnum):
    """metav1.StatusReason: the machine-readable half of a refusal."""

    ALREADY_EXISTS = "AlreadyExists"
    BAD_REQUEST = "BadRequest"
    CONFLICT = "Conflict"
    EXPIRED = "Expired"
    FORBIDDEN = "Forbidden"
    INVALID = "Invalid"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    NOT_ACCEPTABLE = "NotAcceptable"
    NOT_FOUND = "NotFound"
    REQUEST_TOO_LARGE = "RequestEntityTooLarge"
    TIMEOUT = "Timeout"
    UNAUTHORIZED = "Unauthorized"
    UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaType"


class FieldFault(StrEnum):
    """metav1.CauseType of one wrong field."""

    DUPLICATE = "FieldValueDuplicate"
    FORBIDDEN = "FieldValueForbidden"
    INVALID = "FieldValueInvalid"
    NOT_FOUND = "FieldValueNotFound"
    NOT_SUPPORTED = "FieldValueNotSupported"
    REQUIRED = "FieldValueRequired"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: where, what is wrong, and the server's sentence about it (without the path)."""

    fault: FieldFault
    path: str
    text: str

    def sentence(self) -> str:
        return f"{self.path or '<nil>'}: {self.text}"

    def cause(self) -> JsonObject:
        return {"reason": str(self.fault), "message": self.text, "field": self.path or "<nil>"}


def shown(value: Json) -> str:
    """A value as field errors show it: scalars as JSON, anything larger by its JSON too."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid_value(path: str, value: Json, detail: str) -> FieldError:
    return FieldError(FieldFault.INVALID, path, f"Invalid value: {shown(value)}: {detail}")


def required_value(path: str, detail: str = "") -> FieldError:
    return FieldError(FieldFault.REQUIRED, path, f"Required value: {detail}" if detail else "Required value")


def forbidden_value(path: str, detail: str) -> FieldError:
    return FieldError(FieldFault.FORBIDDEN, path, f"Forbidden: {detail}")


class ApiError(Exception):
    """A request the API server refuses. `status()` is the metav1.Status to answer with."""

    def __init__(self, code: int, reason: Reason, message: str, *, details: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> JsonObject:
        body: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": str(self.reason),
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(*, name: str, group: str, kind: str) -> JsonObject:
    found = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in found.items() if value}


def _qualified(kind: str, group: str) -> str:
    return f"{kind}.{group}" if group else kind


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404: the object is not there. `plural` is the resource's plural name."""
    return ApiError(
        404,
        Reason.NOT_FOUND,
        f'{_qualified(plural, group)} "{name}" not found',
        details=_details(name=name, group=group, kind=plural),
    )


def no_such_resource() -> ApiError:
    """404: the path names no resource this server has."""
    return ApiError(404, Reason.NOT_FOUND, "the server could not find the requested resource", details={})


def already_exists(group: str, plural: str, name: str) -> ApiError:
    return ApiError(
        409,
        Reason.ALREADY_EXISTS,
        f'{_qualified(plural, group)} "{name}" already exists',
        details=_details(name=name, group=group, kind=plural),
    )


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group: str, plural: str, name: str, *, detail: str = MODIFIED) -> ApiError:
    """409: the caller's idea of the object is not the stored one."""
    return ApiError(
        409,
        Reason.CONFLICT,
        f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": {detail}',
        details=_details(name=name, group=group, kind=plural),
    )


def apply_conflict(causes: list[tuple[str, str]]) -> ApiError:
    """409 of server-side apply. `causes` are (who owns it, field path) in the order to show."""
    grouped: dict[str, list[str]] = {}
    for owner, path in causes:
        grouped.setdefault(owner, []).append(path)
    count = len(causes)
    noun = "conflict" if count == 1 else "conflicts"
    if count == 1:
        text = f"conflict with {causes[0][0]}: {causes[0][1]}"
    else:
        text = "conflicts with " + "\nconflicts with ".join(
            f"{owner}:\n" + "\n".join(f"- {path}" for path in paths) for owner, paths in grouped.items()
        )
    listed = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": path}
        for owner, path in causes
    ]
    return ApiError(
        409, Reason.CONFLICT, f"Apply failed with {count} {noun}: {text}", details={"causes": listed}
    )


def invalid(*, group: str, kind: str, name: str, errors: list[FieldError]) -> ApiError:
    """422: the object breaks its schema or a rule. `errors` must not be empty."""
    assert errors, "an Invalid status needs at least one field error"
    sentences = [error.sentence() for error in errors]
    text = sentences[0] if len(sentences) == 1 else "[" + ", ".join(sentences) + "]"
    details = _details(name=name, group=group, kind=kind)
    details["causes"] = [error.cause() for error in errors]
    return ApiError(
        422, Reason.INVALID, f'{_qualified(kind, group)} "{name}" is invalid: {text}', details=details
    )


def bad_request(message: str) -> ApiError:
    return ApiError(400, Reason.BAD_REQUEST, message)


def forbidden(
    group: str, plural: str, name: str, *, detail: str, causes: list[JsonObject] | None = None
) -> ApiError:
    details = _details(name=name, group=group, kind=plural)
    if causes:
        details["causes"] = causes
    return ApiError(
        403, Reason.FORBIDDEN, f'{_qualified(plural, group)} "{name}" is forbidden: {detail}', details=details
    )


def expired(message: str) -> ApiError:
    """410: the asked-for resourceVersion is no longer (or never was) in the history."""
    return ApiError(410, Reason.EXPIRED, message)


def unauthorized() -> ApiError:
    return ApiError(401, Reason.UNAUTHORIZED, "Unauthorized")


def method_not_allowed() -> ApiError:
    return ApiError(
        405,
        Reason.METHOD_NOT_ALLOWED,
        "the server does not allow this method on the requested resource",
        details={},
    )


def not_acceptable(accepted: str) -> ApiError:
    return ApiError(406, Reason.NOT_ACCEPTABLE, f"only the following media types are accepted: {accepted}")


def unsupported_media_type(accepted: str) -> ApiError:
    return ApiError(
        415,
        Reason.UNSUPPORTED_MEDIA_TYPE,
        f"the body of the request was in an unknown format - accepted media types include: {accepted}",
    )


def too_large(limit_bytes: int) -> ApiError:
    return ApiError(
        413, Reason.REQUEST_TOO_LARGE, f"Request entity too large: limit is {limit_bytes}", details={}
    )

"""What can go wrong when talking to the API server, by what the caller can do about it."""

from __future__ import annotations

RETRY_AFTER_MAX_S = 5.0


class ApiError(Exception):
    """Any answer that is not a success. `code` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.retry_after_s = 0.0
        """What the server asked for with a 429 or 503; 0 where it asked for nothing."""

    def pause_s(self, own_s: float) -> float:
        """How long to wait before trying again: as long as the caller would (`own_s`), and what the server asks for, within reason."""
        return max(own_s, min(self.retry_after_s, RETRY_AFTER_MAX_S))


class ApiNotFound(ApiError):
    """404: the object, or its kind, is not there."""


class ApiConflict(ApiError):
    """409: somebody wrote meanwhile, or the object exists already (`reason` AlreadyExists)."""


class ApiGone(ApiError):
    """410: the resourceVersion is too old; list again."""


class ApiInvalid(ApiError):
    """400 or 422: the object is wrong; trying again does not help."""


class ApiForbidden(ApiError):
    """401 or 403."""


class ApiUnavailable(ApiError):
    """No answer in time, a broken connection, 429 or 5xx: try again later."""


def error_of(code: int, message: str, reason: str = "") -> ApiError:
    """The exception for an HTTP status."""
    match code:
        case 404:
            kind: type[ApiError] = ApiNotFound
        case 409:
            kind = ApiConflict
        case 410:
            kind = ApiGone
        case 400 | 422:
            kind = ApiInvalid
        case 401 | 403:
            kind = ApiForbidden
        case _ if code == 429 or code >= 500 or code == 0:
            kind = ApiUnavailable
        case _:
            kind = ApiError
    return kind(message, code=code, reason=reason)

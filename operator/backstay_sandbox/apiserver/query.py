"""The query parameters of a request, typed.

Assumes nothing; refuses, with an ApiError in the real server's words, values that do not parse.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from backstay.objectstore import (
    FieldValidation,
    ListQuery,
    Propagation,
    Resource,
    Selector,
    WatchQuery,
    WriteOptions,
    parse_selector,
)
from backstay.objectstore.errors import (
    ApiError,
    FieldError,
    FieldFault,
    bad_request,
    forbidden_value,
    invalid,
    shown,
)

Params = Mapping[str, str]
Choice = TypeVar("Choice", bound=Enum)

MANAGER_LENGTH_MAX = 128


def flag(params: Params, name: str) -> bool:
    """A boolean parameter the way Go reads it: present and not false is true."""
    return params.get(name, "false").lower() not in ("false", "0", "f")


def number(params: Params, name: str) -> int:
    """A non-negative whole number, 0 when absent. Raises BadRequest."""
    text = params.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise bad_request(f'Invalid value: "{text}": {name} must be a non-negative whole number')
    return int(text)


def selector_of(params: Params, resource: Resource, name: str = "") -> Selector:
    """The selector of a list or watch; `name` pins one object (a list or watch on a single object's path)."""
    fields = params.get("fieldSelector", "")
    if name:
        fields = f"{fields},metadata.name={name}" if fields else f"metadata.name={name}"
    return parse_selector(params.get("labelSelector", ""), fields, allowed_fields=resource.selectable_fields)


def list_query(params: Params, resource: Resource) -> ListQuery:
    version = number(params, "resourceVersion")
    match_rule = params.get("resourceVersionMatch", "")
    if match_rule and "resourceVersion" not in params:
        raise _options_error(
            "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if match_rule == "Exact" and version == 0:
        raise _options_error(
            "resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        )
    return ListQuery(
        selector=selector_of(params, resource),
        limit=number(params, "limit"),
        continue_token=params.get("continue", ""),
        version=version,
        is_exact=match_rule == "Exact",
    )


def watch_query(params: Params, resource: Resource, name: str) -> WatchQuery:
    sends_initial = flag(params, "sendInitialEvents")
    if sends_initial and params.get("resourceVersionMatch") != "NotOlderThan":
        raise _options_error(
            "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
    version = number(params, "resourceVersion")
    return WatchQuery(
        selector=selector_of(params, resource, name),
        version=version or None,
        sends_initial_events=sends_initial,
        allows_bookmarks=flag(params, "allowWatchBookmarks"),
    )


def write_options(params: Params, user_agent: str) -> WriteOptions:
    return WriteOptions(
        field_manager=_manager(params, user_agent),
        dry_run=dry_run(params.get("dryRun", "")),
        field_validation=_choice(FieldValidation, params, "fieldValidation") or FieldValidation.WARN,
    )


def dry_run(text: str) -> bool:
    if text not in ("", "All"):
        raise _not_supported("dryRun", text, ["All"])
    return text == "All"


def propagation_of(text: str) -> Propagation:
    """The manner of a delete; background unless something else is said."""
    return _choice(Propagation, {"propagationPolicy": text}, "propagationPolicy") or Propagation.BACKGROUND


def _manager(params: Params, user_agent: str) -> str:
    given = params.get("fieldManager", "")
    if len(given) > MANAGER_LENGTH_MAX:
        error = FieldError(
            FieldFault.TOO_LONG, "fieldManager", f"Too long: may not be more than {MANAGER_LENGTH_MAX} bytes"
        )
        raise _options_invalid("PatchOptions", error)
    return given or user_agent.partition("/")[0][:MANAGER_LENGTH_MAX] or "unknown"


def _choice(kind: type[Choice], params: Params, name: str) -> Choice | None:
    text = params.get(name, "")
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise _not_supported(name, text, [str(choice.value) for choice in kind]) from None


def _not_supported(name: str, text: str, choices: list[str]) -> ApiError:
    listed = ", ".join(shown(choice) for choice in choices)
    error = FieldError(
        FieldFault.NOT_SUPPORTED, name, f"Unsupported value: {shown(text)}: supported values: {listed}"
    )
    return _options_invalid("Options", error)


def _options_error(name: str, text: str) -> ApiError:
    return _options_invalid("ListOptions", forbidden_value(name, text))


def _options_invalid(kind: str, error: FieldError) -> ApiError:
    return invalid(group="meta.k8s.io", kind=kind, name="", errors=[error])

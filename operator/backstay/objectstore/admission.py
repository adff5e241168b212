"""From what a client sent to what is stored: the pure part of a create or an update.

In order: shape (kind, metadata, the parts this endpoint may write), prune and default by the schema, share what did
not change with the stored object, work out ownership, judge. The result is `old` itself when the write changes
nothing. Assumes the caller looked the object up and holds no other writer; refuses, with an ApiError, what the
real server refuses.
"""

from dataclasses import dataclass, field
from enum import Enum

from backstay.objectstore import metadata as object_meta
from backstay.objectstore.document import MISSING, Json, JsonObject, graft, with_key
from backstay.objectstore.errors import (
    ApiError,
    FieldError,
    FieldFault,
    bad_request,
    conflict,
    invalid,
    invalid_value,
)
from backstay.objectstore.ids import IdSource
from backstay.objectstore.ownership import Writer, after_update, with_entries
from backstay.objectstore.resource import Resource
from backstay.objectstore.rules import check_rules
from backstay.objectstore.structural import fill_defaults, prune
from backstay.objectstore.timestamps import rfc3339
from backstay.objectstore.validation import Findings, validate


class FieldValidation(Enum):
    """What to do about members the schema does not know (they are dropped in any case)."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write, besides what."""

    field_manager: str = "unknown"
    dry_run: bool = False
    field_validation: FieldValidation = FieldValidation.IGNORE


DEFAULT_OPTIONS = WriteOptions()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A document ready to be stored (still in the request's version), and what to warn the client of."""

    document: JsonObject
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One write: to what, by whom, when."""

    resource: Resource
    namespace: str
    subresource: str
    now: float
    options: WriteOptions
    is_apply: bool = False
    is_patch: bool = False
    sent: Json = None
    """The patch as it came, for error messages."""
    unknown: list[str] = field(default_factory=list)

    def writer(self) -> Writer:
        return Writer(
            manager=self.options.field_manager,
            api_version=self.resource.api_version,
            subresource=self.subresource,
            time=rfc3339(self.now),
        )


def admit_create(request: Request, document: Json, *, ids: IdSource) -> Admitted:
    """A new object. For an apply, ownership was worked out before and is kept."""
    resource = request.resource
    document = _shaped(request, document)
    given = document["metadata"]
    if given.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    kept = {key: value for key, value in given.items() if key not in object_meta.SYSTEM_MEMBERS}
    if not kept.get("name") and kept.get("generateName"):
        kept["name"] = kept["generateName"][:58] + ids.suffix()
    if resource.namespaced:
        kept["namespace"] = request.namespace
    kept["uid"] = ids.uid()
    kept["creationTimestamp"] = rfc3339(request.now)
    if resource.has_generation:
        kept["generation"] = 1
    document = {**document, "metadata": kept}
    if resource.has_status and not resource.keeps_status_on_create:
        document = with_key(document, "status", MISSING)
    document = _fitted(request, document, old=None)
    if "name" in kept:
        document = resource.prepare(document, None)
    if not request.is_apply:
        document = after_update(resource.ownership, None, document, writer=request.writer())
    _judge(request, document, old=None)
    return Admitted(document, _warnings(request))


def admit_update(request: Request, old: JsonObject, candidate: Json) -> Admitted:
    """A changed object; `old` is the stored one in the request's version. Returns `old` itself for no change."""
    resource = request.resource
    candidate = _shaped(request, candidate)
    _check_address(request, old, candidate)
    document = _with_system_members(old, candidate)
    document = _only_endpoint_parts(request, old, document)
    document = graft(old, _fitted(request, document, old=old))
    document = graft(old, resource.prepare(document, old))
    if not request.is_apply:
        resets = candidate["metadata"].get("managedFields") == [{}]
        start = with_entries(old, MISSING) if resets else old
        document = graft(old, after_update(resource.ownership, start, document, writer=request.writer()))
    _judge(request, document, old=old)
    if document is old:
        return Admitted(old, _warnings(request))
    if resource.has_generation and _spec_changed(resource, old, document):
        generation = old["metadata"].get("generation", 0) + 1
        document = {**document, "metadata": {**document["metadata"], "generation": generation}}
    return Admitted(document, _warnings(request))


def _shaped(request: Request, document: Json) -> JsonObject:
    """The document with apiVersion, kind and a well-formed metadata. Raises BadRequest."""
    resource = request.resource
    if not isinstance(document, dict):
        raise bad_request("the object provided is unrecognized (must be of type " + resource.kind + ")")
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if resource.is_custom and not kind:
        raise bad_request("Object 'Kind' is missing in the request body")
    if (kind or resource.kind) != resource.kind:
        raise bad_request(
            f'{kind} in version "{api_version}" cannot be handled as a {resource.kind}: '
            f"the kind in the data ({kind}) does not match the expected kind ({resource.kind})"
        )
    if (api_version or resource.api_version) != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    shaped = {"apiVersion": resource.api_version, "kind": resource.kind, **document}
    shaped["apiVersion"], shaped["kind"] = resource.api_version, resource.kind
    metadata = document.get("metadata")
    shaped["metadata"] = object_meta.shaped_metadata(
        {} if metadata is None else metadata, unknown=request.unknown
    )
    given = shaped["metadata"].get("namespace")
    if given and given != request.namespace and resource.namespaced:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return shaped


def _check_address(request: Request, old: JsonObject, candidate: JsonObject) -> None:
    resource = request.resource
    before, given = old["metadata"], candidate["metadata"]
    name = before["name"]
    if given.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({given['name']}) does not match the name on the URL ({name})"
        )
    uid = given.get("uid", before["uid"])
    if uid != before["uid"]:
        detail = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before['uid']}"
        raise conflict(resource.group, resource.plural, name, detail=detail)
    version = given.get("resourceVersion", "")
    if version in ("", "0"):
        must_name_version = resource.is_custom or resource.needs_version_to_update
        if must_name_version and not request.is_patch:
            error = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(group=resource.group, kind=resource.kind, name=name, errors=[error])
    elif version != before["resourceVersion"]:
        raise conflict(resource.group, resource.plural, name)


def _with_system_members(old: JsonObject, candidate: JsonObject) -> JsonObject:
    before = old["metadata"]
    merged = {
        key: value for key, value in candidate["metadata"].items() if key not in object_meta.SYSTEM_MEMBERS
    }
    for key in ("name", "namespace", *object_meta.SYSTEM_MEMBERS):
        if key in before:
            merged[key] = before[key]
    return {**candidate, "metadata": merged}


def _only_endpoint_parts(request: Request, old: JsonObject, document: JsonObject) -> JsonObject:
    """What the endpoint may write from the document, everything else as it is stored."""
    if request.subresource == "status":
        managed = document["metadata"].get("managedFields", MISSING) if request.is_apply else MISSING
        kept = with_key(old, "status", document.get("status", MISSING))
        return with_entries(kept, managed) if request.is_apply else kept
    if request.subresource == "finalize":
        return with_key(old, "spec", document.get("spec", MISSING))
    if request.resource.has_status:
        return with_key(document, "status", old.get("status", MISSING))
    return document


def _fitted(request: Request, document: JsonObject, *, old: JsonObject | None) -> JsonObject:
    """Pruned and defaulted by the schema; unknown members are noted in the request."""
    schema = request.resource.schema
    before: Json = MISSING
    if old is not None:
        document = graft(old, document)
        before = old
    pruned = prune(schema, document, unknown=request.unknown, old=before, is_resource=True)
    filled = fill_defaults(schema, pruned, old=before)
    if request.options.field_validation is FieldValidation.STRICT and request.unknown:
        raise _strict_refusal(request)
    assert isinstance(filled, dict), "pruning and defaulting keep an object an object"
    return filled


def _strict_refusal(request: Request) -> ApiError:
    listed = ", ".join(f'unknown field "{path}"' for path in request.unknown)
    text = f"strict decoding error: {listed}"
    resource = request.resource
    if request.is_patch:
        error = invalid_value("patch", request.sent, text)
        return invalid(group="", kind="", name="", errors=[error])
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {text}'
    )


def _warnings(request: Request) -> tuple[str, ...]:
    if request.options.field_validation is not FieldValidation.WARN:
        return ()
    return tuple(f'unknown field "{path}"' for path in request.unknown)


BLOCKING = frozenset(
    (
        *(FieldFault.REQUIRED, FieldFault.TYPE_INVALID, FieldFault.NOT_SUPPORTED),
        *(FieldFault.TOO_LONG, FieldFault.TOO_MANY),
    )
)
"""After these the API server evaluates no rules, and says so."""
UNCHECKED = FieldError(
    FieldFault.INVALID,
    "",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def _judge(request: Request, document: JsonObject, *, old: JsonObject | None) -> None:
    """Raises Invalid with everything that is wrong."""
    if document is old:
        return
    resource = request.resource
    findings = Findings()
    before: Json = MISSING if old is None else old
    object_meta.check_metadata(
        document["metadata"],
        old=old["metadata"] if old is not None else None,
        rule=resource.name_rule,
        namespaced=resource.namespaced,
        findings=findings,
    )
    validate(resource.schema, document, old=before, path="", findings=findings)
    if any(error.fault in BLOCKING for error in findings.errors):
        # Rules may rely on the types being right, so they run only on a value whose are.
        if resource.schema.has_rules:
            findings.add(UNCHECKED)
    else:
        check_rules(resource.schema, document, old=before, path="", findings=findings)
        if not findings.errors:
            resource.examine(document, old, findings)
    if findings.errors:
        name = document["metadata"].get("name", "")
        raise invalid(group=resource.group, kind=resource.kind, name=name, errors=findings.errors)


def _spec_changed(resource: Resource, old: JsonObject, document: JsonObject) -> bool:
    """Whether anything but metadata (and, where it has its own endpoint, status) changed."""
    ignored = ("metadata", "status") if resource.has_status else ("metadata",)
    keys = [key for key in {**old, **document} if key not in ignored]
    return any(old.get(key, MISSING) is not document.get(key, MISSING) for key in keys)

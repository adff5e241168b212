"""ObjectMeta: which members there are, what the server sets itself, and what it refuses.

Assumes a document with a metadata object. Refuses, with findings or a BadRequest ApiError, names, labels,
annotations, finalizers and owner references that the real server refuses.
"""

import re

from backstay.objectstore.document import Json, JsonObject, kind_name
from backstay.objectstore.errors import (
    ApiError,
    FieldError,
    FieldFault,
    bad_request,
    forbidden_value,
    invalid_value,
    required_value,
)
from backstay.objectstore.resource import NameRule
from backstay.objectstore.validation import Findings

_TYPES: dict[str, type] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "selfLink": str,
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "labels": dict,
    "annotations": dict,
    "ownerReferences": list,
    "finalizers": list,
    "managedFields": list,
}

SYSTEM_MEMBERS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
)
"""What only the server sets: whatever a client sends here, the stored value stays."""

ANNOTATIONS_BYTES_MAX = 256 * 1024

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + r")*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_RE = re.compile(f"^{_LABEL}$")
_SUBDOMAIN_RE = re.compile(f"^{_SUBDOMAIN}$")
_QUALIFIED_RE = re.compile(f"^{_QUALIFIED}$")


def shaped_metadata(metadata: Json, *, unknown: list[str]) -> JsonObject:
    """The known, non-empty members of a metadata object; the others' paths are added to `unknown`.

    Raises BadRequest for a member of the wrong type.
    """
    if not isinstance(metadata, dict):
        raise _cannot_unmarshal(metadata, "metadata", "v1.ObjectMeta")
    shaped: JsonObject = {}
    for key, value in metadata.items():
        wanted = _TYPES.get(key)
        if wanted is None:
            unknown.append(f"metadata.{key}")
            continue
        if value is None or value in ({}, [], ""):
            continue
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise _cannot_unmarshal(value, f"metadata.{key}", wanted.__name__)
        shaped[key] = value
    for key in ("labels", "annotations"):
        for value in shaped.get(key, {}).values():
            if not isinstance(value, str):
                raise _cannot_unmarshal(value, f"metadata.{key}", "string")
    if any(not isinstance(value, str) for value in shaped.get("finalizers", ())):
        raise _cannot_unmarshal(None, "metadata.finalizers", "string")
    if any(not isinstance(value, dict) for value in shaped.get("ownerReferences", ())):
        raise _cannot_unmarshal(None, "metadata.ownerReferences", "v1.OwnerReference")
    return shaped


def _cannot_unmarshal(value: Json, path: str, wanted: str) -> ApiError:
    return bad_request(
        f"json: cannot unmarshal {kind_name(value)} into Go struct field .{path} of type {wanted}"
    )


def check_metadata(
    metadata: JsonObject, *, old: JsonObject | None, rule: NameRule, namespaced: bool, findings: Findings
) -> None:
    """Adds what is wrong with an object's metadata to `findings`. `old` is the stored metadata, on updates."""
    if old is None:
        _check_name(metadata, rule, findings)
    if not namespaced and metadata.get("namespace"):
        findings.add(forbidden_value("metadata.namespace", "not allowed on this type"))
    before = old or {}
    if metadata.get("labels") is not before.get("labels"):
        _check_labels(metadata.get("labels") or {}, findings)
    if metadata.get("annotations") is not before.get("annotations"):
        _check_annotations(metadata.get("annotations") or {}, findings)
    if metadata.get("finalizers") is not before.get("finalizers"):
        _check_finalizers(metadata, before, findings)
    if metadata.get("ownerReferences") is not before.get("ownerReferences"):
        _check_owners(metadata.get("ownerReferences") or [], findings)


def _check_name(metadata: JsonObject, rule: NameRule, findings: Findings) -> None:
    name = metadata.get("name", "")
    if not name:
        findings.add(required_value("metadata.name", "name or generateName is required"))
        return
    complaint = name_complaint(name, rule)
    if complaint:
        findings.add(invalid_value("metadata.name", name, complaint))


def name_complaint(name: str, rule: NameRule) -> str:
    """Why a name is refused; empty when it is not."""
    match rule:
        case NameRule.SUBDOMAIN:
            if len(name) > 253:
                return "must be no more than 253 bytes"
            if not _SUBDOMAIN_RE.match(name):
                return (
                    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
                    f"validation is '{_SUBDOMAIN}')"
                )
        case NameRule.LABEL:
            if len(name) > 63:
                return "must be no more than 63 bytes"
            if not _LABEL_RE.match(name):
                return (
                    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
                    "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
                    f"validation is '{_LABEL}')"
                )
        case NameRule.PATH_SEGMENT:
            if name in (".", "..") or "/" in name or "%" in name:
                return "may not be '.' or '..', nor contain '/' or '%'"
    return ""


def _key_complaint(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash and (not _SUBDOMAIN_RE.match(prefix) or len(prefix) > 253):
        return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    if not _QUALIFIED_RE.match(name):
        return (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{_QUALIFIED}')"
        )
    return ""


def _check_labels(labels: JsonObject, findings: Findings) -> None:
    for key, value in labels.items():
        complaint = _key_complaint(key)
        if complaint:
            findings.add(invalid_value("metadata.labels", key, complaint))
        if len(value) > 63:
            findings.add(invalid_value("metadata.labels", value, "must be no more than 63 bytes"))
        elif value and not _QUALIFIED_RE.match(value):
            text = (
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
                f"regex used for validation is '({_QUALIFIED})?')"
            )
            findings.add(invalid_value("metadata.labels", value, text))


def _check_annotations(annotations: JsonObject, findings: Findings) -> None:
    total = 0
    for key, value in annotations.items():
        total += len(key) + len(value)
        complaint = _key_complaint(key.lower())
        if complaint:
            findings.add(invalid_value("metadata.annotations", key, complaint))
    if total > ANNOTATIONS_BYTES_MAX:
        text = f"Too long: may not be more than {ANNOTATIONS_BYTES_MAX} bytes"
        findings.add(FieldError(FieldFault.TOO_LONG, "metadata.annotations", text))


def _check_finalizers(metadata: JsonObject, before: JsonObject, findings: Findings) -> None:
    held = before.get("finalizers") or []
    for name in metadata.get("finalizers") or []:
        complaint = _key_complaint(name)
        if complaint:
            findings.add(invalid_value("metadata.finalizers", name, complaint))
    added = [name for name in metadata.get("finalizers") or [] if name not in held]
    if added and before.get("deletionTimestamp"):
        listed = ", ".join(f'"{name}"' for name in added)
        text = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{listed}}}"
        )
        findings.add(forbidden_value("metadata.finalizers", text))


def _check_owners(owners: list[JsonObject], findings: Findings) -> None:
    controllers = 0
    for at, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{at}]"
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                findings.add(invalid_value(f"{path}.{key}", owner.get(key, ""), "must not be empty"))
        controllers += owner.get("controller") is True
    if controllers > 1:
        findings.add(
            invalid_value(
                "metadata.ownerReferences", owners, "Only one reference can have Controller set to true"
            )
        )

"""CustomResourceDefinitions: from the object to the resources it serves, and back to the object's status.

Assumes a definition in apiextensions.k8s.io/v1 form. Refuses, with findings, one whose name, names, versions or
schema the real server refuses; a schema is compiled (CEL rules too) before the definition is stored, so that a
stored definition always serves.
"""

import json
from dataclasses import dataclass

from backstay.objectstore.document import Json, JsonObject, at_path, kind_name, with_path
from backstay.objectstore.errors import FieldError, FieldFault, forbidden_value, invalid_value, required_value
from backstay.objectstore.resource import CREATED_AT, Column, Resource
from backstay.objectstore.schema import ANYTHING, RuleCompiler, Schema, SchemaError, compile_schema
from backstay.objectstore.timestamps import rfc3339
from backstay.objectstore.validation import Findings

GROUP = "apiextensions.k8s.io"
PLURAL = "customresourcedefinitions"
CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Keeps a definition until its objects are gone."""

_DEFINITION_SCHEMA: JsonObject = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "properties": {
        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "status": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {
                "conditions": {
                    "type": "array",
                    "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                }
            },
        },
    },
}


class Definitions:
    """Compiles definitions; keeps what it compiled, so that an unchanged schema is compiled once."""

    def __init__(self, rules: RuleCompiler) -> None:
        self._rules = rules
        self._compiled: dict[str, Schema] = {}

    def resource(self) -> Resource:
        """The resource of definitions themselves."""
        return Resource(
            GROUP,
            "v1",
            PLURAL,
            "CustomResourceDefinition",
            namespaced=False,
            short_names=("crd", "crds"),
            categories=("api-extensions",),
            subresources=("status",),
            schema=compile_schema(_DEFINITION_SCHEMA),
            open_api=_DEFINITION_SCHEMA,
            columns=(CREATED_AT,),
            prepare=_prepared,
            examine=self._examine,
        )

    def schema(self, raw: JsonObject, path: str) -> Schema:
        """The compiled schema of one version. Raises SchemaError."""
        text = json.dumps(raw)
        found = self._compiled.get(text)
        if found is None:
            if len(self._compiled) >= _COMPILED_MAX:
                self._compiled.clear()
            found = self._compiled[text] = compile_schema(raw, rules=self._rules, path=path)
        return found

    def resources_of(self, definition: JsonObject) -> tuple[Resource, ...]:
        """The resources a stored definition serves, storage version first."""
        spec = definition["spec"]
        served = [version for version in spec["versions"] if version.get("served")]
        served.sort(key=lambda version: not version.get("storage"))
        return tuple(self._resource_of(spec, version) for version in served)

    def _resource_of(self, spec: JsonObject, version: JsonObject) -> Resource:
        names = spec["names"]
        raw = at_path(version, ("schema", "openAPIV3Schema")) or {}
        storage = next(entry["name"] for entry in spec["versions"] if entry.get("storage"))
        return Resource(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            namespaced=spec["scope"] == "Namespaced",
            singular=names.get("singular", ""),
            list_kind=names.get("listKind", ""),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=("status",) if "status" in (version.get("subresources") or {}) else (),
            schema=self.schema(raw, "openAPIV3Schema") if raw else ANYTHING,
            open_api=raw,
            storage_version=storage,
            is_custom=True,
            selectable_fields=tuple(
                entry["jsonPath"].removeprefix(".") for entry in version.get("selectableFields") or ()
            ),
            columns=_columns(version),
        )

    def _examine(self, document: JsonObject, stored: JsonObject | None, findings: Findings) -> None:
        spec = document.get("spec")
        if not isinstance(spec, dict):
            findings.add(required_value("spec"))
            return
        if stored is not None and stored.get("spec") is spec:
            return
        _examine_names(document, spec, findings)
        _examine_unchangeable(spec, stored, findings)
        versions = spec.get("versions")
        if not isinstance(versions, list) or not versions:
            findings.add(required_value("spec.versions", "must have at least one version"))
            return
        if sum(bool(version.get("storage")) for version in versions) != 1:
            text = "must have exactly one version marked as storage version"
            findings.add(invalid_value("spec.versions", "(versions)", text))
        if len({version.get("name") for version in versions}) != len(versions):
            findings.add(invalid_value("spec.versions", "(versions)", "must contain unique version names"))
        for at, version in enumerate(versions):
            self._examine_version(version, f"spec.versions[{at}]", findings)

    def _examine_version(self, version: JsonObject, path: str, findings: Findings) -> None:
        raw = at_path(version, ("schema", "openAPIV3Schema"))
        where = f"{path}.schema.openAPIV3Schema"
        if not isinstance(raw, dict):
            findings.add(required_value(where, "schemas are required"))
            return
        _examine_structure(raw, where, findings, _Place())
        if findings.errors:
            return
        try:
            self.schema(raw, where)
        except SchemaError as broken:
            findings.add(invalid_value(broken.path, "(schema)", broken.text))


_COMPILED_MAX = 256


def _columns(version: JsonObject) -> tuple[Column, ...]:
    listed = version.get("additionalPrinterColumns")
    if not listed:
        return (Column("Age", "date", ".metadata.creationTimestamp"),)
    return tuple(
        Column(
            name=entry["name"],
            type=entry["type"],
            json_path=entry["jsonPath"],
            format=entry.get("format", ""),
            description=entry.get("description", ""),
            priority=entry.get("priority", 0),
        )
        for entry in listed
    )


def _prepared(document: JsonObject, stored: JsonObject | None) -> JsonObject:
    spec = document.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("names"), dict):
        return document
    names = dict(spec["names"])
    kind = names.get("kind")
    if isinstance(kind, str) and kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", kind + "List")
    spec = {**spec, "names": names}
    spec.setdefault("conversion", {"strategy": "None"})
    if stored is None:
        finalizers = [*(document["metadata"].get("finalizers") or ()), CLEANUP_FINALIZER]
        document = with_path(document, ("metadata", "finalizers"), finalizers)
    return {**document, "spec": spec}


def _examine_names(document: JsonObject, spec: JsonObject, findings: Findings) -> None:
    names = spec.get("names")
    if not isinstance(names, dict):
        findings.add(required_value("spec.names"))
        return
    for key in ("plural", "kind"):
        if not isinstance(names.get(key), str) or not names[key]:
            findings.add(required_value(f"spec.names.{key}"))
    if not isinstance(spec.get("group"), str) or "." not in spec["group"]:
        findings.add(
            invalid_value("spec.group", spec.get("group", ""), "should be a domain with at least one dot")
        )
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        shown = json.dumps(spec.get("scope", ""))
        text = f'Unsupported value: {shown}: supported values: "Cluster", "Namespaced"'
        findings.add(FieldError(FieldFault.NOT_SUPPORTED, "spec.scope", text))
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    name = document["metadata"]["name"]
    if name != wanted:
        findings.add(invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if spec.get("preserveUnknownFields"):
        findings.add(invalid_value("spec.preserveUnknownFields", True, "must be false"))
    strategy = at_path(spec, ("conversion", "strategy"), "None")
    if strategy != "None":
        # A webhook would be I/O inside the store; version changes that rename fields are out of its scope.
        findings.add(
            forbidden_value("spec.conversion.strategy", f"conversion {strategy} is not supported here")
        )


def _examine_unchangeable(spec: JsonObject, stored: JsonObject | None, findings: Findings) -> None:
    if stored is None:
        return
    for path in (("scope",), ("group",), ("names", "plural"), ("names", "kind")):
        before, now = at_path(stored["spec"], path), at_path(spec, path)
        if before != now:
            findings.add(invalid_value("spec." + ".".join(path), now, "field is immutable"))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a schema a node is: value validations (anyOf and the like) may not have structure of their own."""

    is_junctor: bool = False
    is_root: bool = True


_JUNCTORS = ("allOf", "anyOf", "oneOf")


def _examine_structure(raw: Json, path: str, findings: Findings, place: _Place) -> None:
    """The rules of structural schemas that a wrong definition usually breaks."""
    if not isinstance(raw, dict):
        findings.add(invalid_value(path, kind_name(raw), "must be a schema object"))
        return
    has_free_type = raw.get("x-kubernetes-int-or-string") or raw.get("x-kubernetes-preserve-unknown-fields")
    if not place.is_junctor and not raw.get("type") and not has_free_type:
        findings.add(required_value(f"{path}.type", "must not be empty for specified object fields"))
    if place.is_root and raw.get("type") != "object":
        findings.add(invalid_value(f"{path}.type", raw.get("type", ""), "must be object at the root"))
    if raw.get("properties") and raw.get("additionalProperties"):
        findings.add(forbidden_value(f"{path}.additionalProperties", "mutual exclusive with properties"))
    if raw.get("additionalProperties") is False:
        findings.add(forbidden_value(f"{path}.additionalProperties", "must not be false"))
    for word in ("$ref", "definitions", "dependencies", "patternProperties", "id"):
        if word in raw:
            findings.add(forbidden_value(f"{path}.{word}", f"{word} is not supported"))
    _examine_list(raw, path, findings, place)
    below = _Place(is_junctor=place.is_junctor, is_root=False)
    for name, child in (raw.get("properties") or {}).items():
        _examine_structure(child, f"{path}.properties[{name}]", findings, below)
    if isinstance(raw.get("additionalProperties"), dict):
        _examine_structure(raw["additionalProperties"], f"{path}.additionalProperties", findings, below)
    if "items" in raw:
        _examine_structure(raw["items"], f"{path}.items", findings, below)
    inside = _Place(is_junctor=True, is_root=False)
    for word in _JUNCTORS:
        for at, child in enumerate(raw.get(word) or ()):
            _examine_structure(child, f"{path}.{word}[{at}]", findings, inside)
    if "not" in raw:
        _examine_structure(raw["not"], f"{path}.not", findings, inside)


def _examine_list(raw: JsonObject, path: str, findings: Findings, place: _Place) -> None:
    if raw.get("type") == "array" and "items" not in raw and not place.is_junctor:
        findings.add(required_value(f"{path}.items", "must be specified"))
    if raw.get("uniqueItems"):
        findings.add(forbidden_value(f"{path}.uniqueItems", "uniqueItems cannot be set to true"))
    if raw.get("x-kubernetes-list-type") != "map":
        return
    keys = raw.get("x-kubernetes-list-map-keys") or []
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        findings.add(required_value(f"{path}.x-kubernetes-list-map-keys", text))
    items = raw.get("items") if isinstance(raw.get("items"), dict) else {}
    for at, key in enumerate(keys):
        child = at_path(items, ("properties", key))
        where = f"{path}.x-kubernetes-list-map-keys[{at}]"
        if child is None:
            findings.add(invalid_value(where, key, "entries must all be names of item properties"))
        elif key not in (items or {}).get("required", ()) and "default" not in child:
            where = f"{path}.items.properties[{key}].default"
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            findings.add(required_value(where, text))


def settled(definition: JsonObject, *, now: float, name_conflict: str) -> JsonObject:
    """The definition with the status a served one has. `name_conflict` says who has its names already, if any."""
    spec = definition["spec"]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    stored = at_path(definition, ("status", "storedVersions")) or []
    accepted = not name_conflict
    before = {entry.get("type"): entry for entry in at_path(definition, ("status", "conditions")) or []}
    conditions = [
        _condition(before, "NamesAccepted", accepted, now, accepted_reasons(name_conflict)),
        _condition(
            before,
            "Established",
            accepted,
            now,
            ("InitialNamesAccepted", "the initial names have been accepted")
            if accepted
            else ("NotAccepted", "not all names are accepted"),
        ),
    ]
    status = {
        "conditions": conditions,
        "acceptedNames": spec["names"] if accepted else {"plural": "", "kind": ""},
        "storedVersions": stored if storage in stored else [*stored, storage],
    }
    return {**definition, "status": status}


def accepted_reasons(name_conflict: str) -> tuple[str, str]:
    if name_conflict:
        return "KindConflict", name_conflict
    return "NoConflicts", "no conflicts found"


def _condition(
    before: dict[str, JsonObject], name: str, holds: bool, now: float, why: tuple[str, str]
) -> JsonObject:
    status = "True" if holds else "False"
    last = before.get(name)
    if last is not None and last.get("status") == status:
        return last
    return {
        "type": name,
        "status": status,
        "lastTransitionTime": rfc3339(now),
        "reason": why[0],
        "message": why[1],
    }


def is_established(definition: JsonObject) -> bool:
    conditions = at_path(definition, ("status", "conditions")) or []
    return any(entry.get("type") == "Established" and entry.get("status") == "True" for entry in conditions)


def terminating(definition: JsonObject, *, now: float) -> JsonObject:
    """The definition with a Terminating condition: its objects are being deleted."""
    conditions = [
        entry
        for entry in at_path(definition, ("status", "conditions")) or []
        if entry.get("type") != "Terminating"
    ]
    conditions.append(
        {
            "type": "Terminating",
            "status": "True",
            "lastTransitionTime": rfc3339(now),
            "reason": "InstanceDeletionInProgress",
            "message": "CustomResource deletion is in progress",
        }
    )
    return with_path(definition, ("status", "conditions"), conditions)

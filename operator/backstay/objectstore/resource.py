"""What the server knows about one kind of object, and the registry of all of them.

A Resource is one group, version and plural: how it is addressed, shaped, stored and shown. Versions and groups that
share a storage key show the same objects. Assumes resources come from `builtin` or `crd`; refuses, with an ApiError,
an address nobody registered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from backstay.objectstore.document import JsonObject
from backstay.objectstore.ownership import owned_schema
from backstay.objectstore.schema import ANYTHING, Schema
from backstay.objectstore.validation import Findings

StorageKey = tuple[str, str]
"""(group, plural) under which a collection is kept."""

Prepare = Callable[[JsonObject, JsonObject | None], JsonObject]
"""Brings a document to be written into its kind's form: (new, stored or None) -> new."""

Examine = Callable[[JsonObject, JsonObject | None, Findings], None]
"""Judges a document beyond its schema: (new, stored or None, findings)."""

Convert = Callable[[JsonObject], JsonObject]


class NameRule(Enum):
    """Which names a kind allows."""

    SUBDOMAIN = "subdomain"
    LABEL = "label"
    PATH_SEGMENT = "path segment"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`. Priority 0 always shows, more only with `-o wide`."""

    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


CREATED_AT = Column("Created At", "string", ".metadata.creationTimestamp")
"""The one column of kinds that show a time stamp instead of an age."""

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def _as_it_is(document: JsonObject, stored: JsonObject | None) -> JsonObject:
    return document


def _no_objection(document: JsonObject, stored: JsonObject | None, findings: Findings) -> None:
    return None


def _api_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One group, version and plural."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    """Writable subresources; "status" isolates status from the main endpoint."""
    schema: Schema = ANYTHING
    open_api: JsonObject = field(default_factory=dict)
    """The schema as published, without apiVersion, kind and metadata."""
    storage: StorageKey = ("", "")
    storage_version: str = ""
    has_generation: bool = True
    keeps_status_on_create: bool = False
    is_custom: bool = False
    needs_version_to_update: bool = False
    """A replace without resourceVersion is refused."""
    name_rule: NameRule = NameRule.SUBDOMAIN
    selectable_fields: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    prepare: Prepare = _as_it_is
    examine: Examine = _no_objection
    to_storage: Convert | None = None
    from_storage: Convert | None = None
    list_kind: str = ""
    ownership: Schema = field(init=False)
    """The schema that decides who owns which field."""
    api_version: str = field(init=False)
    storage_api_version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "singular", self.singular or self.kind.lower())
        object.__setattr__(self, "list_kind", self.list_kind or f"{self.kind}List")
        if self.storage == ("", ""):
            object.__setattr__(self, "storage", (self.group, self.plural))
        object.__setattr__(self, "storage_version", self.storage_version or self.version)
        object.__setattr__(self, "ownership", owned_schema(self.schema))
        object.__setattr__(self, "api_version", _api_version(self.group, self.version))
        object.__setattr__(self, "storage_api_version", _api_version(self.storage[0], self.storage_version))

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    def shown(self, stored: JsonObject) -> JsonObject:
        """A stored document as this version shows it."""
        if self.from_storage is not None:
            return self.from_storage(stored)
        if stored["apiVersion"] == self.api_version:
            return stored
        return {**stored, "apiVersion": self.api_version}

    def kept(self, document: JsonObject) -> JsonObject:
        """A document of this version as it is stored."""
        if self.to_storage is not None:
            return self.to_storage(document)
        if document["apiVersion"] == self.storage_api_version:
            return document
        return {**document, "apiVersion": self.storage_api_version}


class Registry:
    """All resources, in the order they came: discovery shows them so."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str, str], Resource] = {}

    def add(self, resource: Resource) -> None:
        self._resources[(resource.group, resource.version, resource.plural)] = resource

    def remove(self, resource: Resource) -> None:
        self._resources.pop((resource.group, resource.version, resource.plural), None)

    def all(self) -> tuple[Resource, ...]:
        return tuple(self._resources.values())

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource a manifest's apiVersion and kind mean, if there is one."""
        for resource in self._resources.values():
            if resource.kind == kind and resource.api_version == api_version:
                return resource
        return None

    def stored_under(self, storage: StorageKey) -> tuple[Resource, ...]:
        """Every version that shows the collection kept under this key."""
        return tuple(resource for resource in self._resources.values() if resource.storage == storage)

"""What every Backstay object has in common: envelope, conditions, references, and the description of a kind.

pydantic lives at this edge only. Field names are camelCase on the wire and snake_case in Python; unknown fields are refused, so
that a typing mistake becomes a message and never silence (the API server prunes them before we read, or warns).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from backstay.api.limits import Limits, bound
from backstay.api.quantities import Timestamp

GROUP = "ha.backstay.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Model(BaseModel):
    """Base of all specs and statuses: camelCase aliases, nothing unknown, nothing without a maximum."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", validate_default=True
    )
    limits: ClassVar[Limits] = Limits()
    """Of fields that name none of their own."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        bound(schema, cls.limits)
        return schema

    def wire(self) -> dict[str, Any]:
        """The JSON form: camelCase, without what is None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Metadata(BaseModel):
    """The part of metav1.ObjectMeta that Backstay reads."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)


class StatusModel(Model):
    """Base of statuses, which list nodes and resources and quote messages."""

    limits: ClassVar[Limits] = Limits(text=32_768, items=4096, pairs=1024)


class Condition(StatusModel):
    """metav1.Condition."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    observed_generation: int = 0
    last_transition_time: Timestamp


class SecretKeyRef(Model):
    """One key of a Secret; `namespace` is for cluster-scoped objects, which have none of their own."""

    name: str
    key: str
    namespace: str | None = None


class ParamSource(Model):
    """Where a parameter's value comes from when it must not stand in the manifest."""

    secret_key_ref: SecretKeyRef


class LocalSecretKeyRef(Model):
    """One key of a Secret in the object's own namespace: nobody reaches into another's by naming it."""

    name: str
    key: str


class LocalParamSource(Model):
    """Where a parameter's value comes from, for objects that have a namespace."""

    secret_key_ref: LocalSecretKeyRef

    def anywhere(self) -> ParamSource:
        """The same for a reader that is told the namespace beside it."""
        ref = self.secret_key_ref
        return ParamSource(secret_key_ref=SecretKeyRef(name=ref.name, key=ref.key))


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0
    description: str = ""
    format: str | None = None


@dataclass(frozen=True, slots=True)
class KindInfo:
    """What a CustomResourceDefinition says beside its schema."""

    kind: str
    plural: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = field(default_factory=tuple)

    @property
    def singular(self) -> str:
        return self.kind.lower()


def cel(rule: str, message: str, *, field_path: str | None = None) -> dict[str, str]:
    """One x-kubernetes-validations entry."""
    entry = {"rule": rule, "message": message}
    if field_path:
        entry["fieldPath"] = field_path
    return entry


def rules(*entries: dict[str, str]) -> ConfigDict:
    """A model configuration that carries CEL rules into the generated schema."""
    validations: list[Any] = list(entries)
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": validations})


class Resource(BaseModel):
    """A whole object: envelope, spec and status. Subclasses name their `info`, `spec` and `status`."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")
    info: ClassVar[KindInfo]

    api_version: str = API_VERSION
    kind: str = ""
    metadata: Metadata = Field(default_factory=Metadata)

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> Self:
        """Read an object from the API. Raises pydantic.ValidationError, whose errors name each field."""
        return cls.model_validate(obj)

    @property
    def key(self) -> str:
        """namespace/name, or the name of a cluster-scoped object."""
        space = self.metadata.namespace
        return f"{space}/{self.metadata.name}" if space else self.metadata.name

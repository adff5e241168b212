"""The resources section: primitives, templates, groups, clones, bundles, and the defaults."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from backstay.cib.rules import merged, read_sets
from backstay.cib.tree import Element, Index, label, parsed, read, required
from backstay.cib.values import CibError, boolean, choice, date, duration_ms, integer, role, score
from backstay.state.choices import MultipleActive, OnFail, Requires, Role
from backstay.state.resource import (
    NOTHING_SET,
    Agent,
    Bundle,
    Clone,
    Group,
    MetaSet,
    Operation,
    OperationSet,
    Primitive,
    Resource,
    ResourceMeta,
)
from backstay.state.rule import AttributeSet

_META_READERS: dict[str, Callable[[str], object]] = {
    "priority": score,
    "target_role": role,
    "is_managed": boolean,
    "maintenance": boolean,
    "critical": boolean,
    "resource_stickiness": score,
    "requires": lambda text: choice(Requires, text),
    "migration_threshold": score,
    "failure_timeout_ms": duration_ms,
    "multiple_active": lambda text: choice(MultipleActive, text),
    "allow_migrate": boolean,
    "allow_unhealthy_nodes": boolean,
    "container": str,
    "remote_node": str,
    "clone_max": integer,
    "clone_node_max": integer,
    "clone_min": integer,
    "promotable": boolean,
    "promoted_max": integer,
    "promoted_node_max": integer,
    "notify": boolean,
    "globally_unique": boolean,
    "ordered": boolean,
    "interleave": boolean,
}
_OLD_META = {"master_max": "promoted_max", "master_node_max": "promoted_node_max"}


def meta_of(raw: Mapping[str, str]) -> ResourceMeta:
    """Typed meta attributes; what is unknown or unreadable stays in `extra`, where the default then
    applies."""
    if not raw:
        return NOTHING_SET
    typed: dict[str, object] = {}
    extra: dict[str, str] = {}
    for name, value in raw.items():
        field = name.replace("-", "_")
        field = _OLD_META.get(field, field)
        field = "failure_timeout_ms" if field == "failure_timeout" else field
        reader = _META_READERS.get(field)
        try:
            if reader is None or field in typed:
                raise CibError("not typed")
            if value != "":
                typed[field] = reader(value)
        except CibError:
            extra[name] = value
    return ResourceMeta(extra=extra, **typed)  # type: ignore[arg-type]


class ResourceReader:
    """Reads resource elements; knows the templates."""

    def __init__(self, root: Element, index: Index) -> None:
        self._index = index
        self._templates = {
            required(element, "id"): element for element in root.findall("configuration/resources/template")
        }

    def read(self, element: Element) -> Resource | None:
        """The resource in an element; None for what is not a resource. Raises CibError."""
        match element.tag:
            case "primitive":
                return self._primitive(element)
            case "group":
                return self._group(element)
            case "clone" | "master":
                return self._clone(element)
            case "bundle":
                return self._bundle(element)
            case _:
                return None

    def _primitive(self, element: Element) -> Primitive:
        template_id = element.get("template")
        layers = [element]
        if template_id is not None:
            if template_id not in self._templates:
                raise CibError("no such template", element=label(element), attribute="template")
            layers.append(self._templates[template_id])
        source = layers[-1]
        meta, meta_sets = self._meta(layers)
        params = self._sets(layers, "instance_attributes")
        utilization: dict[str, int] = {}
        for name, value in merged(self._sets(layers, "utilization")).items():
            utilization[name] = parsed(value, integer, element=label(element), attribute=name)
        return Primitive(
            id=required(element, "id"),
            agent=Agent.shared(
                standard=required(source, "class"),
                provider=source.get("provider") or "",
                type=required(source, "type"),
            ),
            params=merged(params),
            param_sets=tuple(params) if any(one.rule is not None for one in params) else (),
            meta=meta,
            meta_sets=meta_sets,
            operations=self._operations(layers),
            utilization=utilization,
            template=template_id,
        )

    def _group(self, element: Element) -> Group:
        meta, meta_sets = self._meta([element])
        members = []
        for child in element.findall("primitive"):
            members.append(self._primitive(child))
        if not members:
            raise CibError("a group needs members", element=label(element))
        return Group(
            id=required(element, "id"),
            members=tuple(members),
            params=merged(self._sets([element], "instance_attributes")),
            meta=meta,
            meta_sets=meta_sets,
        )

    def _clone(self, element: Element) -> Clone:
        meta, meta_sets = self._meta([element])
        if element.tag == "master":
            meta = replace(meta, promotable=True)
        for child in element:
            if child.tag in {"primitive", "group"}:
                return Clone(
                    id=required(element, "id"),
                    child=self._primitive(child) if child.tag == "primitive" else self._group(child),
                    params=merged(self._sets([element], "instance_attributes")),
                    meta=meta,
                    meta_sets=meta_sets,
                )
        raise CibError("a clone needs something to clone", element=label(element))

    def _bundle(self, element: Element) -> Bundle:
        child = element.find("primitive")
        container = next((one for one in element if one.tag in ("docker", "podman", "rkt")), None)
        return Bundle(
            id=required(element, "id"),
            child=None if child is None else self._primitive(child),
            image="" if container is None else container.get("image") or "",
            technology="" if container is None else container.tag,
            meta=self._meta([element])[0],
        )

    def _sets(self, layers: list[Element], tag: str) -> list[AttributeSet]:
        return [one for layer in layers for one in read_sets(layer, tag, self._index)]

    def _meta(self, layers: list[Element]) -> tuple[ResourceMeta, tuple[MetaSet, ...]]:
        sets = self._sets(layers, "meta_attributes")
        return meta_of(merged(sets)), meta_sets_of(sets)

    def _operations(self, layers: list[Element]) -> tuple[Operation, ...]:
        """A primitive's own operation takes the place of all its template's of the same name for the same role
        (none: Started), whatever their interval."""
        found: list[Operation] = []
        for layer in layers:
            named = {(one.name, one.role or Role.STARTED) for one in found}
            for holder in self._index.children(layer, "operations"):
                own = [self._operation(element) for element in self._index.children(holder, "op")]
                found += [one for one in own if (one.name, one.role or Role.STARTED) not in named]
        return tuple(found)

    def _operation(self, element: Element) -> Operation:
        raw = {name: value for name, value in element.attrib.items() if name != "id"}
        for name, value in merged(self._sets([element], "meta_attributes")).items():
            raw.setdefault(name, value)
        params = merged(self._sets([element], "instance_attributes"))
        # Old configurations hide operation attributes among the parameters.
        for name in ("timeout", "on-fail", "interval"):
            if name in params:
                raw.setdefault(name, params[name])
        operation = operation_of(raw, name=required(element, "name"))
        return replace(operation, params=params, id=element.get("id") or "")


def meta_sets_of(sets: list[AttributeSet]) -> tuple[MetaSet, ...]:
    """The conditional ones among the sets, typed."""
    return tuple(
        MetaSet(id=one.id, score=one.score, rule=one.rule, meta=meta_of(one.values))
        for one in sets
        if one.rule is not None
    )


def operation_sets_of(sets: list[AttributeSet]) -> tuple[OperationSet, ...]:
    """The conditional ones among operation defaults, typed."""
    return tuple(
        OperationSet(id=one.id, score=one.score, rule=one.rule, defaults=operation_of(one.values, name=""))
        for one in sets
        if one.rule is not None
    )


def _on_fail(text: str) -> OnFail:
    words = {"suicide": "fence", "restart-container": "restart-container"}
    return choice(OnFail, words.get(text.strip().lower(), text))


_OP_READERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "interval": ("interval_ms", duration_ms),
    "timeout": ("timeout_ms", duration_ms),
    "on-fail": ("on_fail", _on_fail),
    "enabled": ("enabled", boolean),
    "role": ("role", role),
    "start-delay": ("start_delay_ms", duration_ms),
    "interval-origin": ("interval_origin", date),
    "record-pending": ("record_pending", boolean),
}


def operation_of(raw: Mapping[str, str], *, name: str) -> Operation:
    """A typed operation; unreadable values stay in `extra` and the default applies, as in Pacemaker."""
    typed: dict[str, object] = {}
    extra: dict[str, str] = {}
    for key, value in raw.items():
        if key in ("name", "description") or value == "":
            continue
        if key not in _OP_READERS:
            extra[key] = value
            continue
        field, reader = _OP_READERS[key]
        try:
            typed[field] = reader(value)
        except CibError:
            extra[key] = value
    return Operation(name=name, extra=extra, **typed)  # type: ignore[arg-type]


def read_on(element: Element, name: str) -> bool:
    """A boolean attribute that defaults to true."""
    value = read(element, name, boolean)
    return value is not False

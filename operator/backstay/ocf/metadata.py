"""An agent's meta-data: what it does, its parameters and its actions.

Reads the XML of the OCF Resource Agent API (1.0 and 1.1) and of fence agents, which differ in small ways: `unique` became
`unique-group` and `reloadable`, defaults are attributes of `content`, and many agents carry odd white space. Garbage either parses or
raises MetadataError, nothing else. Entity declarations are refused: no agent has them, and they can blow up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

_DURATION = re.compile(r"^\s*(\d{1,12})\s*(ms|msec|s|sec|m|min|h|hr)?\s*$")
_UNIT_MS = {
    "ms": 1,
    "msec": 1,
    "": 1000,
    "s": 1000,
    "sec": 1000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "hr": 3_600_000,
}

SIZE_MAX = 1 << 20
"""Bytes; the longest agent known stays below 100 KiB."""


class MetadataError(ValueError):
    """The text is no agent's meta-data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an agent. `default` is None where there is none.

    Parameters of one `unique_group` must not all be equal between two resources of this agent; it is empty where they may."""

    name: str
    type: str = "string"
    default: str | None = None
    required: bool = False
    unique_group: str = ""
    reloadable: bool = False
    private: bool = False
    deprecated: bool = False
    short_description: str = ""
    long_description: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action with the timings that the agent advises; None where it advises nothing."""

    name: str
    timeout_ms: int | None = None
    interval_ms: int | None = None
    start_delay_ms: int | None = None
    depth: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What an agent says about itself."""

    name: str
    version: str = ""
    ocf_version: str = ""
    short_description: str = ""
    long_description: str = ""
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[Action, ...] = ()
    special: dict[str, str] = field(default_factory=dict)
    """Other attributes of actions named `name.attribute`, as fence agents' `on.automatic`."""

    def parameter(self, name: str) -> Parameter | None:
        return next((one for one in self.parameters if one.name == name), None)

    def action(self, name: str) -> Action | None:
        """The first action of this name."""
        return next((one for one in self.actions if one.name == name), None)

    @property
    def restart_parameters(self) -> tuple[str, ...]:
        """Parameters whose change needs a restart: all, unless the agent can reload some."""
        if not self.reload_action:
            return tuple(one.name for one in self.parameters)
        return tuple(one.name for one in self.parameters if not one.reloadable)

    @property
    def reload_action(self) -> str:
        """`reload-agent` where the agent can apply changed parameters without a restart (OCF 1.1), else empty.

        `reload` is not it: there OCF 1.1 means that the service reads its own configuration again."""
        return "reload-agent" if self.action("reload-agent") is not None else ""

    @property
    def promotable(self) -> bool:
        return self.action("promote") is not None


def parse_metadata(text: str) -> Metadata:
    """Read meta-data. Raises MetadataError for anything that is not."""
    root = _root_of(text)
    actions = [_action_of(node) for node in root.iterfind("./actions/action") if node.get("name")]
    parameters = [_parameter_of(node) for node in root.iterfind("./parameters/parameter") if node.get("name")]
    special = {
        f"{node.get('name')}.{key}": value
        for node in root.iterfind("./actions/action")
        for key, value in sorted(node.attrib.items())
        if key not in ("name", "timeout", "interval", "start-delay", "depth", "role")
    }
    return Metadata(
        name=root.get("name", ""),
        version=root.get("version") or _text(root.find("version")),
        ocf_version=_text(root.find("version")),
        short_description=root.get("shortdesc") or _text(root.find("shortdesc")),
        long_description=_text(root.find("longdesc")),
        parameters=tuple(parameters),
        actions=tuple(actions),
        special=special,
    )


def _root_of(text: str) -> ElementTree.Element:
    if len(text) > SIZE_MAX:
        raise MetadataError(f"meta-data of {len(text)} characters; at most {SIZE_MAX} are read")
    if "<!ENTITY" in text:
        raise MetadataError("meta-data declares entities, which no agent needs")
    # Agents print warnings before the document, for example when a tool is missing.
    begin = min((at for at in (text.find("<?xml"), text.find("<resource-agent")) if at >= 0), default=-1)
    if begin < 0:
        raise MetadataError("there is no <resource-agent> in it")
    try:
        root = ElementTree.fromstring(text[begin:].strip())
    except (ElementTree.ParseError, ValueError) as error:
        raise MetadataError(f"not well-formed: {error}") from None
    if root.tag != "resource-agent":
        raise MetadataError(f"the document is a <{root.tag}>, not a <resource-agent>")
    return root


def _parameter_of(node: ElementTree.Element) -> Parameter:
    content = node.find("content")
    attributes: dict[str, str] = dict(content.attrib) if content is not None else {}
    name = node.get("name", "")
    unique = node.get("unique-group", "") or (name if _truth(node.get("unique")) else "")
    return Parameter(
        name=name,
        type=attributes.get("type", "string"),
        default=attributes.get("default"),
        required=_truth(node.get("required")),
        unique_group=unique,
        reloadable=_truth(node.get("reloadable")),
        private=_truth(node.get("private")),
        deprecated=_truth(node.get("deprecated")) or node.find("deprecated") is not None,
        short_description=_text(node.find("shortdesc")),
        long_description=_text(node.find("longdesc")),
        choices=tuple(one.get("value", "") for one in content.iterfind("option"))
        if content is not None
        else (),
    )


def _action_of(node: ElementTree.Element) -> Action:
    return Action(
        name=node.get("name", ""),
        timeout_ms=_milliseconds(node.get("timeout")),
        interval_ms=_milliseconds(node.get("interval")),
        start_delay_ms=_milliseconds(node.get("start-delay")),
        depth=node.get("depth", ""),
        role=node.get("role", ""),
    )


def _milliseconds(text: str | None) -> int | None:
    """Advice that can't be read is no advice."""
    match = _DURATION.match(text or "")
    return int(match.group(1)) * _UNIT_MS[match.group(2) or ""] if match else None


def _truth(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes", "on")


def _text(node: ElementTree.Element | None) -> str:
    """Text without the indentation that agents put around and into it."""
    if node is None:
        return ""
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in "".join(node.itertext()).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

"""What an import could not carry over unchanged, by the place in the CIB where it stands."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import Enum

Element = ET.Element


class Weight(Enum):
    """How much a finding matters. Only without LOST the manifests mean what the CIB means."""

    LOST = "lost"
    CHANGED = "changed"  # means the same, written otherwise
    NOTE = "note"  # of no consequence, or advice


@dataclass(frozen=True, slots=True)
class Item:
    """One finding. `path` is an XPath from the root."""

    path: str
    weight: Weight
    message: str

    def __str__(self) -> str:
        return f"{self.weight.value}: {self.path}: {self.message}"


class Report:
    """Collects findings; knows where every element stands."""

    def __init__(self, root: Element) -> None:
        self._parents = {child: parent for parent in root.iter() for child in parent}
        self._items: list[Item] = []

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(self._items)

    def lost(self, element: Element, message: str, *, attribute: str = "") -> None:
        self._add(element, Weight.LOST, message, attribute)

    def changed(self, element: Element, message: str, *, attribute: str = "") -> None:
        self._add(element, Weight.CHANGED, message, attribute)

    def note(self, element: Element, message: str, *, attribute: str = "") -> None:
        self._add(element, Weight.NOTE, message, attribute)

    def _add(self, element: Element, weight: Weight, message: str, attribute: str) -> None:
        path = self.path(element) + (f"/@{attribute}" if attribute else "")
        item = Item(path, weight, message)
        if item not in self._items:
            self._items.append(item)

    def path(self, element: Element) -> str:
        """`/cib/configuration/resources/primitive[@id='web']`; name/value pairs go by their name."""
        steps = []
        at: Element | None = element
        while at is not None:
            key = "name" if at.tag == "nvpair" else "id"
            value = at.get(key)
            steps.append(f"{at.tag}[@{key}={value!r}]" if value else at.tag)
            at = self._parents.get(at)
        return "/" + "/".join(reversed(steps))

"""The XML tree of a CIB: parsing it safely, and reading attributes so that an error names its place.

Document types and entities are refused (an import must not read files nor blow up), and so is any encoding
but UTF-8. Elements are never changed.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import TypeVar

from backstay.cib.values import CibError

Element = ET.Element
_Value = TypeVar("_Value")


def parse_xml(xml: str | bytes) -> Element:
    """The root element. Raises CibError on anything that is not plain, well-formed XML."""
    if isinstance(xml, bytes):
        try:
            xml = xml.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise CibError(f"not UTF-8: {error}") from None
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise CibError("document types and entities are refused")
    try:
        return ET.fromstring(xml)
    except (ET.ParseError, ValueError) as error:
        raise CibError(f"not well-formed XML: {error}") from None


def label(element: Element) -> str:
    """How errors name an element."""
    identity = element.get("id") or element.get("uname")
    return f"{element.tag}[{identity}]" if identity else element.tag


def required(element: Element, name: str) -> str:
    """An attribute that must be there. Raises CibError."""
    value = element.get(name)
    if not value:
        raise CibError("missing", element=label(element), attribute=name)
    return value


def read(element: Element, name: str, parse: Callable[[str], _Value]) -> _Value | None:
    """A parsed attribute, None if absent or empty. Raises CibError naming element and attribute."""
    value = element.get(name)
    if value is None or value == "":
        return None
    try:
        return parse(value)
    except CibError as error:
        raise CibError(str(error), element=label(element), attribute=name) from None


def parsed(value: str, parse: Callable[[str], _Value], *, element: str, attribute: str) -> _Value:
    """`parse(value)`, with the place added to its error."""
    try:
        return parse(value)
    except CibError as error:
        raise CibError(str(error), element=element, attribute=attribute) from None


class Index:
    """Elements by id, for `id-ref`."""

    def __init__(self, root: Element) -> None:
        self._by_id: dict[str, Element] = {}
        for element in root.iter():
            identity = element.get("id")
            if identity is not None:
                self._by_id.setdefault(f"{element.tag} {identity}", element)

    def resolve(self, element: Element) -> Element:
        """The element itself, or the one of the same tag that its id-ref names. Raises CibError."""
        reference = element.get("id-ref")
        if reference is None:
            return element
        found = self._by_id.get(f"{element.tag} {reference}")
        if found is None:
            raise CibError(f"nothing is named {reference!r}", element=element.tag, attribute="id-ref")
        return found

    def children(self, element: Element, tag: str) -> Iterator[Element]:
        """Children of that tag, references resolved."""
        for child in element.findall(tag):
            yield self.resolve(child)

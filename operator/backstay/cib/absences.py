"""Reading a CIB's text with most of it left out of the tree: the probes that found nothing.

A live cluster's status has an entry for every resource on every node, and all but a few say that the node was asked
once and does not have it. Those that Pacemaker wrote in its usual way, to the letter, are recognised in the text and
kept as they are; an element stands in the tree for each run of them. Any other entry, and all of a document with
comments, processing instructions or the like, is parsed as ever: what is recognised says the same either way.
"""

import codecs
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator

from backstay.cib.records import agent_of, record_of
from backstay.cib.tree import Element
from backstay.cib.values import CibError
from backstay.state.history import Absence, OpRecord
from backstay.state.resource import Agent

_SOME = r"[ !#-%'-;=-~]+"  # what an attribute may hold without being written in another way: plain ASCII
_ANY = r"[ !#-%'-;=-~]*"
_NUMBER = r"\d{1,15}"
_GAP = r"[ \t\r\n]*"
_ENTRY = re.compile(
    rf'<lrm_resource id="(?P<id>{_SOME})"(?P<agent>(?: (?:type|class|provider)="{_ANY}")*)>{_GAP}'
    r'<lrm_rsc_op id="(?P=id)_last_0" operation_key="(?P=id)_monitor_0" operation="monitor"'
    rf'(?: crm-debug-origin="{_ANY}")?(?: crm_feature_set="{_ANY}")?'
    rf' transition-key="(?P<key>{_SOME})" transition-magic="0:7;(?P=key)"(?: exit-reason="")?(?: on_node="{_ANY}")?'
    rf' call-id="(?P<call>{_NUMBER})" rc-code="7" op-status="0" interval="0"'
    rf'(?P<rest>(?: last-run="{_NUMBER}")?(?: last-rc-change="{_NUMBER}")?(?: exec-time="{_NUMBER}")?'
    rf'(?: queue-time="{_NUMBER}")?(?: op-digest="{_ANY}")?(?: op-force-restart="{_ANY}")?'
    rf'(?: op-restart-digest="{_ANY}")?(?: op-secure-params="{_ANY}")?(?: op-secure-digest="{_ANY}")?)/>{_GAP}'
    rf"</lrm_resource>{_GAP}",
    re.ASCII,
)
_ATTRIBUTE = re.compile(r' ([\w-]+)="([^"]*)"', re.ASCII)
_END = "</lrm_resource>"
_PIECE = 1 << 20  # characters looked at at once


class UnreadProbe(Absence):
    """A probe that found nothing, as it stands in the text."""

    __slots__ = ("_call", "_key", "_rest", "resource")

    def __init__(self, resource: str, key: str, call: str, rest: str) -> None:
        self.resource = resource
        self._key = key
        self._call = call
        self._rest = rest

    def read(self) -> tuple[OpRecord, ...]:
        """The record."""
        name = self.resource
        attributes = {
            "id": f"{name}_last_0", "operation_key": f"{name}_monitor_0", "operation": "monitor",
            "transition-key": self._key, "call-id": self._call, "rc-code": "7", "op-status": "0", "interval": "0",
        }  # fmt: skip
        attributes.update(_ATTRIBUTE.findall(self._rest))
        return (record_of(ET.Element("lrm_rsc_op", attributes)),)


Run = list[tuple[Agent | None, UnreadProbe]]


class Reading:
    """One document: the tree, and what is not in it. `absences` has the probes that stood at an element."""

    def __init__(self) -> None:
        self.absences: dict[Element, Run] = {}
        self._builder = ET.TreeBuilder()
        self._parser = ET.XMLParser(target=self._builder)
        self._plain = True  # so far nothing but elements and text
        self._agents: dict[str, Agent | None] = {}
        self._shared: dict[str, str] = {}  # one copy of what many entries say

    def feed(self, text: str) -> None:
        """The next part of the document, which ends where a tag does. Raises CibError."""
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise CibError("document types and entities are refused")
        declared = text.startswith("<?xml ") and text.count("<?") == 1
        self._plain = self._plain and "<!" not in text and (declared or "<?" not in text)
        run: Run | None = None
        at = 0
        begun = 0  # where the run did: its lines stay, as errors name them
        shared = self._shared.setdefault
        try:
            for found in _ENTRY.finditer(text) if self._plain else ():
                resource, agent_text, key, call, rest = found.groups()
                agent = self._agent(agent_text)
                if agent is _UNREADABLE:
                    continue
                start = found.start()
                if run is None or start != at:
                    self._parser.feed("\n" * text.count("\n", begun, at) + text[at:start])
                    run, begun = self._stand_in(), start
                at = found.end()
                run.append((agent, UnreadProbe(shared(resource, resource), key, call, shared(rest, rest))))
            self._parser.feed("\n" * text.count("\n", begun, at) + text[at:])
        except (ET.ParseError, ValueError) as error:
            raise CibError(f"not well-formed XML: {error}") from None

    def close(self) -> Element:
        """The root element. Raises CibError if the document is not complete."""
        try:
            root: Element = self._parser.close()
        except (ET.ParseError, ValueError) as error:
            raise CibError(f"not well-formed XML: {error}") from None
        return root

    def _stand_in(self) -> Run:
        element = self._builder.start("lrm_resource", {})
        self._builder.end("lrm_resource")
        return self.absences.setdefault(element, [])

    def _agent(self, text: str) -> Agent | None:
        if text not in self._agents:
            pairs = _ATTRIBUTE.findall(text)
            named = dict(pairs)
            self._agents[text] = agent_of(named) if len(named) == len(pairs) else _UNREADABLE
        return self._agents[text]


_UNREADABLE = Agent(standard="", type="")  # an attribute stands there twice


def read_document(xml: str | bytes | Iterable[bytes]) -> tuple[Element, dict[Element, Run]]:
    """The root, and the probes that are not in the tree by the element that stands for them. Raises CibError."""
    reading = Reading()
    left = ""
    for piece in _texts(xml):
        left += piece
        end = left.rfind(_END)
        end = end + len(_END) if end >= 0 else left.rfind(">") + 1
        if end:
            reading.feed(left[:end])
            left = left[end:]
    reading.feed(left)
    return reading.close(), reading.absences


def _texts(xml: str | bytes | Iterable[bytes]) -> Iterator[str]:
    if isinstance(xml, str):
        yield from (xml[at : at + _PIECE] for at in range(0, len(xml), _PIECE))
        return
    pieces = (
        xml if not isinstance(xml, bytes) else (xml[at : at + _PIECE] for at in range(0, len(xml), _PIECE))
    )
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        for piece in pieces:
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise CibError(f"not UTF-8: {error}") from None

"""Meta-data of agents, compressed, as many as the plan's status has room for: those asked for last."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DOCUMENTS_MAX = 32
BYTES_MAX = 256 * 1024
"""Of all documents together, as published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An agent's meta-data: `xml_gz` is gzip in base64, empty when the agent gave none (`rc` says why)."""

    agent: str
    rc: int
    digest: str = ""
    xml_gz: str = ""


class DocumentShelf:
    """Documents by agent, the least recently asked for first. Changes go into `journal`."""

    def __init__(self, journal: dict[str, Any]) -> None:
        self._journal = journal
        self._documents: dict[str, Document] = {}

    def __iter__(self) -> Any:
        return iter(self._documents.values())

    def put(self, document: Document) -> None:
        """Add a document, and let go of the oldest beyond the bounds."""
        self._documents.pop(document.agent, None)
        self._documents[document.agent] = document
        self._journal[f"document/{document.agent}"] = asdict(document)
        while len(self._documents) > 1 and self._overfull():
            oldest = next(iter(self._documents))
            del self._documents[oldest]
            self._journal[f"document/{oldest}"] = None

    def load(self, journal: Mapping[str, Any]) -> None:
        for name, value in journal.items():
            if name.startswith("document/"):
                document = Document(**value)
                self._documents[document.agent] = document

    def _overfull(self) -> bool:
        size = sum(len(document.xml_gz) for document in self._documents.values())
        return len(self._documents) > DOCUMENTS_MAX or size > BYTES_MAX


def document_of(agent: str, rc: int, xml: str) -> Document:
    """Compress (deterministically: the same XML gives the same bytes)."""
    if not xml:
        return Document(agent=agent, rc=rc)
    packed = gzip.compress(xml.encode(), mtime=0)
    return Document(
        agent=agent,
        rc=rc,
        digest=hashlib.sha256(xml.encode()).hexdigest()[:16],
        xml_gz=base64.b64encode(packed).decode(),
    )

"""One line per event, as JSON or as logfmt text: what happened, then the fields.

A log that can't be written (a full disk, a closed pipe) never stops the agent.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


class _Formatter(logging.Formatter):
    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        head = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "node": self._node,
            "event": record.getMessage(),
        }
        extra: Mapping[str, Any] = getattr(record, "fields", {})
        tail = {name: value for name, value in extra.items() if value not in ("", None)}
        if record.exc_info:
            tail["exception"] = self.formatException(record.exc_info)
        return head | tail


class JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), default=str)


class TextFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = self.fields(record)
        head = f"{fields.pop('time')} {fields.pop('level'):7} {fields.pop('event')}"
        del fields["node"]
        return " ".join([head, *(f"{name}={_word(value)}" for name, value in fields.items())])


def set_up(node: str, *, style: str, debug: bool = False) -> None:
    """Log to standard error; `style` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(node) if style == "json" else TextFormatter(node))
    logging.raiseExceptions = False
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)
    logging.getLogger("backstay_nodeagent").setLevel(logging.DEBUG if debug else logging.INFO)


def _word(value: Any) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(sign in text for sign in ' "=\n\t') else text

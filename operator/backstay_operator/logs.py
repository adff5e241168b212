"""Structured log lines: one per event, as `key=value` text for people or as JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {
        key: value for key, value in vars(record).items() if key not in _PLAIN and not key.startswith("k8s_")
    }


def _stamp(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


class TextFormatter(logging.Formatter):
    """`2026-01-01T00:00:00.000Z info  message  key=value ...`"""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{key}={_word(value)}" for key, value in _facts(record).items())
        line = f"{_stamp(record)} {record.levelname.lower():7} {record.getMessage()}"
        if facts:
            line += f"  [{facts}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": _stamp(record), "level": record.levelname.lower(), "message": record.getMessage()}
        entry.update({key: str(value) for key, value in _facts(record).items()})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _word(value: object) -> str:
    text = str(value)
    return json.dumps(text) if any(one in text for one in ' "=[]') else text


def configure_logging(style: str, *, verbose: bool) -> None:
    """To standard error. `style` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for noisy in ("kopf", "aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

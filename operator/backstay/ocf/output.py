"""What an operation printed, in bounded memory: the beginning, the end, and the agent's own reason for a failure.

Feed bytes as they come; a flood costs no more than the limit. The reason is the last line `ocf-exit-reason:...` on standard error (OCF
Resource Agent API), found even in the middle of a flood.
"""

from __future__ import annotations

import re

from backstay.ocf.environment import EXIT_REASON_PREFIX

OUTPUT_LIMIT = 4096
"""Bytes of output kept with a result; the same bound as the API's."""
REASON_LIMIT = 1024
_LINE_MAX = 4096
_HEAD_SHARE = 4
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class BoundedText:
    """The first quarter and the last three quarters of what was fed, within `limit` bytes in all."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self._limit = limit
        self._head_max = limit // _HEAD_SHARE
        self._head = b""
        self._tail = bytearray()
        self._dropped = 0

    def feed(self, data: bytes) -> None:
        take = self._head_max - len(self._head)
        if take > 0:
            self._head += data[:take]
            data = data[take:]
        self._tail += data
        # Room for the mark that tells of what was left out.
        excess = len(self._tail) - (self._limit - self._head_max)
        if excess > 0:
            self._dropped += excess
            del self._tail[:excess]

    @property
    def complete(self) -> bool:
        return self._dropped == 0

    def text(self) -> str:
        """As text; undecodable bytes and control characters are replaced, so that it fits into JSON, logs and terminals."""
        if self._dropped == 0:
            return _printable(self._head + bytes(self._tail), self._limit)
        mark = f"\n[... {self._dropped + 48} bytes left out ...]\n".encode()
        tail = bytes(self._tail)[len(mark) :]
        return _printable(self._head + mark + tail, self._limit)


class OutputCollector:
    """Both streams of one operation; `stdout_limit` is raised for meta-data, whose output is the result."""

    def __init__(self, limit: int = OUTPUT_LIMIT, *, stdout_limit: int = 0) -> None:
        self._merged = BoundedText(limit)
        self._stdout = BoundedText(stdout_limit) if stdout_limit else None
        self._line = b""
        self.reason = ""

    def feed_stdout(self, data: bytes) -> None:
        if self._stdout is not None:
            self._stdout.feed(data)
        else:
            self._merged.feed(data)

    def feed_stderr(self, data: bytes) -> None:
        self._merged.feed(data)
        *lines, rest = (self._line + data).split(b"\n")
        for line in lines:
            self._scan(line)
        self._line = rest[:_LINE_MAX]

    def finish(self) -> None:
        """No more is coming: a last line may lack its newline."""
        self._scan(self._line)
        self._line = b""

    @property
    def output(self) -> str:
        return self._merged.text()

    @property
    def stdout(self) -> str:
        """Standard output alone; empty unless a `stdout_limit` was given."""
        return self._stdout.text() if self._stdout is not None else ""

    @property
    def stdout_complete(self) -> bool:
        return self._stdout is not None and self._stdout.complete

    def _scan(self, line: bytes) -> None:
        if line.startswith(EXIT_REASON_PREFIX.encode()):
            self.reason = _printable(line[len(EXIT_REASON_PREFIX) :], REASON_LIMIT).strip()


def _printable(data: bytes, limit: int) -> str:
    text = _CONTROL.sub("?", data.replace(b"\r\n", b"\n").decode("utf-8", "replace"))
    while len(text.encode()) > limit:  # a replacement character is three bytes
        text = text[len(text.encode()) - limit :]
    return text

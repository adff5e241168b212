"""The words of the command channel into a guest: frames of one kind byte, a length, and so many bytes.

    client to guest   H {"argv", "env", "terminal"}, then I (standard input, empty at its end)
    guest to client   O and X (standard output and error), at last R {"status"} or R {"error"}

Standard library only.  Refuses a frame longer than FRAME_BYTES_MAX.
"""

from __future__ import annotations

import socket
import struct
from typing import TypedDict

PORT = 700
FRAME_BYTES_MAX = 256 * 1024
CHUNK_BYTES = 32 * 1024
DEAD_AFTER_S = 5
"""A peer that acknowledges nothing for so long is gone: its power was cut."""
HELLO, STDIN, STDOUT, STDERR, RESULT = b"H", b"I", b"O", b"X", b"R"
_HEAD = struct.Struct("!cI")


class Hello(TypedDict):
    """What a client asks for."""

    argv: list[str]
    env: dict[str, str]
    terminal: list[int] | None
    """[rows, columns] if the command shall have a terminal of its own, else None."""


class FrameError(ValueError):
    """The peer does not speak this."""


def frame(kind: bytes, content: bytes) -> bytes:
    return _HEAD.pack(kind, len(content)) + content


class FrameReader:
    """Collects bytes, gives out whole frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that are whole now, as (kind, content)."""
        self._bytes += received
        whole = []
        while len(self._bytes) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._bytes)
            if length > FRAME_BYTES_MAX:
                raise FrameError(f"a frame of {length} bytes")
            end = _HEAD.size + length
            if len(self._bytes) < end:
                break
            whole.append((kind, bytes(self._bytes[_HEAD.size : end])))
            del self._bytes[:end]
        return whole


def notice_death(connection: socket.socket) -> None:
    """Have the kernel end a connection whose other end lost its power."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 2),
        (socket.TCP_KEEPINTVL, 1),
        (socket.TCP_KEEPCNT, DEAD_AFTER_S - 2),
        (socket.TCP_USER_TIMEOUT, DEAD_AFTER_S * 1000),
        (socket.TCP_NODELAY, 1),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)

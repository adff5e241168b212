"""How a keeper that replaces another one gets its open watchdog: over the keeper's socket, as a file descriptor. Standard library only.

The descriptor is open in both processes for a moment, so the device is never closed. The predecessor feeds until it is told that the
successor has it, and ends without disarming. A predecessor that knows nothing of this is told to stop, as ever.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWER_WAIT_S = 1.0
LINE_MAX = 1 << 14


@dataclass(frozen=True)
class Inheritance:
    """An open device, and what the predecessor had promised of it."""

    fd: int
    estate: dict[str, Any]


def inherit(socket_path: Path) -> Inheritance | None:
    """From the keeper that runs; None if there is none, or it has no watchdog. In any case it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ANSWER_WAIT_S)
        try:
            sock.connect(str(socket_path))
            sock.sendall(b'{"kind":"handover"}\n')
            line, fds, _, _ = socket.recv_fds(sock, LINE_MAX, 1)
            estate = json.loads(line)["estate"] if line else None
        except (OSError, ValueError, KeyError):
            _send_away(sock)
            return None
        sock.sendall(b'{"kind":"handed"}\n')
    return Inheritance(fds[0], estate) if fds and estate is not None else None


def _send_away(sock: socket.socket) -> None:
    try:
        sock.sendall(b'{"kind":"stop"}\n')
    except OSError:
        return


def bequeath(sock: socket.socket, fd: int | None, estate: dict[str, Any] | None) -> None:
    """The predecessor's part. Raises OSError."""
    line = json.dumps({"estate": estate}).encode() + b"\n"
    if fd is None:
        sock.sendall(line)
    else:
        socket.send_fds(sock, [line], [fd])

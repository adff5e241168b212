"""A Linux watchdog device: linux/watchdog.h by ioctl. Standard library only; nothing here decides anything.

Opening it starts it. Closing it without the magic letter does not stop it; the kernel then feeds it once more, so a host dies one
timeout after the end of a keeper that did not disarm.
"""

from __future__ import annotations

import fcntl
import os
import struct

_INT = struct.Struct("i")
_READ, _BOTH = 2, 3


def _request(direction: int, number: int, size: int = _INT.size) -> int:
    """As the macro _IOC: direction, size, type 'W', number."""
    return direction << 30 | size << 16 | ord("W") << 8 | number


WDIOC_SETOPTIONS = _request(_READ, 4)
WDIOC_KEEPALIVE = _request(_READ, 5)
WDIOC_SETTIMEOUT = _request(_BOTH, 6)
WDIOC_GETTIMEOUT = _request(_READ, 7)
WDIOS_DISABLECARD = 1
MAGIC = b"V"


class WatchdogDevice:
    """An open device. Every method raises OSError when the kernel does."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def open(cls, path: str) -> WatchdogDevice:
        return cls(os.open(path, os.O_WRONLY | os.O_CLOEXEC))

    def set_timeout(self, timeout_s: int) -> int:
        """Set it, and feed; returns what the device made of it."""
        fcntl.ioctl(self.fd, WDIOC_SETTIMEOUT, _INT.pack(timeout_s))
        answer = fcntl.ioctl(self.fd, WDIOC_GETTIMEOUT, _INT.pack(0))
        return int(_INT.unpack(answer)[0])

    def feed(self) -> None:
        fcntl.ioctl(self.fd, WDIOC_KEEPALIVE, _INT.pack(0))

    def disarm(self) -> None:
        """Stop it and close it. Raises OSError where it cannot be stopped (nowayout); it is still open then, and must be fed."""
        fcntl.ioctl(self.fd, WDIOC_SETOPTIONS, _INT.pack(WDIOS_DISABLECARD))
        os.write(self.fd, MAGIC)
        os.close(self.fd)

"""Running the machine's own tools (ip, losetup, mkfs.xfs ...), each with a time limit.

Assumes the tool is on PATH (see ``requirements``).  A tool that fails or hangs is the world failing: it is raised
as CommandError with the tool's own words, so that a user can act on it.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from collections.abc import Sequence

TIMEOUT_S = 30.0


class CommandError(RuntimeError):
    """A tool ended badly or not at all; ``returncode`` is None after a time-out."""

    def __init__(self, argv: Sequence[str], returncode: int | None, output: str) -> None:
        how = "did not end in time" if returncode is None else f"ended with status {returncode}"
        super().__init__(f"`{shlex.join(argv)}` {how}: {output.strip()}")
        self.returncode = returncode


async def run(*argv: str, stdin: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Run a tool and return its standard output; raises CommandError."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CommandError(argv, None, "") from None
    if process.returncode != 0:
        raise CommandError(argv, process.returncode, (err or out).decode(errors="replace"))
    return out.decode(errors="replace")


def run_now(*argv: str, timeout_s: float = TIMEOUT_S) -> str:
    """As :func:`run`, for code that has no event loop (clean-up, the command line)."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise CommandError(argv, None, "") from None
    if done.returncode != 0:
        raise CommandError(argv, done.returncode, (done.stderr or done.stdout).decode(errors="replace"))
    return done.stdout.decode(errors="replace")

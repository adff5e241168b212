"""`status --watch`: repaint when something changed, at most four times a second.

Watches of every kind wake the painter; the picture itself is gathered anew, so that it is one moment of the cluster. Heartbeats
change many times a second on a large cluster, so Leases wake nobody: a quiet screen is refreshed every 5 s for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import Any

from backstay_cli.errors import CliError
from backstay_cli.gather import EVERYTHING, gather
from backstay_cli.render.paint import Paint, paint_for
from backstay_cli.render.status_document import status_document
from backstay_cli.render.status_text import status_text
from backstay_cli.session import Session
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError
from backstay_kube.reflector import Reflector

REPAINT_S = 0.25
QUIET_S = 5.0
WATCHED = (
    kinds.HACLUSTER,
    kinds.HANODE,
    kinds.HARESOURCE,
    kinds.RESOURCEGROUP,
    kinds.HANODEPLAN,
    kinds.HATRANSITION,
    kinds.HACONSTRAINT,
    kinds.FENCEDEVICE,
)
_HOME_AND_CLEAR_REST = "\x1b[H", "\x1b[J"
_CLEAR_LINE_END = "\x1b[K"
_BEGIN, _END = "\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h"
"""Without cursor and without line wrapping, so that a long line costs one row; and back."""


async def watch_status(session: Session, *, client: KubeClient | None = None) -> int:
    """Until interrupted. A connection that breaks later is shown, and does not end it."""
    connection = client if client is not None else session.api
    changed = asyncio.Event()
    changed.set()

    def wake(_type: str, _obj: dict[str, Any], _before: dict[str, Any] | None) -> None:
        changed.set()

    watches = [
        asyncio.create_task(Reflector(connection, kind, on_change=wake).run())  # type: ignore[arg-type]
        for kind in WATCHED
    ]
    painted = ""
    terminal = session.out.isatty()
    if terminal:
        session.out.write(_BEGIN)
    try:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await changed.wait()
            changed.clear()
            painted = await _repaint(session, painted)
            await asyncio.sleep(REPAINT_S)
    finally:
        if terminal:
            session.show(_END)
        for task in watches:
            task.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def _repaint(session: Session, painted: str) -> str:
    paint = paint_for(session.out, session.environ)
    try:
        text = status_text(status_document(await gather(session, EVERYTHING)), paint)
    except (ApiError, CliError) as error:
        if not painted:
            raise  # never worked: an error like any other
        text = f"{without_notice(painted)}\n\n{paint.bad('cannot read the cluster:')} {error}"
    if text == painted:
        return painted
    session.show(_screen(text, terminal=session.out.isatty(), paint=paint))
    return text


def without_notice(text: str) -> str:
    """The last good picture, without the notice that a failed attempt put below it."""
    lines = text.split("\n")
    return "\n".join(lines[:-2]) if "cannot read the cluster:" in lines[-1] else text


def _screen(text: str, *, terminal: bool, paint: Paint) -> str:
    """On a terminal from its top, cut to its height; elsewhere one picture below the other, with a rule between."""
    if not terminal:
        return f"{text}\n{'-' * 40}"
    height = shutil.get_terminal_size().lines
    lines = text.split("\n")
    if len(lines) >= height:
        lines = [
            *lines[: height - 2],
            paint.faint(f"... {len(lines) - height + 2} more lines: kubectl ha status"),
        ]
    home, clear_rest = _HOME_AND_CLEAR_REST
    return home + "\n".join(line + _CLEAR_LINE_END for line in lines) + clear_rest

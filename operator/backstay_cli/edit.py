"""Changing objects that others change too: read, make the patch, send it with the version that was read; again on a conflict.

Also waiting for what the change leads to. Every retry is limited and jittered, every wait has its bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from backstay_cli.build.requests import FINISHED, OWN_PREFIX, answer, with_request, without_request
from backstay_cli.errors import CliError
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind
from backstay_kube import kinds
from backstay_kube.errors import ApiConflict, ApiNotFound

if TYPE_CHECKING:
    from backstay_kube.kinds import Kind

Obj = dict[str, Any]
T = TypeVar("T")

ATTEMPTS = 6
POLL_S = 0.25


async def edit(
    session: Session, kind: Kind, name: str, *, namespace: str | None, change: Callable[[Obj], Obj]
) -> Obj:
    """Apply `change` (object -> merge patch) to the object as it is now. Returns the object as it became.

    Raises ApiConflict when somebody was faster six times in a row."""
    for attempt in range(ATTEMPTS):
        obj = await session.api.get(kind, name, namespace)
        patch = change(obj)
        patch["metadata"] = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        try:
            return await session.api.patch(kind, name, patch, namespace=namespace)
        except ApiConflict:
            if attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(random.uniform(0.5, 1.0) * 0.05 * 2**attempt)
    raise AssertionError("the loop returns or raises")


async def wait_until(
    session: Session, probe: Callable[[], Awaitable[T | None]], *, timeout_s: float
) -> T | None:
    """Ask `probe` four times a second until it answers; None when the time is over."""
    deadline = session.monotonic() + timeout_s
    while True:
        found = await probe()
        if found is not None:
            return found
        if session.monotonic() >= deadline:
            return None
        await asyncio.sleep(min(POLL_S, max(0.01, deadline - session.monotonic())))


def holder(target: Target) -> tuple[Kind, str, str]:
    """Kind, name and namespace of the object in which a target is written."""
    kind = kinds.HARESOURCE if target.kind is TargetKind.RESOURCE else kinds.RESOURCEGROUP
    return kind, target.name, target.namespace


async def request(
    session: Session, where: tuple[Kind, str, str | None], body: Mapping[str, str], *, wait_s: float | None
) -> Mapping[str, str] | None:
    """Put a one-shot request into an object, and wait for the DC's answer; None when it was not waited for.

    It is taken out again once it is answered, and also when nobody took it up in time, so that it does not happen hours later.
    Raises CliError when it was refused, or not answered in time."""
    kind, name, namespace = where
    request_id = OWN_PREFIX + session.new_id()
    await edit(
        session,
        kind,
        name,
        namespace=namespace,
        change=lambda obj: with_request(obj, {"id": request_id, **body}),
    )
    if wait_s is None:
        return None
    latest: list[Mapping[str, str]] = []

    async def acknowledged() -> Mapping[str, str] | None:
        ack = answer(await session.api.get(kind, name, namespace), request_id)
        latest[:] = [ack] if ack else []
        return ack if ack and ack.get("state") in FINISHED else None

    ack = await wait_until(session, acknowledged, timeout_s=wait_s)
    what = f"{body['type']} of {name}"
    if ack is None and latest:
        raise CliError(
            f"{what}: the DC is at it, but was not done after {wait_s:g} s: {latest[0].get('message', '')}".rstrip(
                ": "
            ),
            hint="it goes on; look with kubectl ha status, or wait longer with --wait=SECONDS",
        )
    await _take_back(session, where, request_id)
    if ack is None:
        raise CliError(
            f"{what}: no DC answered within {wait_s:g} s, so the request was taken back",
            hint="see whether an operator runs: kubectl ha status",
        )
    if ack.get("state") != "Done":
        raise CliError(f"{what}: {ack.get('state', '')}: {ack.get('message', '')}".rstrip(": "))
    return ack


async def _take_back(session: Session, where: tuple[Kind, str, str | None], request_id: str) -> None:
    """What is over is taken out again, so that nothing of it stays in the object. The next request tries once more if this fails."""
    kind, name, namespace = where
    with contextlib.suppress(ApiConflict, ApiNotFound):
        await edit(
            session, kind, name, namespace=namespace, change=lambda obj: without_request(obj, request_id)
        )

"""Runs a command of kubectl-ha against a fake API, in this process, with captured streams."""

from __future__ import annotations

import importlib
import io
import itertools
from dataclasses import dataclass, replace
from datetime import UTC

import pytest

from backstay_cli.arguments import parse
from backstay_cli.errors import CliError
from backstay_cli.render import paint
from backstay_cli.session import Session
from unit.cli.cluster import NOW
from unit.cli.fake_api import FakeApi


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str
    error: str = ""
    hint: str = ""


async def run(api: FakeApi, *argv: str) -> Outcome:
    """As the program does it, except that the API is `api`, the clock stands at NOW, and request ids count up."""
    arguments = parse(argv)
    out, err, numbers = io.StringIO(), io.StringIO(), itertools.count(1)
    session = Session(
        api=api,
        out=out,
        err=err,
        cluster=arguments.cluster,
        namespace=arguments.namespace,
        home=arguments.namespace or "default",
        clock=lambda: NOW,
        new_id=lambda: f"{next(numbers):04d}",
        sleep=api.second_look,
    )
    module, _, function = arguments.command.partition(".")
    command = getattr(importlib.import_module(f"backstay_cli.commands.{module}"), function)
    try:
        code = await command(session, arguments)
    except CliError as error:
        return Outcome(error.code, out.getvalue(), err.getvalue(), str(error), error.hint)
    return Outcome(code, out.getvalue(), err.getvalue())


def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands write local time: here the machine's zone is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    import time

    time.tzset()


UTC_PAINT = replace(paint.Paint(), zone=UTC)

"""`resource describe`: an agent's meta-data as pcs shows it, wrapped to a screen. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from backstay.api.quantities import duration_text
from backstay.ocf.metadata import Action, Metadata, Parameter
from backstay_cli.render.paint import Paint

WIDTH = 100


def describe_text(agent: str, metadata: Metadata, paint: Paint) -> str:
    """The whole page, without a final newline."""
    title = paint.heading(agent) + (f" - {metadata.short_description}" if metadata.short_description else "")
    lines = [title, ""]
    if metadata.long_description:
        lines += [*_wrapped(metadata.long_description, indent=0), ""]
    lines.append(paint.heading("Resource options:"))
    for parameter in sorted(metadata.parameters, key=lambda p: (not p.required, p.deprecated)):
        lines += _parameter(parameter, paint)
    if not metadata.parameters:
        lines.append("  (none)")
    lines += ["", paint.heading("Default operations:"), *(_action(action) for action in metadata.actions)]
    return "\n".join(lines)


def _parameter(parameter: Parameter, paint: Paint) -> Iterator[str]:
    marks = []
    if parameter.required:
        marks.append(paint.warn("required"))
    if parameter.unique_group:
        own = parameter.unique_group == parameter.name
        marks.append("unique" if own else f"unique group: {parameter.unique_group}")
    if parameter.reloadable:
        marks.append("reloadable")
    if parameter.deprecated:
        marks.append("deprecated")
    if parameter.default not in (None, ""):
        marks.append(f"default: {parameter.default}")
    shown = f" ({', '.join(marks)})" if marks else ""
    yield f"  {paint.heading(parameter.name)}{shown}: {_kind(parameter)}"
    yield from _wrapped(parameter.long_description or parameter.short_description, indent=6)


def _kind(parameter: Parameter) -> str:
    return f"one of {', '.join(parameter.choices)}" if parameter.choices else parameter.type


def _action(action: Action) -> str:
    timings = [
        f"{name}={duration_text(value)}"
        for name, value in (
            ("interval", action.interval_ms),
            ("timeout", action.timeout_ms),
            ("start-delay", action.start_delay_ms),
        )
        if value
    ]
    timings += [f"role={action.role}"] if action.role else []
    timings += [f"OCF_CHECK_LEVEL={action.depth}"] if action.depth not in ("", "0") else []
    return f"  {action.name}:" + "".join(f" {timing}" for timing in timings)


def _wrapped(text: str, *, indent: int) -> Iterator[str]:
    """Paragraphs of flowing text; lines that were indented on purpose can't be told apart, and flow too."""
    margin = " " * indent
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ""
        yield from textwrap.wrap(
            " ".join(paragraph.split()),
            width=WIDTH,
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )

"""Fence devices: is the fence agent there, and does it take these parameters? Told, and never acted upon: a device in doubt may still
be the one that saves the data."""

from __future__ import annotations

from collections.abc import Iterator

from backstay.api import FenceDevice
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.verify.agents import AgentBook, Broken
from backstay.verify.nearest import listed, suggestion

_COMMON = ("action", "plug", "port", "method", "delay", "verbose", "debug")
"""Given by whoever runs the fence agent, or understood by every one."""


def check_devices(objects: Objects, book: AgentBook) -> Iterator[Problem]:
    """All devices of the cluster."""
    for device in sorted(objects.devices, key=lambda one: one.metadata.name):
        agent = device.spec.agent
        if book.exists(agent) is False:
            yield _problem(
                device,
                "UnknownAgent",
                "spec.agent",
                f"no node has the fence agent {agent!r} (asked: {listed(book.members)})"
                + (suggestion(agent, book.known_agents("stonith")) or "; install it on the nodes"),
            )
            continue
        document = book.document(agent)
        if document is None or isinstance(document, Broken):
            continue
        names = [one.name for one in document.parameters]
        given = {*device.spec.params, *device.spec.params_from}
        for name in sorted(given - {*names, *_COMMON, device.spec.host_argument}):
            field = f"spec.params.{name}"
            fix = suggestion(name, names) or f"; it has {listed(names)}"
            message = f"{agent} has no such parameter{fix}"
            yield _problem(device, "UnknownParameter", field, message, warning=True)
        supplied = given | {device.spec.host_argument, *_COMMON}
        for one in document.parameters:
            if one.required and not one.default and not one.deprecated and one.name not in supplied:
                yield _problem(
                    device,
                    "MissingParameter",
                    f"spec.params.{one.name}",
                    f"{agent} requires it; add it",
                    warning=True,
                )


def _problem(device: FenceDevice, code: str, field: str, message: str, *, warning: bool = False) -> Problem:
    return Problem(
        kind="FenceDevice",
        namespace="",
        name=device.metadata.name,
        code=code,
        message=f"{field}: {message}",
        field=field,
        severity="warning" if warning else "error",
    )

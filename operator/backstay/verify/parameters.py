"""Agent and parameters of a resource against what the nodes have and what the agent's meta-data says.

An agent that no node has and a required parameter that is missing are errors: a start could only fail, and after a failed start comes a
stop that may fail too, and then a fencing. The rest is a warning, since agents take more than their meta-data tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backstay.numerals import signed
from backstay.ocf import LVM, LVM_ACTIVATE
from backstay.ocf.metadata import Metadata, Parameter
from backstay.verify.agents import AgentBook, Broken
from backstay.verify.nearest import listed, nearest, suggestion
from backstay.verify.written import Finding, Written

_HIDDEN_PREFIXES = ("CRM_meta_", "OCF_", "trace_")
"""Understood by every agent through its shell library, and in no meta-data."""
_BOOLEANS = ("0", "1", "true", "false", "yes", "no", "on", "off", "y", "n")


def check_agent(one: Written, book: AgentBook) -> Iterator[Finding]:
    """Is there such an agent, and does it take these parameters?"""
    agent = one.template.agent
    if book.exists(agent) is False:
        standard, _, _ = agent.partition(":")
        known = book.known_agents(standard)
        asked = f"no node has the agent {agent!r} (asked: {listed(book.members)})"
        fix = suggestion(agent, known) or "; install it on the nodes, or see `kubectl ha resource agents`"
        yield one.error("UnknownAgent", "agent", asked + fix)
        return
    document = book.document(agent)
    if isinstance(document, Broken):
        yield one.warning(
            "AgentUnreadable",
            "agent",
            f"the meta-data of {agent} can't be read, so its parameters are not checked: {document.reason}",
        )
    elif document is not None and agent == str(LVM) and document.name == LVM_ACTIVATE.type:
        # This host runs another agent in its place; volgrpname is the one parameter that both need.
        if not {"volgrpname"} & {*one.template.params, *one.template.params_from}:
            yield one.error("MissingParameter", "params.volgrpname", f"{agent} requires it; add it")
    elif document is not None:
        given = {**one.template.params, **dict.fromkeys(one.template.params_from, None)}
        yield from check_parameters(one, document, given)


def check_parameters(one: Written, metadata: Metadata, given: Mapping[str, str | None]) -> Iterator[Finding]:
    """`given` are the parameters by name; the value is None where it is kept in a Secret."""
    agent = one.template.agent
    known = {parameter.name: parameter for parameter in metadata.parameters}
    strangers = [
        name for name in sorted(given) if name not in known and not name.startswith(_HIDDEN_PREFIXES)
    ]
    missing = [parameter for parameter in metadata.parameters if _is_missing(parameter, given)]
    for parameter in missing:
        meant = nearest(parameter.name, strangers)
        hint = (
            f"; {meant!r} is none of its parameters: write {parameter.name!r}"
            if meant
            else _meaning(parameter)
        )
        yield one.error("MissingParameter", f"params.{parameter.name}", f"{agent} requires it{hint}")
    free = [name for name in known if name not in given]
    for name in strangers:
        fix = suggestion(name, free) or f"; it has {listed(known)}"
        yield one.warning("UnknownParameter", f"params.{name}", f"{agent} has no such parameter{fix}")
    for name, value in sorted(given.items()):
        if name in known and value is not None:
            yield from _check_value(one, known[name], value)


def _is_missing(parameter: Parameter, given: Mapping[str, str | None]) -> bool:
    if not parameter.required or parameter.default or parameter.deprecated:
        return False
    return given.get(parameter.name, "") == ""


def _meaning(parameter: Parameter) -> str:
    text = parameter.short_description
    return f" ({text}); add it" if text else "; add it"


def _check_value(one: Written, parameter: Parameter, value: str) -> Iterator[Finding]:
    """Against type and choices. An empty value is as good as none."""
    if not value:
        return
    field = f"params.{parameter.name}"
    if parameter.choices and value not in parameter.choices:
        yield one.warning("InvalidValue", field, f"{value!r} is not one of {listed(parameter.choices)}")
    elif parameter.type == "boolean" and value.strip().lower() not in _BOOLEANS:
        yield one.warning("InvalidValue", field, f"{value!r} is neither true nor false")
    elif parameter.type == "integer" and signed(value.strip()) is None:
        yield one.warning("InvalidValue", field, f"{value!r} is not a whole number")

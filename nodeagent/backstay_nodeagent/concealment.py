"""Keeps values of Secrets out of what an agent's output becomes: a result, a condition, an Event, a log line, the journal.

An agent prints what it likes: a traced shell script, or a client that repeats its command line in its complaint. A value that was cut
in two by the bound on output is not known again; one of fewer than four characters would blacken half of the text, and is let be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from backstay_nodeagent.operation import Outcome
from backstay_nodeagent.orders import Order

MARK = "(secret)"
LENGTH_MIN = 4


def concealed(outcome: Outcome, order: Order, params: Mapping[str, str]) -> Outcome:
    """The outcome without the values that `order` took from Secrets."""
    values = {params[name] for name in order.params_from if name in params}
    if not values:
        return outcome
    return replace(outcome, reason=conceal(outcome.reason, values), output=conceal(outcome.output, values))


def conceal(text: str, values: Iterable[str]) -> str:
    """Longest first, so that a value that holds another leaves no rest. Lines of a value count by themselves."""
    parts = {line.strip() for value in values for line in (value, *value.splitlines())}
    for part in sorted(parts, key=lambda one: (-len(one), one)):
        if len(part) >= LENGTH_MIN:
            text = text.replace(part, MARK)
    return text

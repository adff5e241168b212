"""Names of agents: `ocf:heartbeat:IPaddr2`, `systemd:nginx`, `lsb:foo`, `service:foo`, `stonith:fence_xvm`.

A name becomes part of a path that is run as root, so the parser accepts only letters, digits and the few signs that occur in names of
systemd units, refuses a leading dot or dash, and never takes a slash. A fence agent is looked for on the search path, among all other
programs: only `fence_*` is one, or `stonith:reboot` would run reboot. It says nothing about whether the agent exists: that
is for the host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+\\:-]*")


FENCE_PREFIX = "fence_"


def is_fence_agent(name: str) -> bool:
    """Whether a program of this name may be run as a fence agent."""
    return name.startswith(FENCE_PREFIX) and len(name) > len(FENCE_PREFIX)


class Standard(Enum):
    """Which interface the agent speaks."""

    OCF = "ocf"
    SYSTEMD = "systemd"
    LSB = "lsb"
    SERVICE = "service"
    STONITH = "stonith"


class AgentSpecError(ValueError):
    """The text names no agent; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """A parsed agent name. `provider` is empty for everything but `ocf`."""

    standard: Standard
    type: str
    provider: str = ""

    @classmethod
    def parse(cls, text: str) -> AgentSpec:
        """Read `standard:[provider:]type`. Raises AgentSpecError."""
        standard_word, _, rest = text.partition(":")
        try:
            standard = Standard(standard_word)
        except ValueError:
            known = ", ".join(f"{one.value}:" for one in Standard)
            raise AgentSpecError(f"{text!r} is not an agent: it must begin with one of {known}") from None
        provider = ""
        if standard is Standard.OCF:
            provider, _, rest = rest.partition(":")
            if not provider or not rest or ":" in rest:
                raise AgentSpecError(
                    f"{text!r} is not an OCF agent: write ocf:PROVIDER:TYPE, as ocf:heartbeat:IPaddr2"
                )
        for word in (provider, rest):
            if (word or word is rest) and not _WORD.fullmatch(word):
                raise AgentSpecError(f"{text!r} is not an agent: {word!r} has characters that no agent has")
        if standard is Standard.STONITH and not is_fence_agent(rest):
            raise AgentSpecError(
                f"{text!r} is not a fence agent: only programs named {FENCE_PREFIX}* are run, as stonith:fence_ipmilan"
            )
        return cls(standard=standard, provider=provider, type=rest)

    def __str__(self) -> str:
        return ":".join(part for part in (self.standard.value, self.provider, self.type) if part)

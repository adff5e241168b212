"""Which resource agents the nodes have: from the capabilities in the plans' statuses. Pure.

An agent is usable where it is installed, so every answer says on which nodes it is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from backstay.api import HANodePlan
from backstay_cli.errors import CliError, UsageError, nearest

STANDARDS = ("ocf", "systemd", "lsb", "service", "stonith")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """`agents`: full name -> nodes that have it; `standards` likewise. `nodes`: those that said what they have."""

    nodes: tuple[str, ...]
    standards: Mapping[str, tuple[str, ...]]
    agents: Mapping[str, tuple[str, ...]]

    def missing_on(self, agent: str) -> tuple[str, ...]:
        there = self.agents.get(agent, ())
        return tuple(node for node in self.nodes if node not in there)

    def lists(self, standard: str) -> bool:
        """Whether the nodes name their agents of this standard at all."""
        return any(agent.startswith(f"{standard}:") for agent in self.agents)


def catalogue(plans: Iterable[HANodePlan]) -> Catalogue:
    """Gather what every node said. Agents and standards are in alphabetical order."""
    nodes: list[str] = []
    standards: dict[str, list[str]] = {}
    agents: dict[str, list[str]] = {}
    for plan in plans:
        capabilities = plan.status.capabilities
        if capabilities is None:
            continue
        nodes.append(plan.metadata.name)
        for standard in capabilities.standards:
            standards.setdefault(standard, []).append(plan.metadata.name)
        for agent in capabilities.agents:
            agents.setdefault(agent, []).append(plan.metadata.name)
    return Catalogue(
        nodes=tuple(nodes),
        standards={name: tuple(standards[name]) for name in sorted(standards)},
        agents={name: tuple(agents[name]) for name in sorted(agents)},
    )


def providers(known: Catalogue) -> list[str]:
    """OCF providers, in alphabetical order."""
    return sorted({agent.split(":")[1] for agent in known.agents if agent.startswith("ocf:")})


def agents_of(known: Catalogue, of: str) -> Iterator[str]:
    """Agents of STANDARD or STANDARD:PROVIDER; of everything when `of` is empty."""
    prefix = of.rstrip(":") + ":" if of else ""
    yield from (agent for agent in known.agents if agent.startswith(prefix))


def full_name(word: str) -> str:
    """An agent name that says its standard, in our spelling; "" for a short name. Accepts ocf::heartbeat:X, heartbeat:X."""
    name = word.replace("::", ":")
    parts = name.split(":")
    if parts[0] in STANDARDS:
        if parts[0] == "ocf" and len(parts) != 3:
            raise UsageError(
                f"{word!r} is not an OCF agent", hint="write ocf:PROVIDER:TYPE, as ocf:heartbeat:IPaddr2"
            )
        return name
    if len(parts) == 2:
        return f"ocf:{name}"
    return ""


def resolve(word: str, known: Catalogue) -> str:
    """The full name of an agent named in full or in short (IPaddr2). Raises CliError when no node has it, or several are called so."""
    full = full_name(word)
    if full:
        return full
    if not known.nodes:
        raise CliError(
            f"{word!r} is short for nothing known: no node has said yet which agents it has",
            hint=f"write the name in full, for example ocf:heartbeat:{word}",
        )
    found = [agent for agent in known.agents if agent.rpartition(":")[2] == word]
    found = found or [agent for agent in known.agents if agent.rpartition(":")[2].lower() == word.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise CliError(
            f"several agents are called {word!r}: {', '.join(found)}", hint="write one of these names"
        )
    short = {agent.rpartition(":")[2] for agent in known.agents}
    raise CliError(f"no node has an agent {word!r}", hint=nearest(word, short))


def check_installed(agent: str, known: Catalogue) -> str:
    """A warning when some nodes lack the agent. Raises CliError when every node does, and the nodes list agents of its standard."""
    standard = agent.split(":", maxsplit=1)[0]
    missing = known.missing_on(agent)
    if not missing or not known.lists(standard):
        return ""
    if len(missing) == len(known.nodes):
        raise CliError(
            f"no node has the agent {agent}",
            hint=nearest(agent, agents_of(known, agent.rpartition(":")[0]))
            or "install it on the hosts, or use --force",
        )
    return f"{agent} is not installed on {', '.join(missing)}: it can run only elsewhere"

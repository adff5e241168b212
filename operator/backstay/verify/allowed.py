"""What a cluster lets a namespace run (HACluster `spec.allowedAgents`, design note 0007).

The admission policy of the chart says the same to whoever applies a manifest. It can be left out, can come later than the resource, and
does not see the list shrink: so it is this check that keeps an agent from being started.
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.api import HACluster
from backstay.verify.nearest import listed
from backstay.verify.written import Finding, Written

NOT_ALLOWED = "AgentNotAllowed"


def check_allowed(one: Written, cluster: HACluster) -> Iterator[Finding]:
    """One finding where the resource's agent is not on its namespace's list."""
    entries = cluster.spec.allowed_agents
    if not entries:
        return
    patterns = [
        pattern
        for entry in entries
        if "*" in entry.namespaces or one.namespace in entry.namespaces
        for pattern in entry.agents
    ]
    agent = one.template.agent
    if any(_matches(pattern, agent) for pattern in patterns):
        return
    yield one.error(
        NOT_ALLOWED,
        "agent",
        f"spec.allowedAgents of HACluster {cluster.metadata.name!r} does not let namespace {one.namespace!r} use {agent!r}, "
        f"only {listed(sorted(set(patterns))) or 'nothing'}; add it there, or use another agent",
    )


def _matches(pattern: str, agent: str) -> bool:
    return agent.startswith(pattern[:-1]) if pattern.endswith("*") else agent == pattern

"""`version`: of this program, and of what runs in the cluster when it can be reached."""

from __future__ import annotations

import argparse
import json
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.session import Session
from backstay_kube.errors import ApiError


async def version(session: Session, arguments: argparse.Namespace) -> int:
    try:
        own = version_of("backstay")
    except PackageNotFoundError:
        own = "unknown"
    agents: dict[str, list[str]] = {}
    problem = ""
    try:
        view = await gather(session, Wanted())
        for node in view.nodes:
            agents.setdefault(node.status.agent_version or "unknown", []).append(node.metadata.name)
    except (CliError, ApiError) as error:
        problem = str(error)
    if arguments.output == "json":
        session.show(json.dumps({"client": own, "agents": agents}, indent=2))
        return 0
    session.show(f"kubectl-ha {own}")
    for name, nodes in agents.items():
        session.show(f"node agent {name} on {' '.join(nodes)}")
    if problem:
        session.say(f"cluster: {problem}")
    return 0

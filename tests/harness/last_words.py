"""What a cluster under test said last: put behind the failure of its test, since the sandbox is gone when somebody reads it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.hosts import SandboxUnderTest
from harness.hosts_cluster import ClusterUnderTest

LINES_OF_A_LOG = 60
CHARACTERS_OF_A_LINE = 400
KINDS = ("hacluster", "hanode", "haresource", "resourcegroup")


def last_words(fixtures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Title and text of each; nothing where no test of a sandbox failed."""
    for fixture in {id(one): one for one in fixtures.values()}.values():
        sandbox = fixture.sandbox if isinstance(fixture, ClusterUnderTest) else fixture
        if isinstance(sandbox, SandboxUnderTest):
            for log in sorted({one.resolve() for one in sandbox.layout.logs_dir.glob("*.log")}):
                yield f"the end of {log.name}", _tail(log)
        if isinstance(fixture, ClusterUnderTest):
            for kind in KINDS:
                yield f"status of every {kind}", _statuses(fixture, kind)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LINES_OF_A_LOG:]
    return "\n".join(line[:CHARACTERS_OF_A_LINE] for line in lines)


def _statuses(cluster: ClusterUnderTest, kind: str) -> str:
    try:
        got = cluster.run("kubectl", "get", kind, "--all-namespaces", "-o", "json")
        items = json.loads(got.stdout)["items"]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        return f"not to be had: {error}"
    return "\n".join(f"{one['metadata']['name']}: {json.dumps(one.get('status'))}" for one in items)

"""Tiny OCF agents written into a test's own directory, and an executor that finds them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backstay.ocf.agentspec import AgentSpec
from backstay_nodeagent.executor import Executor
from backstay_nodeagent.host_process import ProcessControl
from backstay_nodeagent.invocation import HostPaths, Invoker
from backstay_nodeagent.operation import Instant, Operation, Origin, Outcome
from backstay_nodeagent.orders import Order, Verb

_CALLS = itertools.count(1)


class Host:
    """A host of its own below `root`: agents, init scripts, programs."""

    def __init__(self, root: Path, **facts: Any) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        path = f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin"
        paths = HostPaths(ocf_root=str(root / "ocf"), path=path, init_directory=str(root / "init.d"))
        self.invoker = Invoker(node="n1", paths=paths, **facts)
        self.executor = Executor(self.invoker, boot_id="boot-1")

    def agent(self, script: str, name: str = "Tiny", mode: int = 0o755) -> str:
        """Install an OCF agent; `script` is the body of a shell script, $1 the action."""
        return self._write(self.root / "ocf" / "resource.d" / "test" / name, script, mode)

    def init_script(self, script: str, name: str = "tiny") -> str:
        return self._write(self.root / "init.d" / name, script, 0o755)

    def program(self, script: str, name: str) -> str:
        return self._write(self.bin / name, script, 0o755)

    def _write(self, path: Path, script: str, mode: int) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        return str(path)

    async def run(
        self,
        verb: str = "start",
        agent: str = "ocf:test:Tiny",
        *,
        control: ProcessControl | None = None,
        params: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Outcome:
        order = Order(id="1-1-1", verb=Verb(verb), resource="r", agent=agent, params=params or {}, **more)
        now = Instant(0.0, 0.0)
        operation = Operation(call_id=next(_CALLS), order=order, origin=Origin.ORDER, ready=now, started=now)
        return await self.executor.run(operation, order.params, control or ProcessControl())

    def path_of(self, agent: str) -> str:
        return self.invoker.agent_path(AgentSpec.parse(agent))

"""What hosts with kernels of their own hold: each tells by its management card, whose cable nobody pulls, and dies with its kernel.

What a kernel has said last holds until it says something else or is dead; so one that is frozen still holds everything.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from backstay_sandbox.inspection import guest_command, host_environment
from backstay_sandbox.layout import Layout
from faults import kernel_tables
from faults.sight import OFF, Sight, proc_of_host

RETRY_S = 0.1
END_TIMEOUT_S = 10.0


@dataclass
class GuestSights:
    """A context; :meth:`look` is what a Lookout wants."""

    layout: Layout
    _told: dict[str, tuple[Path, Sight]] = field(default_factory=dict)
    """By node: the kernel's process, and what it said last."""
    _streams: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> GuestSights:
        for node in self.layout.nodes:
            thread = threading.Thread(target=self._listen, args=(node,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for stream in list(self._streams.values()):
            stream.kill()
        for thread in self._threads:
            thread.join(END_TIMEOUT_S)

    def look(self) -> dict[str, Sight]:
        return {node: self._sight(node) for node in self.layout.nodes}

    def hears(self) -> bool:
        """Whether every host that is on has told something."""
        told = {node: proc for node, (proc, _) in self._told.items()}
        procs = {node: proc_of_host(self.layout, node) for node in self.layout.nodes}
        return all(proc is None or told.get(node) == proc for node, proc in procs.items())

    def _sight(self, node: str) -> Sight:
        proc, sight = self._told.get(node, (None, OFF))
        return sight if proc is not None and proc == proc_of_host(self.layout, node) else OFF

    def _listen(self, node: str) -> None:
        """Ask again and again: every boot is another kernel."""
        while not self._end.is_set():
            proc = proc_of_host(self.layout, node)
            if proc is not None:
                with contextlib.suppress(ValueError):  # half a line: it died
                    self._listen_to(node, proc)
            time.sleep(RETRY_S)

    def _listen_to(self, node: str, proc: Path) -> None:
        eye = Path(kernel_tables.__file__).read_text()
        with subprocess.Popen(
            guest_command(self.layout, node, [sys.executable, "-I", "-S", "-c", eye]),
            env=host_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as stream:
            self._streams[node] = stream
            assert stream.stdout is not None
            for line in stream.stdout:
                told = json.loads(line)
                told["addresses"] = frozenset(told["addresses"])
                self._told[node] = (proc, Sight(**told))
            stream.kill()

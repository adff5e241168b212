"""Whether the tutorial's cluster is whole: by what the API says, what the kernels hold, and what the client gets, all three."""

from __future__ import annotations

import time
from dataclasses import dataclass

from backstay_sandbox.layout import Layout
from backstay_sandbox.outages import OutageWatch
from faults.checkers import SINGLE_ADDRESS
from faults.lookout import Lookout
from faults.sight import holders, proc_of_host
from harness.cluster_view import ClusterView
from harness.host_processes import DAEMONS, processes_of

STEADY_S = 1.0
POLL_S = 0.1
TARGETS = ("page", "address")


class NotWholeError(RuntimeError):
    """It was not in time; the message says what it lacked."""


@dataclass(frozen=True, slots=True)
class Wholeness:
    """The three witnesses."""

    view: ClusterView
    lookout: Lookout
    watch: OutageWatch
    layout: Layout | None = None
    """Of namespace hosts, whose daemons must be there too."""

    def wait(self, *, timeout_s: float) -> float:
        """Seconds until it was whole; returns when it has stayed so for STEADY_S. Raises NotWholeError."""
        began, whole_since = time.monotonic(), None
        while True:
            now, lacks = time.monotonic(), self.lacks()
            whole_since = None if lacks else (whole_since if whole_since is not None else now)
            if whole_since is not None and now - whole_since >= STEADY_S:
                return whole_since - began
            if now - began >= timeout_s:
                raise NotWholeError(f"not whole after {timeout_s:.0f} s, it lacks {lacks or 'steadiness'}")
            time.sleep(POLL_S)

    def lacks(self) -> str:
        """In words; empty when it lacks nothing."""
        self.lookout.violations()  # blind witnesses see nothing wrong: raises if it has ended
        snapshot = self.view.snapshot()
        if snapshot is None:
            return "an answer of the API"
        if lacks := snapshot.lacks():
            return lacks
        for node in self.layout.nodes if self.layout is not None else ():
            if node not in snapshot.nodes or node not in snapshot.plans:
                return f"an HANode and a plan of {node}"
        homes = self.homes()
        for what, name in (("group", "appgroup"), ("address", "cluster-ip")):
            if name not in snapshot.running:
                return f"the {what} in the API"
            if homes[what] != snapshot.running[name][1]:
                return f"the {what} on {snapshot.running[name][1]} (it is on {homes[what] or 'no host'})"
        if not self.lookout.sights()[homes["group"]].serves:
            return f"the web server on {homes['group']}"
        return self._absent_daemon() or next(
            (f"an answer of the {target}" for target in TARGETS if not self.watch.is_up(target)), ""
        )

    def _absent_daemon(self) -> str:
        """The first that does not run, where hosts can be looked into; what was killed may be on its way back."""
        for node in self.layout.nodes if self.layout is not None else ():
            proc = proc_of_host(self.layout, node)
            lines = processes_of(int(proc.name)).values() if proc is not None else ()
            for daemon, pattern in DAEMONS.items():
                if not any(pattern in line for line in lines):
                    return f"the {daemon} of {node}"
        return ""

    def homes(self) -> dict[str, str]:
        """Where things run, by the hosts' own kernels; several hosts joined by a plus."""
        sights = self.lookout.sights()
        mounted = [node for node, sight in sights.items() if sight.mounted]
        return {"group": "+".join(mounted), "address": "+".join(holders(sights, SINGLE_ADDRESS))}

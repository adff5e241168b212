"""keepalived: VRRP alone, with Debian's program and a configuration from its manual.

All instances begin as BACKUP and do not preempt, so that a returning host moves nothing.
"""

from __future__ import annotations

from bench.failover.bed import Bed, await_true
from bench.failover.contender import VIP

CONFIG_FILE = "/etc/keepalived/keepalived.conf"
PID_FILE = "/run/keepalived.pid"
UP_TIMEOUT_S = 20.0
CONFIG = """\
global_defs {{
    router_id {node}
    vrrp_version {version}
}}
vrrp_instance VI_1 {{
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert_int}
    virtual_ipaddress {{
        {address}/24 dev eth0
    }}
}}
"""


class Keepalived:
    """`advert_int` in seconds; 1 is the default."""

    def __init__(self, bed: Bed, *, name: str, advert_int: float) -> None:
        self.name = name
        self._bed = bed
        self._advert_int = advert_int

    def bring_up(self) -> None:
        for node in self._bed.nodes:
            self._start(node)
        await_true(lambda: self._bed.holder(VIP) != "", "one master", timeout_s=UP_TIMEOUT_S)
        for node in self._bed.nodes:
            self._await_running(node)

    def join(self, node: str) -> None:
        self._start(node)
        self._await_running(node)

    def leave(self, node: str) -> None:
        """A clean stop: the master says goodbye with priority 0."""
        pid = self._bed.run(node, "cat", PID_FILE).stdout.strip()
        self._bed.run(node, "kill", "-TERM", pid)

    def come_back(self, node: str) -> None:
        await_true(
            lambda: self._bed.run(node, "test", "-e", PID_FILE).returncode != 0,
            f"keepalived to end on {node}",
            timeout_s=UP_TIMEOUT_S,
        )
        self.join(node)

    def _start(self, node: str) -> None:
        priority = 100 - self._bed.nodes.index(node)
        config = CONFIG.format(
            node=node,
            # VRRP 2, keepalived's default, knows whole seconds only.
            version=2 if self._advert_int >= 1 else 3,
            priority=priority,
            advert_int=self._advert_int,
            address=VIP,
        )
        self._bed.write(node, CONFIG_FILE, config)
        self._bed.spawn(
            node, "keepalived", ["keepalived", "--dont-fork", "--log-console", "--vrrp", "-f", CONFIG_FILE]
        )

    def _await_running(self, node: str) -> None:
        """It has said in which state it begins: from then on it listens to the master."""

        def entered() -> bool:
            log = self._bed.log(node, "keepalived")
            return "Entering BACKUP STATE" in log.read_text(errors="replace").rpartition("Starting VRRP")[2]

        await_true(entered, f"keepalived on {node} to begin", timeout_s=UP_TIMEOUT_S)

"""Starved hosts with kernels of their own: cores burn and memory is short, down to the OOM killer; no heartbeat is late, and nothing
fails over. A page may come late now and then, since the web server starves too.

Lasts BACKSTAY_SOAK_S seconds (default 30; the full proof, `make soak`, takes 1800).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import HostKind, SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.burden import burdens, burn_cores, hog_memory
from harness.hosts import SandboxUnderTest, sandbox_name
from harness.hosts_cluster import ClusterUnderTest
from harness.quiet import nobody_notices
from harness.renewals import RenewalWatch

pytestmark = pytest.mark.uml
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SOAK_S = float(os.environ.get("BACKSTAY_SOAK_S", "30"))
URL, PINGED = "http://10.0.1.100/", "10.0.0.3"
LEFT_MB = 40
LEASE_S = 3.0


def least_available_mb(sandbox: SandboxUnderTest, seconds: float) -> dict[str, int]:
    """Watch for so long; the least memory that each host had to give."""
    least: dict[str, int] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for node in sandbox.layout.nodes:
            shown = sandbox.on_host(node, "grep", "MemAvailable", "/proc/meminfo").stdout
            least[node] = min(least.get(node, 1 << 20), int(shown.split()[1]) // 1024)
        time.sleep(0.5)
    return least


def test_hosts_short_of_memory_and_cores_renew_in_time_and_nothing_fails_over() -> None:
    options = SandboxOptions(name=sandbox_name("uml-burden"), nodes=3, hosts=HostKind.UML)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url=URL, address=PINGED) as watch:
            cluster = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            for name in ("tutorial/1-cluster-ip.yaml", "tutorial-lvm"):
                applied = cluster.run("kubectl", "apply", "-f", str(EXAMPLES / name))
                assert applied.returncode == 0, applied.stderr
            with (
                nobody_notices(cluster, url=URL, address=PINGED, slow_pages=0.005),
                RenewalWatch(options.layout.kubeconfig) as renewals,
                burdens(cluster.sandbox, burn_cores(2) + hog_memory(LEFT_MB)),
            ):
                least_mb = least_available_mb(cluster.sandbox, SOAK_S)
    finally:
        background.stop(options.layout)
    print(
        f"starved for {SOAK_S:.0f} s, down to {least_mb} MB: renewals {renewals.renewals}, longest interval {renewals.gap_s}"
    )
    assert max(least_mb.values()) < 2 * LEFT_MB, "memory was short on every host"
    assert max(renewals.gap_s.values()) < LEASE_S

"""Busy hosts: every core of every host computes as hard as it can, and no heartbeat is late, and nothing fails over.

Lasts BACKSTAY_SOAK_S seconds (default 20; the full proof, `make soak`, takes 1800).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.burden import burdens, burn_cores
from harness.hosts import SandboxUnderTest, sandbox_name
from harness.hosts_cluster import ClusterUnderTest
from harness.quiet import nobody_notices
from harness.renewals import RenewalWatch

pytestmark = pytest.mark.hosts
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
SOAK_S = float(os.environ.get("BACKSTAY_SOAK_S", "20"))
URL, PINGED = "http://10.0.1.100/", "10.0.0.3"
LEASE_S = 3.0


def test_hosts_that_burn_all_cores_renew_in_time_and_nothing_fails_over() -> None:
    options = SandboxOptions(name=sandbox_name("busy"), nodes=3)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url=URL, address=PINGED) as watch:
            cluster = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            applied = cluster.run("kubectl", "apply", "-f", str(TUTORIAL))
            assert applied.returncode == 0, applied.stderr
            with (
                nobody_notices(cluster, url=URL, address=PINGED),
                RenewalWatch(options.layout.kubeconfig) as renewals,
                burdens(cluster.sandbox, burn_cores()),
            ):
                time.sleep(SOAK_S)
    finally:
        background.stop(options.layout)
    print(f"busy for {SOAK_S:.0f} s: renewals {renewals.renewals}, longest interval {renewals.gap_s}")
    assert set(renewals.gap_s) == {"node-n1", "node-n2", "node-n3"}
    assert max(renewals.gap_s.values()) < LEASE_S

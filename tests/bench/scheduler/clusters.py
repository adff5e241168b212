"""The clusters that are scheduled: the suite's generator makes them, and what it lacks is made of what it has.

Situations: `first` (nothing runs yet), `lost` (the last node went), `steady`, and `failed`: steady, but the monitor of
the first resource has just failed. All with the probe results that a live cluster's status holds.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SITUATIONS = ("first", "lost", "failed", "steady")
_BESIDE = Path(__file__).resolve().parents[4] / "shared" / "cts"


def generator() -> Path | None:
    """The suite's generator (PACEMAKER_CTS, or beside the checkout); None if it is not here."""
    found = Path(os.environ.get("PACEMAKER_CTS") or _BESIDE) / "gen.py"
    return found if found.is_file() else None


def write_aside(file: Path, *, resources: int, nodes: int, situation: str) -> None:
    """`write` in a process of its own: a process counts the memory of the one that started it as its own peak."""
    here = (str(file), str(resources), str(nodes), situation)
    subprocess.run([sys.executable, "-m", "bench.scheduler.clusters", *here], check=True)


def write(file: Path, *, resources: int, nodes: int, situation: str) -> None:
    """Write a CIB. Raises CalledProcessError if the generator fails."""
    script = generator()
    assert script is not None
    made = "steady" if situation == "failed" else situation
    size = ("-r", str(resources), "-n", str(nodes))
    subprocess.run(
        [sys.executable, script, *size, "--situation", made, "--probe-history", "-o", str(file)], check=True
    )
    if situation == "failed":
        file.write_text(with_failure(file.read_text()))


_MONITOR = re.compile(
    r'<lrm_rsc_op id="p0_monitor_10000"[^>]*transition-key="1:1:0:(?P<uuid>[^"]+)"[^>]*'
    r'on_node="(?P<node>[^"]+)"[^>]*/>'
)


def with_failure(cib: str) -> str:
    """The CIB with the first resource's monitor failed a second before its date, and counted."""
    found = _MONITOR.search(cib)
    assert found is not None, "the generator names its first monitor otherwise"
    when = 1_699_999_999
    failed = (
        f'<lrm_rsc_op id="p0_last_failure_0" operation_key="p0_monitor_10000" operation="monitor" '
        f'crm-debug-origin="x" crm_feature_set="3.16.2" transition-key="1:1:0:{found["uuid"]}" '
        f'transition-magic="0:1;1:1:0:{found["uuid"]}" on_node="{found["node"]}" call-id="9999999" rc-code="1" '
        f'op-status="0" interval="10000" last-rc-change="{when}" exec-time="1" queue-time="0"/>'
    )
    cib = cib.replace(found[0], found[0] + failed, 1)
    attributes = (
        f'<transient_attributes id="t"><instance_attributes id="t-a">'
        f'<nvpair id="t-a-f" name="fail-count-p0#monitor_10000" value="1"/>'
        f'<nvpair id="t-a-l" name="last-failure-p0#monitor_10000" value="{when}"/>'
        f"</instance_attributes></transient_attributes>"
    )
    opening = re.search(rf'<node_state [^>]*uname="{re.escape(found["node"])}"[^>]*>', cib)
    assert opening is not None
    return cib.replace(opening[0], opening[0] + attributes, 1)


if __name__ == "__main__":
    write(Path(sys.argv[1]), resources=int(sys.argv[2]), nodes=int(sys.argv[3]), situation=sys.argv[4])

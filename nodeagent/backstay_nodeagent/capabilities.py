"""What this host can run: the OCF agents that lie there, and which standards work."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from backstay.ocf.agentspec import Standard, is_fence_agent
from backstay_nodeagent.invocation import HostPaths

AGENTS_MAX = 2048
_HIDDEN = re.compile(r"^\.|\.(metadata|sh|pyc|dist-info)$")


def capabilities(paths: HostPaths) -> dict[str, Any]:
    """As HANodePlan.status.capabilities; sorted, so that it changes only when the host does."""
    agents = ocf_agents(paths.local(paths.ocf_root))
    standards = ["ocf"] if agents else []
    if systemd_runs(paths):
        standards += ["systemd", "service"]
    if os.path.isdir(paths.local(paths.init_directory)):
        standards += ["lsb"] + ([] if "service" in standards else ["service"])
    if fence_agents(paths.path):
        standards += ["stonith"]
    fences = [f"stonith:{name}" for name in fence_agents(paths.path)]
    return {"standards": sorted(standards), "agents": (agents + fences)[:AGENTS_MAX]}


def stamp(paths: HostPaths) -> tuple[tuple[str, int], ...]:
    """Changes when agents are added or removed: the times of the directories that hold them. Cheap enough to ask every few seconds."""
    resources = Path(paths.local(paths.ocf_root), "resource.d")
    directories = [paths.local(paths.init_directory), *paths.path.split(":"), str(resources)]
    directories += sorted(str(one) for one in resources.glob("*") if one.is_dir())
    return tuple((one, os.stat(one).st_mtime_ns) for one in directories if os.path.isdir(one))


def ocf_agents(ocf_root: str) -> list[str]:
    """Executable files below resource.d, as `ocf:PROVIDER:TYPE`."""
    found = []
    for path in Path(ocf_root, "resource.d").glob("*/*"):
        if path.is_file() and os.access(path, os.X_OK) and not _HIDDEN.search(path.name):
            found.append(f"ocf:{path.parent.name}:{path.name}")
    return sorted(found)


def fence_agents(path: str) -> list[str]:
    """Programs named `fence_*` in the directories of `path`."""
    found = {
        name
        for directory in path.split(":")
        if os.path.isdir(directory)
        for name in os.listdir(directory)
        if is_fence_agent(name) and os.access(os.path.join(directory, name), os.X_OK)
    }
    return sorted(found)


def systemd_runs(paths: HostPaths) -> bool:
    """Whether the host was booted with systemd, by the test that sd_booted(3) documents."""
    return os.path.isdir(paths.local("/run/systemd/system"))


def system_id_source(paths: HostPaths) -> str:
    """lvm.conf's global/system_id_source, empty where there is no LVM or it does not answer in time."""
    try:
        answer = subprocess.run(
            paths.argv(Standard.OCF, ("lvmconfig", "--type", "full", "global/system_id_source")),
            env={"PATH": paths.path, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip().partition("=")[2].strip().strip('"')

"""Services of the host as resources: what `systemctl` and init scripts say, in OCF's exit codes.

Sources: systemctl(1), systemd's unit states, and "Linux Standard Base Core", Init Script Actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from backstay.ocf.agentspec import AgentSpec, Standard
from backstay.ocf.exitcode import ExitCode


class UnitState(Enum):
    """What a monitor makes of a unit."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    CHANGING = "changing"
    """It starts or stops; look again."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class UnitReport:
    """`reason` is for people, empty when there is nothing to explain."""

    state: UnitState
    reason: str = ""


def unit_report(properties: Mapping[str, str]) -> UnitReport:
    """Judge `systemctl show --property=LoadState,ActiveState,SubState,Result`."""
    load = properties.get("LoadState", "")
    active = properties.get("ActiveState", "")
    detail = f"{active} ({properties.get('SubState', '')}), result {properties.get('Result', 'unknown')}"
    if load in ("not-found", "masked", "bad-setting", "error") and active in ("", "inactive", "failed"):
        return UnitReport(UnitState.MISSING, f"the unit can't be loaded: {load}")
    match active:
        case "active" | "reloading" | "refreshing":
            return UnitReport(UnitState.RUNNING)
        case "activating" | "deactivating" | "maintenance":
            return UnitReport(UnitState.CHANGING, detail)
        case "failed":
            return UnitReport(UnitState.FAILED, detail)
        case _:
            return UnitReport(UnitState.STOPPED)


def unit_exit_code(report: UnitReport) -> ExitCode:
    """The monitor's exit code. A failed unit does not run: a probe must not take it for something to clean up."""
    match report.state:
        case UnitState.RUNNING:
            return ExitCode.OK
        case UnitState.STOPPED | UnitState.FAILED:
            return ExitCode.NOT_RUNNING
        case UnitState.MISSING:
            return ExitCode.ERROR_INSTALLED
        case UnitState.CHANGING:
            return ExitCode.ERROR_GENERIC


def unit_properties(text: str) -> dict[str, str]:
    """Read the KEY=VALUE lines of `systemctl show`."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def service_metadata(spec: AgentSpec) -> str:
    """Meta-data for what has none of its own: a unit or init script takes no parameters, and can be started, watched and stopped."""
    actions = "".join(
        f'<action name="{name}" timeout="{timeout}s"{more}/>'
        for name, timeout, more in (
            ("start", 100, ""),
            ("stop", 100, ""),
            ("monitor", 100, ' interval="60s"'),
            ("reload", 100, ""),
            ("meta-data", 5, ""),
        )
    )
    kind = {Standard.LSB: "init script", Standard.SYSTEMD: "systemd unit"}.get(spec.standard, "service")
    return (
        f'<?xml version="1.0"?><resource-agent name="{spec.type}" version="1.0"><version>1.1</version>'
        f'<shortdesc lang="en">The {kind} {spec.type}</shortdesc><parameters/>'
        f"<actions>{actions}</actions></resource-agent>\n"
    )


def lsb_status_exit_code(rc: int) -> int:
    """An init script's answer to `status` as a monitor's exit code: dead, with or without a pid or lock file, is not running."""
    if rc in (1, 2, 3):
        return ExitCode.NOT_RUNNING
    if rc in (0, 4):
        return ExitCode.OK if rc == 0 else ExitCode.ERROR_GENERIC
    return {150: ExitCode.ERROR_INSTALLED, 151: ExitCode.ERROR_PERM}.get(rc, ExitCode.ERROR_GENERIC)


def lsb_action_exit_code(rc: int) -> int:
    """An init script's answer to start or stop. LSB and OCF share these numbers, but for 7 (LSB: it does not run)."""
    return rc if 0 <= rc <= 6 else ExitCode.ERROR_GENERIC

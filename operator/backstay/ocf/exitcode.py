"""What an agent's exit code means, and what an executor makes of it.

From the OCF Resource Agent API 1.1, section "Return Codes", and "Pacemaker Explained", "How are OCF Return Codes Interpreted". An
exit code is data: it is handed to the scheduler as it is, and never replaced by a judgement. Codes outside the table count as a soft
error, as Pacemaker does.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class ExitCode(IntEnum):
    """The exit codes with a meaning of their own."""

    OK = 0
    ERROR_GENERIC = 1
    ERROR_ARGS = 2
    ERROR_UNIMPLEMENTED = 3
    ERROR_PERM = 4
    ERROR_INSTALLED = 5
    ERROR_CONFIGURED = 6
    NOT_RUNNING = 7
    RUNNING_PROMOTED = 8
    FAILED_PROMOTED = 9
    DEGRADED = 190
    DEGRADED_PROMOTED = 191


class Severity(Enum):
    """How far an exit code reaches when it was not the expected one."""

    NONE = "none"
    """A state, or a success."""
    SOFT = "soft"
    """Recover here, or elsewhere when that does not help."""
    HARD = "hard"
    """Does not run on this node."""
    FATAL = "fatal"
    """Does not run anywhere: the definition is wrong."""


class OpStatus(Enum):
    """How an operation ended, as its executor saw it; the values are those of HANodePlan."""

    DONE = "Done"
    ERROR = "Error"
    TIMEOUT = "Timeout"
    NOT_INSTALLED = "NotInstalled"
    NOT_SUPPORTED = "NotSupported"
    CANCELLED = "Cancelled"
    UNKNOWN = "Unknown"


_TABLE: dict[ExitCode, tuple[Severity, str]] = {
    ExitCode.OK: (Severity.NONE, "ok"),
    ExitCode.ERROR_GENERIC: (Severity.SOFT, "error"),
    ExitCode.ERROR_ARGS: (Severity.HARD, "invalid parameter"),
    ExitCode.ERROR_UNIMPLEMENTED: (Severity.HARD, "unimplemented feature"),
    ExitCode.ERROR_PERM: (Severity.HARD, "insufficient privileges"),
    ExitCode.ERROR_INSTALLED: (Severity.HARD, "not installed"),
    ExitCode.ERROR_CONFIGURED: (Severity.FATAL, "not configured"),
    ExitCode.NOT_RUNNING: (Severity.NONE, "not running"),
    ExitCode.RUNNING_PROMOTED: (Severity.NONE, "promoted"),
    ExitCode.FAILED_PROMOTED: (Severity.SOFT, "promoted (failed)"),
    ExitCode.DEGRADED: (Severity.NONE, "ok (degraded)"),
    ExitCode.DEGRADED_PROMOTED: (Severity.NONE, "promoted (degraded)"),
}


def exit_code_text(rc: int) -> str:
    """The meaning in Pacemaker's words; `error` for a code without one."""
    return _TABLE[ExitCode(rc)][1] if rc in _KNOWN else "error"


def severity_of(rc: int) -> Severity:
    """How far this code reaches; SOFT for a code without a meaning."""
    return _TABLE[ExitCode(rc)][0] if rc in _KNOWN else Severity.SOFT


def meets_target(rc: int, target_rc: int) -> bool:
    """Whether the code is the expected one. A degraded resource runs, so 190 serves for 0 and 191 for 8."""
    healthy = {ExitCode.DEGRADED: ExitCode.OK, ExitCode.DEGRADED_PROMOTED: ExitCode.RUNNING_PROMOTED}
    return rc == target_rc or (rc in _KNOWN and healthy.get(ExitCode(rc)) == target_rc)


def status_of(rc: int, *, operation: str, target_rc: int = 0) -> OpStatus:
    """The status of an operation that ended by itself with this code.

    A monitor that finds the resource stopped, promoted or failed has done its work (`Done`), whatever was hoped for."""
    states = (ExitCode.NOT_RUNNING, ExitCode.RUNNING_PROMOTED, ExitCode.FAILED_PROMOTED)
    if meets_target(rc, target_rc) or rc == ExitCode.OK or (operation == "monitor" and rc in states):
        return OpStatus.DONE
    match rc:
        case ExitCode.ERROR_INSTALLED:
            return OpStatus.NOT_INSTALLED
        case ExitCode.ERROR_UNIMPLEMENTED:
            return OpStatus.NOT_SUPPORTED
        case _:
            return OpStatus.ERROR


def shows_stopped(rc: int) -> bool:
    """Whether a monitor with this code proves that nothing runs; an agent that is not installed runs nothing."""
    return rc in (ExitCode.NOT_RUNNING, ExitCode.ERROR_INSTALLED)


_KNOWN = frozenset(int(code) for code in ExitCode)

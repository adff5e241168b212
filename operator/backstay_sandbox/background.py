"""Starting and stopping a sandbox's daemon, from the command line, the demo and the tests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable

from backstay_sandbox import remnants
from backstay_sandbox.control import ControlError, call
from backstay_sandbox.layout import Layout
from backstay_sandbox.options import SandboxOptions

END_TIMEOUT_S = 60.0
HANG_TIMEOUT_S = 15.0


class StartError(RuntimeError):
    """The sandbox did not come up; the message is for the user."""


def start(options: SandboxOptions, *, progress: Callable[[str], None]) -> None:
    """Bring a sandbox up; returns when it is ready.  Raises StartError: then nothing is left, except where only the
    cluster did not become ready, which is left for a look at it.

    The daemon bounds every step itself; an interrupt here makes it take down what it has built so far."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "backstay_sandbox.daemon"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin:
            process.stdin.write(options.to_json() + "\n")
        for line in process.stdout:
            report = json.loads(line)
            if "ready" in report:
                return
            if "error" in report:
                if not report.get("stays"):
                    process.wait(END_TIMEOUT_S)  # until it has removed what it had made
                raise StartError(report["error"])
            progress(report["step"])
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait(END_TIMEOUT_S)
        raise
    finally:
        process.stdout.close()
    raise StartError(f"the sandbox's daemon ended with status {process.wait(END_TIMEOUT_S)}")


def stop(layout: Layout) -> bool:
    """Take a sandbox down and remove every trace, whatever state it is in; False if there was nothing."""
    asked = True
    try:
        call(layout.control_socket, "down", timeout_s=HANG_TIMEOUT_S)
    except ControlError:
        asked = False  # none there, or one that hangs
    lock = remnants.SandboxLock(layout)
    if not lock.acquire(wait_s=END_TIMEOUT_S if asked else 0.0):
        remnants.kill_daemon(layout)
        if not lock.acquire(wait_s=HANG_TIMEOUT_S):
            raise ControlError(
                f"the daemon of sandbox {layout.name} does not die; its lock is {layout.lock_file}"
            )
    try:
        return bool(remnants.remove(layout)) or asked
    finally:
        lock.release(remove=True)

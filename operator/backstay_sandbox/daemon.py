"""The background process of one sandbox: ``python -m backstay_sandbox.daemon``, started by `backstay-sandbox up`.

Reads its options as JSON from standard input; reports on standard output, one JSON object per line ({"step": ...},
then {"ready": ...} or {"error": ...}), and closes it when the sandbox is ready.  From then on it answers on the
control socket until `down` or SIGTERM; a cluster that did not become ready in time is an error, but stays up.
It holds the sandbox's lock as long as it lives.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from typing import Any

from backstay_sandbox import remnants
from backstay_sandbox.control import ControlServer
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.process_record import record
from backstay_sandbox.sandbox import FAILURES, NotReadyError, Sandbox, SandboxError

LOG_TAIL_LINES = 12
LOG = logging.getLogger("backstay_sandbox.daemon")


def main() -> None:
    options = SandboxOptions.from_json(sys.stdin.readline())
    lock = remnants.SandboxLock(options.layout)
    if not lock.acquire():
        report(
            {"error": f"sandbox {options.name!r} is up already; take it down first: backstay-sandbox down"}
        )
        sys.exit(1)
    try:
        found = remnants.remove(options.layout)
        if found:
            report({"step": f"removed what an earlier sandbox left: {', '.join(found)}"})
        options.layout.state_dir.mkdir(parents=True, mode=0o700)
        log_to(options)
        sys.exit(asyncio.run(serve(options)))
    except Exception:  # noqa: BLE001 (outermost: the logs are removed below, so the user must get it now)
        report({"error": traceback.format_exc()})
        sys.exit(1)
    finally:
        # Whatever happened, nothing of the sandbox stays.
        remnants.remove(options.layout)
        lock.release(remove=True)


def report(line: dict[str, Any]) -> None:
    """Tell `up`, which may have gone away."""
    try:
        os.write(1, json.dumps(line).encode() + b"\n")
    except BrokenPipeError:
        LOG.info("nobody listens: %s", line)


def log_to(options: SandboxOptions) -> None:
    options.layout.logs_dir.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=options.layout.logs_dir / "daemon.log",
        format="%(asctime)s %(levelname)s %(message)s",
        level=logging.INFO,
    )
    with (options.layout.logs_dir / "daemon.log").open("ab") as log:
        os.dup2(log.fileno(), 2)


async def serve(options: SandboxOptions) -> int:
    """Bring the sandbox up, serve until told to stop, take it down; returns the exit status."""
    sandbox = Sandbox(options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    control = ControlServer(Operations(sandbox, stop), FAILURES)
    try:
        outcome = await come_up(sandbox, stop)
        if "failed" in outcome:
            report({"error": f"{outcome['failed']}\n{log_tails(options)}"})
            return 1
        await control.start(options.layout.control_socket)
        report(outcome)
        let_go_of_output()
        await stop.wait()
        return 0
    finally:
        await control.stop()
        await sandbox.down()


async def come_up(sandbox: Sandbox, stop: asyncio.Event) -> dict[str, Any]:
    """Bring up, unless told to stop meanwhile; returns the report: ready, error (it stays up), or failed."""
    sandbox.layout.processes_dir.mkdir(parents=True, exist_ok=True)
    record(sandbox.layout.processes_dir, "daemon", os.getpid())
    coming = asyncio.create_task(sandbox.up(lambda step: report({"step": step})))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((coming, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not coming.done():
        coming.cancel()
        await asyncio.wait((coming,))
        return {"failed": "interrupted"}
    try:
        coming.result()
    except NotReadyError as error:
        LOG.error("%s", error)
        return {"error": str(error), "stays": True}
    except (*FAILURES, OSError) as error:
        LOG.error("up failed: %s", error)
        return {"failed": str(error)}
    return {"ready": sandbox.status()}


def log_tails(options: SandboxOptions) -> str:
    """The last words of every log, since a sandbox that failed to come up leaves no files behind."""
    tails = []
    for path in sorted(options.layout.logs_dir.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        if lines:
            tails.append("\n".join([f"--- {path.name}", *lines]))
    return "\n".join(tails)


def let_go_of_output() -> None:
    with open(os.devnull, "r+b") as null:
        os.dup2(null.fileno(), 0)
        os.dup2(null.fileno(), 1)


class Operations:
    """What the command line may ask for; each takes the request and returns what can be JSON."""

    def __init__(self, sandbox: Sandbox, stop: asyncio.Event) -> None:
        self._sandbox = sandbox
        self._stop = stop

    async def __call__(self, request: dict[str, Any]) -> Any:
        sandbox, node = self._sandbox, request.get("node")
        match request.get("op"):
            case "status":
                return sandbox.status()
            case "crash":
                await sandbox.host(node).crash()
            case "boot":
                await sandbox.host(node).boot()
            case "cut":
                await sandbox.host(node).cut()
            case "heal":
                await sandbox.host(node).heal()
            case "stop-api":
                await sandbox.pause_api()
            case "start-api":
                await sandbox.resume_api()
            case "restart-api":
                await sandbox.pause_api()
                await sandbox.resume_api()
            case "backup-api":
                await sandbox.backup_api()
            case "restore-api":
                await sandbox.restore_api()
            case "down":
                self._stop.set()
            case other:
                raise SandboxError(f"no such operation: {other}")
        return None


if __name__ == "__main__":
    main()

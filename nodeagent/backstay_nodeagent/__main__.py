"""backstay-nodeagent: runs the resources of one node, as the DC's plan says.

Fast to be back after a restart: what this boot's journal knows is resumed before the API's client is even imported. On SIGTERM
it ends at once and touches no resource; the keeper stays and renews the Lease (`--stop-keeper` ends it, when Backstay leaves
the host).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from backstay_kube.metrics_options import add_metrics_options, complaint_of
from backstay_nodeagent import VERSION

IDENTITY_FILE = "/etc/backstay/identity"

log = logging.getLogger(__name__)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="backstay-nodeagent", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--node", default=os.environ.get("NODE_NAME"), help="name of this Node [$NODE_NAME]")
    parser.add_argument("--kubeconfig", help="without it: the pod's service account")
    parser.add_argument(
        "--state-dir", type=Path, default=Path("/var/lib/backstay"), help="on the host's disk"
    )
    parser.add_argument("--run-dir", type=Path, default=Path("/run/backstay"), help="on a tmpfs of the host")
    parser.add_argument(
        "--host-namespaces",
        action="store_true",
        help="in a privileged pod that shares the host's processes: run resource agents in the host's namespaces",
    )
    parser.add_argument("--boot-id-file", type=Path, help="holds the id of this boot; by default one is made")
    parser.add_argument(
        "--identity-file",
        default=IDENTITY_FILE,
        help="of the host: MACHINE_ID= and SYSTEM_UUID= where /etc/machine-id or the firmware do not tell this machine from others",
    )
    add_metrics_options(parser)
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument(
        "--stop-keeper", action="store_true", help="end the keeper of this host, and nothing else"
    )
    parser.add_argument("--version", action="version", version=f"backstay-nodeagent {VERSION}")
    parsed = parser.parse_args(argv)
    if not parsed.node and not parsed.stop_keeper:
        parser.error("--node is missing")
    if complaint := complaint_of(parsed):
        parser.error(complaint)
    return parsed


def main(argv: list[str] | None = None) -> int:
    """Exit status 0 after SIGTERM; 1 when something unforeseen happened."""
    options = arguments(argv)
    from backstay_nodeagent import logs

    logs.set_up(options.node or "", style=options.log_format, debug=options.debug)
    if options.stop_keeper:
        from backstay_nodeagent.keeper_link import stop_keeper

        stopped = asyncio.run(stop_keeper(options.run_dir))
        log.info("keeper stopped" if stopped else "no keeper runs")
        return 0
    status = asyncio.run(_serve(options))
    # Threads that hang in a dead disk or resolver must not hold up the end.
    sys.stderr.flush()
    os._exit(status)


async def _serve(options: argparse.Namespace) -> int:
    """Until SIGTERM or SIGINT."""
    from backstay_nodeagent.program import Program

    loop = asyncio.get_running_loop()
    program = asyncio.create_task(Program(options).run())
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.wait((program, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not program.done():
        log.info("ends; resources and the keeper stay")
        return 0
    with contextlib.suppress(asyncio.CancelledError):
        error = program.exception()
        log.error("the agent failed", exc_info=error)
    return 1


if __name__ == "__main__":
    sys.exit(main())

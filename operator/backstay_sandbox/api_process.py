"""The embedded API server's process: the object store behind HTTPS, on sockets the daemon has opened.

Started by ``api_link.EmbeddedApi``.  The bearer token comes on standard input; the objects come from ``--state``,
where an earlier run left them: all of them at its SIGTERM, those of SAVE_INTERVAL_S ago if it was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from pathlib import Path

from backstay.objectstore import ObjectStore
from backstay_sandbox.apiserver import serve
from backstay_sandbox.apiserver.certificates import Certificate
from backstay_sandbox.apiserver.random_ids import RandomIds
from backstay_sandbox.apiserver.state_file import StateFileError, load_state, save_state

SAVE_INTERVAL_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--socket", type=int, action="append", required=True, help="descriptor of a listening socket"
    )
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    args = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    token = sys.stdin.readline().strip()
    store = ObjectStore(ids=RandomIds())
    try:
        snapshot = load_state(args.state)
    except StateFileError as error:
        sys.exit(str(error))
    if snapshot is not None:
        store.restore(snapshot)
    store.create_system_namespaces(now=time.time())
    certificate = Certificate(args.certificate, args.key)
    sockets = [socket.socket(fileno=one) for one in args.socket]
    asyncio.run(
        serve_until_told(store, sockets=sockets, token=token, certificate=certificate, state=args.state)
    )
    save_state(args.state, store.snapshot())


async def serve_until_told(
    store: ObjectStore, *, sockets: list[socket.socket], token: str, certificate: Certificate, state: Path
) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    saving = asyncio.create_task(keep_saving(store, state))
    await serve(store, sockets=sockets, token=token, tls=certificate.server_context(), until=stop)
    saving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await saving


async def keep_saving(store: ObjectStore, state: Path) -> None:
    """So that an API that is killed comes back with a cluster, and not with nothing."""
    while True:
        await asyncio.sleep(SAVE_INTERVAL_S)
        await asyncio.to_thread(save_state, state, store.snapshot())


if __name__ == "__main__":
    main()

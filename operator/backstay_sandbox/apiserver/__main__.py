"""A Kubernetes API on loopback, for tests and for trying things out.

`python -m backstay_sandbox.apiserver --port 0 --kubeconfig-out kubeconfig` serves until SIGTERM or SIGINT and says
on its standard output where. It speaks TLS with a certificate of its own (kubectl sends no token without), or plain
HTTP with --plain. With --state, objects and resourceVersion survive a restart.
"""

import argparse
import asyncio
import base64
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import yaml

from backstay.objectstore import ObjectStore
from backstay_sandbox.apiserver.certificates import CertificateError, make_certificate
from backstay_sandbox.apiserver.random_ids import RandomIds
from backstay_sandbox.apiserver.server import serving
from backstay_sandbox.apiserver.state_file import StateFileError, load_state, save_state

BACKLOG = 128
LOOPBACK = "127.0.0.1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backstay_sandbox.apiserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--kubeconfig-out", type=Path, help="where to write a kubeconfig with the token")
    parser.add_argument("--token", help="bearer token; a random one if left out (visible to others in ps)")
    parser.add_argument("--state", type=Path, help="file that keeps the objects over a restart")
    parser.add_argument("--history", type=int, default=4096, help="changes a watch can resume from, per kind")
    parser.add_argument(
        "--plain", action="store_true", help="HTTP without TLS; kubectl cannot log in to that"
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser


def kubeconfig_text(server: str, token: str, *, authority: bytes = b"") -> str:
    """A kubeconfig for one server and one token; `authority` is the PEM of the server's certificate."""
    name = "backstay-sandbox"
    cluster = {"server": server}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "current-context": name,
        },
        sort_keys=False,
    )


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all: whoever waits for the file must never read half of it."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _open_store(arguments: argparse.Namespace) -> ObjectStore:
    store = ObjectStore(ids=RandomIds(), history_limit=arguments.history)
    if arguments.state is not None:
        snapshot = load_state(arguments.state)
        if snapshot is not None:
            store.restore(snapshot)
    store.create_system_namespaces(now=time.time())
    return store


async def _run(arguments: argparse.Namespace, store: ObjectStore, directory: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    token = arguments.token or secrets.token_urlsafe(24)
    with socket.create_server((LOOPBACK, arguments.port), backlog=BACKLOG) as listening:
        scheme, authority, tls = "http", b"", None
        if not arguments.plain:
            certificate = make_certificate(directory, addresses=[LOOPBACK])
            scheme, authority, tls = "https", certificate.authority_pem(), certificate.server_context()
        server = f"{scheme}://{LOOPBACK}:{listening.getsockname()[1]}"
        async with serving(store, sockets=[listening], token=token, tls=tls):
            if arguments.kubeconfig_out is not None:
                _write_private(arguments.kubeconfig_out, kubeconfig_text(server, token, authority=authority))
            print(f"serving on {server}", flush=True)
            await stop.wait()


def main() -> int:
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        store = _open_store(arguments)
        with tempfile.TemporaryDirectory(prefix="backstay-api-") as directory:
            asyncio.run(_run(arguments, store, Path(directory)))
    except (StateFileError, CertificateError) as refused:
        print(refused, file=sys.stderr)
        return 1
    if arguments.state is not None:
        save_state(arguments.state, store.snapshot())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

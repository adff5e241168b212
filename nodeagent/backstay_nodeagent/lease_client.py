"""Renews one Lease over one kept connection. Standard library only; part of the keeper.

Each try is bounded by the socket's timeout, and from outside by `abort`, which ends even a server that drips byte by byte.
Addresses are remembered, so that a name server's silence does not cost a lease that the API server would renew.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from typing import Any, TypedDict
from urllib.parse import urlsplit

from backstay_nodeagent.lease_protocol import Answer, LeaseProtocol, RenewalError, Request

ANSWER_MAX = 1 << 20
FIELD_MANAGER = "backstay-nodeagent"


class Access(TypedDict, total=False):
    """How to reach the API server; files are read again when a connection is made, the token whenever its file changes."""

    server: str
    token: str
    token_file: str
    ca_file: str
    ca_pem: str
    client_cert_file: str
    client_key_file: str
    tls_server_name: str


class LeaseClient:
    """One Lease. Not for two threads at a time, but for `abort`."""

    def __init__(self, access: Access, protocol: LeaseProtocol) -> None:
        self._access = access
        self._url = urlsplit(access["server"])
        self._protocol = protocol
        self._connection: http.client.HTTPConnection | None = None
        self._address: tuple[Any, ...] | None = None
        self._token = access.get("token", "")
        self._token_mtime = 0.0

    def renew(self, spec: dict[str, Any], annotations: dict[str, str], *, timeout_s: float) -> None:
        """Renew the Lease, or create it. Raises RenewalError unless the server acknowledged it."""
        renewal = self._protocol.renewal(spec, annotations)
        answer = Answer(0)
        try:
            request = next(renewal)
            while True:
                answer = self._request(request, timeout_s)
                request = renewal.send(answer)
        except StopIteration:
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._protocol.lost()
            self.close()
            raise RenewalError(f"{type(error).__name__}: {error}") from None
        except RenewalError:
            if answer.status >= 500 or answer.status == 401:
                # Behind a balancer another connection may meet a better server; the token may have been renewed.
                self.close()
            raise

    def abort(self) -> None:
        """From another thread: make a `renew` that hangs fail at once."""
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, request: Request, timeout_s: float) -> Answer:
        connection = self._connected(timeout_s)
        connection.sock.settimeout(timeout_s)
        headers = {"Content-Type": request.content_type, "Accept": "application/json"}
        token = self._present_token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        target = f"{self._url.path.rstrip('/')}{request.path}"
        body = None
        if request.body is not None:
            target, body = f"{target}?fieldManager={FIELD_MANAGER}", json.dumps(request.body)
        connection.request(request.method, target, body, headers)
        answer = connection.getresponse()
        document = answer.read(ANSWER_MAX)
        if answer.length:
            raise http.client.HTTPException("the answer was cut off, or is no Lease")
        if answer.will_close:
            self.close()
        return Answer(answer.status, document)

    def _connected(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = self._connect(timeout_s)
        return self._connection

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        if self._address is None:
            self._address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        family, kind, protocol, _, address = self._address
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout_s)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._url.scheme == "https":
                sock = self._tls().wrap_socket(
                    sock, server_hostname=self._access.get("tls_server_name") or host
                )
        except BaseException:
            sock.close()
            self._address = None
            raise
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        connection.sock = sock
        connection.auto_open = 0
        return connection

    def _tls(self) -> ssl.SSLContext:
        access = self._access
        context = ssl.create_default_context(
            cafile=access.get("ca_file") or None, cadata=access.get("ca_pem") or None
        )
        if access.get("client_cert_file"):
            context.load_cert_chain(access["client_cert_file"], access.get("client_key_file") or None)
        return context

    def _present_token(self) -> str:
        path = self._access.get("token_file", "")
        if path:
            try:
                mtime = os.stat(path).st_mtime
                if mtime != self._token_mtime:
                    with open(path, encoding="utf-8") as file:
                        self._token = file.read().strip()
                    self._token_mtime = mtime
            except OSError:
                pass  # the last one may still be good
        return self._token


def micro_time() -> str:
    """Now, as metav1.MicroTime. For people: nobody decides by it."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"

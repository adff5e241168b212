"""An API server that knows Leases only, and can be made to misbehave."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LeaseServer:
    """Use as a context manager. `mode`: ok, error (500), stall (no answer until the mode changes), drip (a byte at a time)."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.renewals: list[tuple[float, dict[str, Any]]] = []
        self.lease: dict[str, Any] | None = None
        """As it is stored; a test may write to it as another machine would."""
        self.version = 0
        self.requests: list[str] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_GET(self) -> None:
                outer.answer(self)

            def do_PATCH(self) -> None:
                outer.answer(self)

            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> LeaseServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mode = "error"
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(size)) if size else {}
        self.requests.append(f"{handler.command} {handler.path} {handler.headers.get('Authorization', '')}")
        while self.mode == "stall":
            time.sleep(0.02)
        if self.mode == "drip":
            self._drip(handler)
            return
        if self.mode == "error":
            self._send(handler, 500, {})
        elif handler.command == "POST":
            self._store(handler, body)
        elif self.lease is None:
            self._send(handler, 404, {})
        elif handler.command == "GET":
            self._send(handler, 200, self.lease)
        elif body["metadata"].get("resourceVersion") != self.lease["metadata"]["resourceVersion"]:
            self._send(handler, 409, {})
        else:
            self._store(handler, body)

    def write(self, annotations: dict[str, str]) -> None:
        """As somebody else does."""
        self.version += 1
        self.lease = {"metadata": {"annotations": annotations, "resourceVersion": str(self.version)}}

    def _store(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        self.write(body["metadata"]["annotations"])
        self.renewals.append((time.clock_gettime(time.CLOCK_BOOTTIME), body))
        self._send(handler, 200, self.lease or {})

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(1000):
            if self.mode != "drip":
                return
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(0.02)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            return

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
        self.exists = False
        self.requests: list[str] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

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
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.requests.append(f"{handler.command} {handler.path} {handler.headers.get('Authorization', '')}")
        while self.mode == "stall":
            time.sleep(0.02)
        if self.mode == "drip":
            self._drip(handler)
            return
        if self.mode == "error":
            self._send(handler, 500, {})
        elif handler.command == "PATCH" and not self.exists:
            self._send(handler, 404, {})
        else:
            self.exists = True
            self.renewals.append((time.clock_gettime(time.CLOCK_BOOTTIME), body))
            self._send(handler, 200, body)

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

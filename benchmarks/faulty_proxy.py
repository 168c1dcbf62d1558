"""A reverse proxy in front of a real server that loses, delays and breaks what passes through it, as it is told."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

PASS = "pass"
FATES = (
    "dropped before the server saw it",
    "reset after the server committed",
    "502 after the server committed",
    "504 after the server committed",
    "reset, and carried later",
    "no answer within the client's timeout",
    "worker killed before the server saw it",
    "worker killed after the server committed",
    "worker killed, and carried later",
)
LATE_SECONDS = 0.5
"""How much later a request is carried whose client has given up already."""

_DROPPED, _RESET, _502, _504, _LATE, _HANG, _KILL_BEFORE, _KILL_AFTER, _KILL_LATE = FATES
_HOP = {"host", "connection", "transfer-encoding", "content-encoding", "content-length", "accept-encoding"}


class Proxy:
    """Carries requests to `upstream`, each with the fate that `fate(method, path, body)` gives it.

    `kill()` is called where the worker is to die. `hang_seconds` must exceed the client's timeout.
    """

    def __init__(
        self, upstream: str, fate: Callable[[str, str, bytes], str], kill: Callable[[], None], *, hang_seconds: float
    ) -> None:
        self.fate = fate
        self.kill = kill
        self.hang_seconds = hang_seconds
        self.connections: set[socket.socket] = set()
        self._late: list[threading.Thread] = []
        self._client = httpx.Client(base_url=upstream, timeout=60, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = False  # closing waits for what is under way at the server
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def carry(self, request: httpx.Request) -> httpx.Response:
        """Carry a request and return the answer; 502 where there is no server."""
        try:
            return self._client.send(request)
        except httpx.HTTPError:
            return httpx.Response(502, text="<html>Bad Gateway</html>")

    def carry_later(self, request: httpx.Request) -> None:
        """Carry a request in a while, for nobody."""
        thread = threading.Timer(LATE_SECONDS, self.carry, (request,))
        self._late.append(thread)
        thread.start()

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Request:
        """Build the request to the server."""
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        return self._client.build_request(method, path, headers=kept, content=body)

    def close(self) -> None:
        """Stop, after everything that is still to be carried was."""
        self._server.shutdown()
        for connection in tuple(self.connections):  # a client may keep it open, and nothing is to come any more
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        self._server.server_close()
        for thread in self._late:
            thread.join()
        self._client.close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.proxy.connections.add(self.connection)

    def finish(self) -> None:
        self.proxy.connections.discard(self.connection)
        super().finish()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = self.proxy.request(self.command, self.path, dict(self.headers), body)
        fate = self.proxy.fate(self.command, self.path, body)
        if fate in (_KILL_BEFORE, _KILL_LATE):
            self.proxy.kill()
        if fate in (_LATE, _KILL_LATE):
            self.proxy.carry_later(request)
        if fate in (_DROPPED, _LATE, _KILL_BEFORE, _KILL_LATE):
            return self._reset()
        answer = self.proxy.carry(request)
        if fate == _KILL_AFTER:
            self.proxy.kill()
        if fate == _HANG:
            time.sleep(self.proxy.hang_seconds)
        if fate in (_RESET, _KILL_AFTER, _HANG):
            return self._reset()
        if fate in (_502, _504):
            answer = httpx.Response(int(fate[:3]), text=f"<html>{fate[:3]}</html>")
        return self._send(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _handle  # noqa: N815  http.server looks for these names

    def _send(self, answer: httpx.Response) -> None:
        try:
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)
        except OSError:  # the client was killed, or did not wait
            self.close_connection = True

    def _reset(self) -> None:
        """Close the connection so that the client is told at once, without an answer."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

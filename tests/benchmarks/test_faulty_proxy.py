"""Each fate does what it says, in front of a small real server that counts what reaches it."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from benchmarks.faulty_proxy import FATES, LATE_SECONDS, PASS, Proxy

(DROPPED, RESET, BAD_GATEWAY, TIMEOUT, LATE, HANG, KILL_BEFORE, KILL_AFTER, KILL_LATE) = FATES


class Counter:
    """A server that keeps the bodies it was sent."""

    def __init__(self) -> None:
        bodies: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(201)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"done")

            def log_message(self, *_: object) -> None:
                pass

        self.bodies = bodies
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def upstream() -> Iterator[Counter]:
    counter = Counter()
    yield counter
    counter.server.shutdown()
    counter.server.server_close()


@pytest.mark.parametrize(
    ("fate", "status", "n_carried", "n_carried_later", "n_kills"),
    [
        (PASS, 201, 1, 1, 0),
        (DROPPED, None, 0, 0, 0),
        (RESET, None, 1, 1, 0),
        (BAD_GATEWAY, 502, 1, 1, 0),
        (TIMEOUT, 504, 1, 1, 0),
        (LATE, None, 0, 1, 0),
        (HANG, "timeout", 1, 1, 0),
        (KILL_BEFORE, None, 0, 0, 1),
        (KILL_AFTER, None, 1, 1, 1),
        (KILL_LATE, None, 0, 1, 1),
    ],
)
def test_every_fate_is_as_it_is_called(
    upstream: Counter, fate: str, status: int | str | None, n_carried: int, n_carried_later: int, n_kills: int
) -> None:
    kills: list[float] = []
    proxy = Proxy(upstream.url, lambda *_: fate, lambda: kills.append(time.monotonic()), hang_seconds=0.5)
    answered: int | str | None
    try:
        answered = httpx.post(proxy.url, content=b"hello", timeout=0.4, trust_env=False).status_code
    except httpx.ReadTimeout:
        answered = "timeout"
    except httpx.TransportError:
        answered = None
    assert (answered, len(upstream.bodies), len(kills)) == (status, n_carried, n_kills)
    proxy.close()
    assert upstream.bodies == [b"hello"] * n_carried_later


def test_without_a_server_the_gateway_is_bad() -> None:
    proxy = Proxy("http://127.0.0.1:9", lambda *_: PASS, lambda: None, hang_seconds=0)
    assert httpx.post(proxy.url, content=b"hello", trust_env=False).status_code == 502
    proxy.close()
    assert LATE_SECONDS > 0

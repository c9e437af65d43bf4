"""The client against a real server on loopback: what only a wire can show."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from Medical_KG_rev import errors
from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.settings import RemoteSource

pytestmark = pytest.mark.component

BOMB = gzip.compress(b" " * 5_000_000)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        getattr(self, f"serve_{self.path.strip('/')}")()

    def start(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def serve_whole(self) -> None:
        self.start(Content_Length="2")
        self.wfile.write(b"{}")

    def serve_short(self) -> None:
        self.start(Content_Length="100")
        self.wfile.write(b'{"studies":[')

    def serve_endless(self) -> None:
        self.start()
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            self.close_connection = True

    def serve_bomb(self) -> None:
        self.start(Content_Encoding="gzip", Content_Length=str(len(BOMB)))
        self.wfile.write(BOMB)

    def serve_garbled(self) -> None:
        self.start(Content_Encoding="gzip", Content_Length="4")
        self.wfile.write(b"oops")

    def serve_silent(self) -> None:
        self.server.released.wait(5)  # type: ignore[attr-defined]
        self.close_connection = True

    def serve_slow(self) -> None:
        self.start()
        try:
            while not self.server.released.wait(0.05):  # type: ignore[attr-defined]
                self.wfile.write(b" ")
        except OSError:
            self.close_connection = True

    def serve_inward(self) -> None:
        self.start(302, Location="https://localhost:1/secret", Content_Length="0")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silence."""


class Direct:
    def call(self, request: Callable[[], Any]) -> Any:
        return request()


@pytest.fixture
def client() -> Iterator[SourceClient]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.released = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    source = RemoteSource(base_url=base, timeout_seconds=0.3, max_response_bytes=100_000)  # type: ignore[arg-type]
    opened = SourceClient("loopback", source, Direct())
    yield opened
    server.released.set()  # type: ignore[attr-defined]
    opened.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_configured_host_may_be_private(client: SourceClient) -> None:
    assert client.get("/whole") == b"{}"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/short", errors.RemoteUnavailableError),
        ("/endless", errors.ResponseTooLargeError),
        ("/bomb", errors.ResponseTooLargeError),
        ("/garbled", errors.UnexpectedContentError),
        ("/silent", errors.RemoteTimeoutError),
        ("/slow", errors.RemoteTimeoutError),
        ("/inward", errors.AddressRefusedError),
    ],
)
def test_what_a_wire_can_do(client: SourceClient, path: str, kind: type[Exception]) -> None:
    with pytest.raises(errors.RemoteError) as caught:
        client.get(path)
    assert type(caught.value) is kind


def test_nobody_listens() -> None:
    source = RemoteSource(base_url="http://127.0.0.1:9", timeout_seconds=1)  # type: ignore[arg-type]
    with pytest.raises(errors.RemoteUnavailableError, match="cannot be reached"):
        SourceClient("loopback", source, Direct()).get("/x")

"""Serves metrics over HTTP from a thread of the process that has them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from Medical_KG_rev.errors import PartUnavailableError

__all__ = ["MetricsExporter"]

CLIENT_TIMEOUT_SECONDS = 10


class MetricsExporter:
    """``GET /metrics`` and ``GET /healthz`` on an address; ``port`` is the one that was taken.

    Raises:
        PartUnavailableError: the port is in use, or may not be taken.
    """

    def __init__(self, render: Callable[[], str], port: int, host: str) -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(render))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise PartUnavailableError(
                f"Metrics cannot be served on {host}:{port}: {reason}.",
                remedy="Choose another port with --metrics-port, or end the process that has it.",
                host=host,
                port=port,
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and gives the port back. Harmless when called twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _handler(render: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_SECONDS

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, render(), CONTENT_TYPE_PLAIN_0_0_4)
            elif path == "/healthz":
                self._answer(HTTPStatus.OK, "ok\n")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "Here are /metrics and /healthz.\n")

        do_HEAD = do_GET  # noqa: N815 - the names that http.server calls

        def _answer(self, status: HTTPStatus, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a scrape every few seconds is no news."""

    return Handler

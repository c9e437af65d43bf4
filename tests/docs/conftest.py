"""The remote APIs of tests/fixtures/http, answering on loopback: what the commands of the pages talk to."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from remote_apis import ClinicalTrialsApi, EuropePmcApi, OpenAlexApi

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[str, str]]:
    """Settings that point the three sources at the played ones."""
    import httpx

    apis = {"ctgov": ClinicalTrialsApi(), "works": OpenAlexApi(), "epmc": EuropePmcApi()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, _, rest = self.path.lstrip("/").partition("/")
            answer: Any = apis[name].handle(httpx.Request("GET", f"http://played/{rest}"))
            self.send_response(answer.status_code)
            for header in ("content-type", "content-length"):
                self.send_header(header, answer.headers[header])
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: what matters is what the command says."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        yield {
            "MK_ADAPTERS__CLINICALTRIALS__BASE_URL": f"{base}/ctgov",
            "MK_ADAPTERS__OPENALEX__BASE_URL": f"{base}/works",
            "MK_ADAPTERS__PMC_FULLTEXT__BASE_URL": f"{base}/epmc/europepmc/webservices/rest",
        }
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(tmp_path: Path, models_dir: Path, addresses: dict[str, str]) -> dict[str, str]:
    """The environment of a reader who stands in a checkout: `medkg` on the path, an empty data folder, the quick model."""
    plugins = tmp_path / "plugins"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MK_", "COV_", "COVERAGE_"))},
        **addresses,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(plugins),
        "MK_DATA_DIR": str(tmp_path / "data"),
        "MK_MODELS_DIR": str(models_dir),
        "MK_EMBEDDING__MODEL": "static",
    }

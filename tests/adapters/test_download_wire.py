"""The download stage against a server that does what servers should not do: a right copy or a named error, in bounded time."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hostile_files import Detour, HostileServer, certified, pdf, resolve, serving

from Medical_KG_rev import errors
from Medical_KG_rev.adapters.download import PdfDownloadStage
from Medical_KG_rev.models import PdfAsset, PdfCandidates, RawPayload, StageContext, StoredPdf, pdf_key
from Medical_KG_rev.orchestration.resilience import Deadline, ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig
from Medical_KG_rev.settings_pdf import DownloadSettings
from Medical_KG_rev.storage import FilesystemObjectStore

pytestmark = pytest.mark.component

DOC = "unpaywall:10.1234-x"
CONTEXT = StageContext("default", doc_id=DOC)
ATTEMPTS = 4
LIMITS = {
    "max_bytes": 300_000,
    "max_seconds": 5.0,
    "min_bytes_per_second": 1_000,
    "rate_window_seconds": 0.3,
    "timeout_seconds": 0.4,
}


def payload(*urls: str, **more: Any) -> RawPayload:
    assets = tuple(PdfAsset(url=url, licence="cc-by", **more) for url in urls)
    content = msgspec.json.encode(PdfCandidates(assets=assets, title="An invented article"))
    return RawPayload(source="unpaywall", source_id="10.1234/x", format="pdf-asset", content=content)


class Downloads:
    """The stage with a server behind it."""

    def __init__(self, server: HostileServer, folder: Path) -> None:
        self.server = server
        self.store = FilesystemObjectStore(folder / "objects")
        self.detour = Detour(server.server_port)
        self.retries: list[tuple[int, float, str]] = []
        policy = {
            "max_attempts": ATTEMPTS,
            "backoff_strategy": "linear",
            "initial_backoff_seconds": 1.0,
            "max_backoff_seconds": 10.0,
            "timeout_seconds": 10.0,
        }
        self.caller = ResilientCaller(
            ResiliencePolicyConfig.model_validate(policy),
            name="polite-api",
            sleep=lambda seconds: None,
            on_retry=lambda attempt, wait, error: self.retries.append((attempt, wait, str(error))),
        )

    def stage(self, **changes: Any) -> PdfDownloadStage:
        made: dict[str, Any] = {"resolve": resolve, "transport": self.detour, "slice_seconds": 0.1}
        made |= {name: changes.pop(name) for name in list(changes) if name not in DownloadSettings.model_fields}
        settings = DownloadSettings.model_validate({**LIMITS, **changes})
        return PdfDownloadStage(self.store, self.caller, self.caller, settings, **made)

    def bring(self, *paths: str, **changes: Any) -> StoredPdf:
        (brought,) = self.stage(**changes).execute(CONTEXT, [payload(*(f"https://pdf.example/{path}" for path in paths))])
        assert brought.format == "pdf"
        return msgspec.json.decode(brought.content, type=StoredPdf)

    def refuse(self, *paths: str, **changes: Any) -> errors.PdfDownloadError:
        with pytest.raises(errors.PdfDownloadError) as caught:
            self.bring(*paths, **changes)
        assert list(self.store.keys()) == []
        return caught.value


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Downloads]:
    with serving() as server:
        opened = Downloads(server, tmp_path)
        yield opened
        opened.caller.close()


def require_good(downloads: Downloads, stored: StoredPdf) -> None:
    digest = hashlib.sha256(pdf()).hexdigest()
    assert (stored.sha256, stored.size_bytes) == (digest, len(pdf()))
    assert stored.object_key == pdf_key("default", DOC, digest) == f"pdf/default/{DOC}/{digest}.pdf"
    assert downloads.store.read(stored.object_key) == pdf()
    assert list(downloads.store.keys()) == [stored.object_key]


def test_a_file_is_brought_with_its_licence(downloads: Downloads) -> None:
    stored = downloads.bring("good")
    require_good(downloads, stored)
    assert (stored.title, stored.asset.licence) == ("An invented article", "cc-by")
    assert downloads.detour.went == ["https://pdf.example at 93.184.216.34"]
    downloads.bring("good")
    assert list(downloads.store.keys()) == [stored.object_key]


@pytest.mark.parametrize(
    ("path", "ranges"),
    [
        ("broken", [None, "bytes=5000-", "bytes=8000-"]),
        ("dated", [None, "bytes=5000-"]),
        ("unmarked", [None, None]),
        ("renewed", [None, "bytes=5000-"]),
        ("swapped", [None, "bytes=5000-", None]),
        ("shrunk", [None, "bytes=60000-", None]),
        ("stalling", [None, "bytes=5000-"]),
    ],
)
def test_a_broken_connection_is_gone_on_with(downloads: Downloads, path: str, ranges: list[str | None]) -> None:
    require_good(downloads, downloads.bring(path))
    assert [asked for _, asked in downloads.server.asked] == ranges
    assert [wait for _, wait, _ in downloads.retries][:2] == [1.0, 2.0][: len(downloads.retries)]


def test_a_compressed_answer_is_unpacked(downloads: Downloads) -> None:
    require_good(downloads, downloads.bring("zipped"))


REFUSED = {
    "short": ("remote_unavailable", "without sending complete message body"),
    "silent": ("remote_timeout", "does not answer"),
    "more": ("unexpected_content", "cut off: its 9000 bytes have no end mark"),
    "drip": ("pdf_download_failed", "sends less than 1000 bytes a second"),
    "endless": ("response_too_large", "the limit is 300000"),
    "huge": ("response_too_large", "10000000000 bytes; the limit is 300000"),
    "login": ("unexpected_content", "an HTML page (Please sign in) instead of a PDF"),
    "missing": ("unexpected_content", "an HTML page (404 Not Found) instead of a PDF"),
    "empty": ("unexpected_content", "an empty body instead of a PDF"),
    "json": ("unexpected_content", "JSON (quota exceeded) instead of a PDF"),
    "garbled": ("unexpected_content", "a damaged encoding"),
    "partial": ("unexpected_content", "answered 206 to a request for the whole file"),
    "gone": ("record_not_found", "answered 404: gone"),
    "circle": ("unexpected_content", "redirects more than 10 times"),
    "loopback": ("address_refused", "127.0.0.1 is not a public address"),
    "metadata": ("address_refused", "169.254.169.254 is not a public address"),
    "inward": ("address_refused", "10.0.0.7 is not a public address"),
    "script": ("address_refused", "'file:///etc/passwd' is no https address"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_no_pdf_is_refused_with_its_name(downloads: Downloads, path: str) -> None:
    code, said = REFUSED[path]
    started = time.monotonic()
    error = downloads.refuse(path)
    assert time.monotonic() - started < 4
    assert said in error.message
    assert (error.last_code, error.url, error.source_id) == (code, f"https://pdf.example/{path}", "10.1234/x")
    attempts = ATTEMPTS if path in ("short", "silent") else 1
    assert len(downloads.retries) == attempts - 1
    assert len(downloads.server.asked) == (11 if path == "circle" else attempts)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1/x", "127.0.0.1 is not a public address"),
        ("https://[::1]/x", "::1 is not a public address"),
        ("https://inside.example/x", "10.0.0.7 is not a public address"),
        ("file:///etc/passwd", "is no https address"),
        ("https://me:secret@pdf.example/good", "without user and password"),
        ("http://pdf.example:8080/good", "is no https address"),
        ("ftp://pdf.example/good", "is no https address"),
        ("https:///good", "is no https address"),
        ("https://pdf.example:port/good", "is no https address"),
        ("", "is no https address"),
    ],
)
def test_an_address_is_refused_before_anything_is_asked(downloads: Downloads, url: str, said: str) -> None:
    with pytest.raises(errors.PdfDownloadError, match="could be brought") as caught:
        downloads.stage().execute(CONTEXT, [payload(url)])
    assert said in caught.value.message
    assert "secret" not in str(caught.value).partition(": unpaywall")[0]
    assert (caught.value.last_code, downloads.server.asked) == ("address_refused", [])


def test_tls_is_asked_for_where_an_address_has_none(downloads: Downloads) -> None:
    (brought,) = downloads.stage().execute(CONTEXT, [payload("http://pdf.example/onward")])
    require_good(downloads, msgspec.json.decode(brought.content, type=StoredPdf))
    assert downloads.detour.went == ["https://pdf.example at 93.184.216.34", "https://files.example at 93.184.216.34"]


def test_plain_http_where_it_is_allowed(downloads: Downloads) -> None:
    downloads.stage(allow_http=True).execute(CONTEXT, [payload("http://pdf.example/onward")])
    assert downloads.detour.went == ["http://pdf.example at 93.184.216.34", "http://files.example at 93.184.216.34"]


def test_a_name_that_turns_private_between_look_ups_is_never_connected_to(downloads: Downloads) -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    require_good(downloads, downloads.bring("good", resolve=rebinding))
    assert asked == ["pdf.example"]
    assert downloads.detour.went == ["https://pdf.example at 93.184.216.34"]


def test_a_cookie_goes_back_to_its_host_alone(downloads: Downloads) -> None:
    require_good(downloads, downloads.bring("welcome"))
    downloads.store.delete(next(downloads.store.keys()))
    assert "text (cookie: none)" in downloads.refuse("farewell").message


def test_the_next_address_of_a_host_is_tried(downloads: Downloads) -> None:
    asked = []

    class Unreachable(Detour):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.host)
            if request.url.host == "93.184.216.35":
                raise httpx.ConnectError("no route to host")
            return super().handle_request(request)

    two = {"resolve": lambda host, port: ["93.184.216.35", "93.184.216.34"]}
    require_good(downloads, downloads.bring("good", transport=Unreachable(downloads.server.server_port), **two))
    assert asked == ["93.184.216.35", "93.184.216.34"]


def test_the_next_copy_is_tried(downloads: Downloads) -> None:
    require_good(downloads, downloads.bring("login", "gone", "good", "html"))
    assert [path for path, _ in downloads.server.asked] == ["/login", "/gone", "/good"]


def test_every_copy_that_failed_is_named(downloads: Downloads) -> None:
    error = downloads.refuse("login", "gone")
    assert error.tried == ["https://pdf.example/login", "https://pdf.example/gone"]
    assert "Please sign in" in error.message
    assert "answered 404" in error.message


def test_the_whole_download_has_a_limit(downloads: Downloads) -> None:
    error = downloads.refuse("drip", "good", max_seconds=0.4, min_bytes_per_second=0)
    assert "took more than 0.4 s" in error.message
    assert [path for path, _ in downloads.server.asked] == ["/drip"]


def test_another_checksum_than_the_source_gives(downloads: Downloads) -> None:
    wrong = payload("https://pdf.example/good", checksum="md5:00")
    with pytest.raises(errors.PdfDownloadError, match="not 00 as its source says"):
        downloads.stage().execute(CONTEXT, [wrong])
    right = payload("https://pdf.example/good", checksum=f"md5:{hashlib.md5(pdf(), usedforsecurity=False).hexdigest().upper()}")
    assert downloads.stage().execute(CONTEXT, [right, right])[1].format == "pdf"
    assert len(list(downloads.store.keys())) == 1


class Impatient:
    """A Caller that gives a request little time, and then makes it again while the first one still hangs."""

    def __init__(self) -> None:
        self.deadline = Deadline(0.15)

    def call(self, request: Callable[[], Any]) -> Any:
        for _ in range(20):
            with suppress(TimeoutError):
                return self.deadline.run(request)
        pytest.fail("the request hangs each time")


@pytest.mark.parametrize("path", ["stalling", "late"])
def test_an_attempt_that_nobody_waits_for_changes_nothing_more(downloads: Downloads, path: str) -> None:
    impatient = Impatient()
    stage = PdfDownloadStage(
        downloads.store,
        impatient,
        downloads.caller,
        DownloadSettings.model_validate({**LIMITS, "timeout_seconds": 5.0}),
        resolve=resolve,
        transport=downloads.detour,
        slice_seconds=0.1,
    )
    (brought,) = stage.execute(CONTEXT, [payload(f"https://pdf.example/{path}")])
    require_good(downloads, msgspec.json.decode(brought.content, type=StoredPdf))
    downloads.server.released.set()
    while impatient.deadline.abandoned:
        time.sleep(0.01)
    require_good(downloads, msgspec.json.decode(brought.content, type=StoredPdf))
    impatient.deadline.close()


def test_a_certificate_is_held_against_the_name_of_the_url(downloads: Downloads, tmp_path: Path) -> None:
    """The connection goes to an address, and still the certificate must be the host's, by an authority that is trusted."""
    authority = tmp_path / "authority.pem"
    downloads.server.socket = certified(downloads.server.socket, "pdf.example", authority)
    own = {"resolve": lambda host, port: ["127.0.0.1"], "transport": None, "allow_private_addresses": True}
    port = downloads.server.server_port
    stages = {"trusting": downloads.stage(**own), "others": downloads.stage(**own)}
    stages["trusting"]._tls = ssl.create_default_context(cafile=str(authority))
    (brought,) = stages["trusting"].execute(CONTEXT, [payload(f"https://pdf.example:{port}/good")])
    require_good(downloads, msgspec.json.decode(brought.content, type=StoredPdf))
    for name, stage in (("files.example", stages["trusting"]), ("pdf.example", stages["others"])):
        with pytest.raises(errors.PdfDownloadError, match="has no valid certificate") as caught:
            stage.execute(CONTEXT, [payload(f"https://{name}:{port}/good")])
        assert caught.value.last_code == "address_refused"
    assert downloads.retries == []

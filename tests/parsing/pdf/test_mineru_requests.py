"""What is asked of a MinerU server, and what its answers mean: recorded ones of 4.x, those of 3.x and 2.x in their own shapes."""

from __future__ import annotations

import base64
import json
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from hostile_files import certified
from mineru_samples import recorded, sample
from played_mineru import PlayedMineru, zipped

from Medical_KG_rev.errors import (
    GpuNotAvailableError,
    GpuOutOfMemoryError,
    MedicalKGError,
    PdfEngineError,
    PdfEngineUnavailableError,
    PdfLimitError,
    PdfPasswordError,
    PdfUnreadableError,
    RequestRejectedError,
    ResponseTooLargeError,
    UnexpectedContentError,
    UsageError,
)
from Medical_KG_rev.orchestration.resilience import ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader
from Medical_KG_rev.parsing.pdf.layout import PdfLayout
from Medical_KG_rev.parsing.pdf.mineru import MineruEngine
from Medical_KG_rev.parsing.pdf.mineru.answers import Fault, file_error
from Medical_KG_rev.parsing.pdf.mineru.archive import MAX_MEMBERS, unpack
from Medical_KG_rev.settings import Settings, settings_from
from Medical_KG_rev.settings_mineru import MineruSettings
from Medical_KG_rev.testing.pdf import check_layout

pytestmark = pytest.mark.component

URL = "http://mineru.test:8000"
TASK = "/v1/tasks/job_8719bce426835d596139b396"
PNG = b"\x89PNG\r\n\x1a\n0"


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "sample.pdf"
    path.write_bytes(sample())
    return path


@pytest.fixture
def real(respx_mock: Any) -> Any:
    """The recorded server; routes are named by what they answer."""
    respx_mock.get(f"{URL}/v1/health", name="health").mock(return_value=recorded("health"))
    respx_mock.get(f"{URL}/v1/tiers", name="tiers").mock(return_value=recorded("tiers"))
    respx_mock.post(f"{URL}/v1/tasks", name="submit").mock(return_value=recorded("submitted"))
    waited = [recorded("pending"), recorded("running"), recorded("result_zip")]
    respx_mock.get(url__regex=rf"{URL}/v1/tasks/[a-z0-9_]+/result", name="result").mock(side_effect=waited)
    respx_mock.delete(url__regex=rf"{URL}/v1/tasks/.*", name="cancel").mock(return_value=recorded("cancel_late"))
    return respx_mock


def engine(**changes: Any) -> MineruEngine:
    return MineruEngine(MineruSettings(url=URL, **changes), wait=lambda _seconds: False)


def test_a_file_goes_through_submit_poll_and_result(real: Any, pdf: Path) -> None:
    layout = engine(api_key="secret").read(pdf)
    check_layout(layout)
    assert (len(layout.blocks), len(layout.images)) == (14, 2)
    submitted = real["submit"].calls.last.request
    assert dict(submitted.url.params.multi_items()) == {
        "filename": "paper.pdf", "tier": "flash", "ocr_mode": "txt", "output_formats": "zip",
    }  # fmt: skip
    assert submitted.url.params.get_list("output_formats") == ["structured_content", "zip"]
    assert submitted.content == pdf.read_bytes()
    assert submitted.headers["content-length"] == str(pdf.stat().st_size)
    assert {call.request.headers["authorization"] for call in real.calls} == {"Bearer secret"}
    assert [dict(call.request.url.params) for call in real["result"].calls] == [{"response_format": "zip"}] * 3
    assert not real["cancel"].called


def test_both_forms_of_an_answer_are_the_same_layout(real: Any, pdf: Path) -> None:
    zipped_layout = engine().read(pdf)
    real["result"].mock(return_value=recorded("result"))
    plain = engine(answer="json")
    layout = plain.read(pdf)
    assert real["submit"].calls.last.request.url.params.get_list("output_formats") == ["structured_content"]
    assert layout.blocks == zipped_layout.blocks
    assert layout.images.keys() == zipped_layout.images.keys()
    assert plain.fingerprint == engine().fingerprint


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ("password", PdfPasswordError, "Incorrect password"),
        ("broken", PdfUnreadableError, "Data format error"),
        ("cancelled", PdfEngineUnavailableError, "cancelled by somebody"),
    ],
)
def test_a_task_that_failed_is_named_by_whose_fault_it_is(
    real: Any, pdf: Path, answer: str, error: type[MedicalKGError], says: str
) -> None:
    real["result"].mock(side_effect=None, return_value=recorded(answer))
    with pytest.raises(error, match=says):
        engine().read(pdf)


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("file_encrypted", "", PdfPasswordError),
        ("file_corrupted", "", PdfUnreadableError),
        ("file_too_large", "", PdfLimitError),
        ("parse_failed", "torch.OutOfMemoryError: CUDA out of memory.", GpuOutOfMemoryError),
        ("parse_failed", "No CUDA-capable device is detected", GpuNotAvailableError),
        ("engine_dead", "", PdfEngineUnavailableError),
        ("server_shutting_down", "", PdfEngineUnavailableError),
        ("parse_empty", "nothing", PdfEngineError),
        ("", "", PdfEngineError),
    ],
)
def test_codes_of_failed_files(code: str, message: str, error: type[MedicalKGError]) -> None:
    assert type(file_error(Fault(code, message), URL)) is error


def plain(status: int, body: Any = None, **headers: str) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


SUBMISSIONS: dict[str, tuple[Callable[[], httpx.Response], type[MedicalKGError], str]] = {
    "400": (lambda: recorded("other_tier"), RequestRejectedError, "Tier 'standard' not available"),
    "401": (lambda: recorded("no_key"), RequestRejectedError, "MK_MINERU__API_KEY"),
    "403": (plain(403, {"error": {"code": "feature_requires_api_key", "message": "No"}}), RequestRejectedError, "API_KEY"),
    "404": (lambda: recorded("unknown_route"), MedicalKGError, "Not Found"),
    "408": (plain(408), PdfEngineUnavailableError, "408"),
    "409": (plain(409, {"error": {"message": "busy with it"}}), RequestRejectedError, "busy with it"),
    "413": (lambda: recorded("empty"), PdfEngineError, "Invalid raw file size"),
    "415": (plain(415, {"detail": "no"}), PdfEngineError, "MK_PDF__ENGINE=local"),
    "429": (plain(429, {"detail": "slowly"}, retry_after="7"), PdfEngineUnavailableError, "slowly"),
    "500": (plain(500, {"error": {"code": "internal_error", "message": "bug"}}), PdfEngineUnavailableError, "bug"),
    "500 GPU": (plain(500, {"error": "CUDA out of memory. Tried"}), GpuOutOfMemoryError, "out of memory"),
    "502": (lambda: httpx.Response(502, text="<h1>Bad gateway</h1>"), PdfEngineUnavailableError, "Bad gateway"),
    "503": (plain(503, {"error": {"code": "engine_dead", "message": "dead"}}), PdfEngineUnavailableError, "dead"),
    "503 tier": (lambda: recorded("no_tier"), RequestRejectedError, "Pass tier='flash'"),
    "302": (plain(302, location="http://elsewhere.test"), UnexpectedContentError, "a proxy may answer"),
    "HTML": (lambda: httpx.Response(202, text="<html>Sign in</html>"), UnexpectedContentError, "Sign in"),
    "no task": (plain(202, {"status": "queued"}), UnexpectedContentError, "names no task"),
    "list": (plain(202, []), UnexpectedContentError, "cannot be read"),
}


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_each_refusal_of_a_file_has_its_error(real: Any, pdf: Path, name: str) -> None:
    answer, error, says = SUBMISSIONS[name]
    real["submit"].mock(return_value=answer())
    with pytest.raises(error, match=says) as caught:
        engine().read(pdf)
    assert type(caught.value) is error or error is MedicalKGError
    assert caught.value.endpoint == URL
    if name == "429":
        assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (httpx.ConnectError("refused"), "cannot be reached: refused"),
        (httpx.ReadTimeout("slow"), "did not answer within"),
        (httpx.RemoteProtocolError(""), "RemoteProtocolError"),
    ],
)
def test_a_server_that_is_away_is_a_transient_error(real: Any, pdf: Path, fault: Exception, says: str) -> None:
    real["health"].mock(side_effect=fault)
    reader = engine()
    for ask in (lambda: reader.version, lambda: reader.fingerprint, reader.probe, lambda: reader.read(pdf)):
        with pytest.raises(PdfEngineUnavailableError, match=says):
            ask()
    real["health"].mock(side_effect=None, return_value=recorded("health"))
    assert reader.version == "4.0.12"


def test_a_policy_that_gives_up_leaves_the_error_transient(real: Any, pdf: Path) -> None:
    waits: list[float] = []
    policy = ResiliencePolicyLoader(Settings().orchestration_dir()).load("pdf-engine")
    caller = ResilientCaller(policy, name="pdf-engine", sleep=waits.append, random=lambda: 0.0)
    real["submit"].mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(PdfEngineUnavailableError, match="4 attempts failed"):
        MineruEngine(MineruSettings(url=URL), caller=caller).read(pdf)
    assert (real["submit"].call_count, waits) == (4, [1.0, 2.0, 4.0])


def test_the_version_is_asked_once_and_the_tier_is_the_best(real: Any, pdf: Path) -> None:
    real["tiers"].mock(return_value=httpx.Response(200, json={"data": [{"id": tier} for tier in ("standard", "flash", "new")]}))
    reader = engine()
    assert (reader.version, reader.version, real["health"].call_count) == ("4.0.12", "4.0.12", 1)
    assert reader.probe() == f"MinerU 4.0.12 at {URL}: tier=standard;ocr=auto"
    assert reader.fingerprint.startswith("mineru-4.0.12-")
    flash, ocr = engine(tier="flash"), engine(tier="flash", ocr="ocr")
    assert len({reader.fingerprint, flash.fingerprint, ocr.fingerprint}) == 3


def test_a_tier_that_is_not_there_names_those_that_are(real: Any) -> None:
    with pytest.raises(RequestRejectedError, match=r"tier advanced.*to one of: flash"):
        engine(tier="advanced").probe()
    real["tiers"].mock(return_value=httpx.Response(200, json={"data": []}))
    with pytest.raises(RequestRejectedError, match="none is offered"):
        engine().probe()


def test_what_is_no_mineru_is_said(respx_mock: Any) -> None:
    respx_mock.route(host="mineru.test").respond(404, text="nothing here")
    with pytest.raises(UnexpectedContentError, match="is no MinerU server"):
        engine().probe()


@pytest.mark.parametrize(("api", "wanted"), [("4", "3"), ("3", "2"), ("2", "4")])
def test_another_version_than_the_one_asked_for_is_refused(respx_mock: Any, api: Any, wanted: str) -> None:
    respx_mock.route().mock(side_effect=PlayedMineru(api).handle)
    with pytest.raises(UsageError, match=rf"speaks the API of {api}\.x"):
        engine(api=wanted).probe()


def older(respx_mock: Any, api: Any) -> PlayedMineru:
    played = PlayedMineru(api)
    respx_mock.route().mock(side_effect=played.handle)
    return played


ITEMS = [
    {"type": "text", "text": "Words", "page_idx": 0, "bbox": [1, 2, 3, 4]},
    {"type": "image", "img_path": "images/p.png", "image_caption": ["Fig. 1"], "page_idx": 1, "bbox": [1, 2, 3, 4]},
]


def listed(form: str) -> httpx.Response:
    """A result as 3.x and 2.x give it."""
    if form == "zip":
        inner = {"a/vlm/a_content_list.json": json.dumps(ITEMS).encode(), "a/vlm/images/p.png": PNG, "a/vlm/a_model.json": b"["}
        return zipped(inner)
    images = {"p.png": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}
    result = {"md_content": None, "content_list": json.dumps(ITEMS), "images": images}
    return httpx.Response(200, json={"backend": "pipeline", "version": "3.4.5", "results": {"paper": result}})


@pytest.mark.parametrize("form", ["zip", "json"])
def test_version_3_is_sent_a_form_and_asked_after_its_task(respx_mock: Any, pdf: Path, form: str) -> None:
    played = older(respx_mock, "3")
    played.pending = 2
    reader = engine(answer=form, ocr="ocr", language="ch", backend="vlm-engine")
    played.fail(*[httpx.Response(202, json={"status": "processing"})] * 2, listed(form), path="/result")
    layout: PdfLayout = reader.read(pdf)
    check_layout(layout)
    assert [block.text or block.caption for block in layout.blocks] == ["Words", "Fig. 1"]
    assert layout.images == {"p.png": PNG}
    assert layout.engine_version == "3.4.5"
    fields = played._forms["job_1"]
    assert (fields["backend"], fields["parse_method"], fields["lang_list"]) == ("vlm-engine", "ocr", "ch")
    assert played._files["job_1"] == pdf.read_bytes()
    assert [path for _, path in played.asked] == ["/v1/health", "/health", "/tasks", *["/tasks/job_1/result"] * 3]


def test_version_3_says_why_a_task_failed(respx_mock: Any, pdf: Path) -> None:
    older(respx_mock, "3").fault = {"message": "CUDA out of memory. Tried to allocate"}
    with pytest.raises(GpuOutOfMemoryError):
        engine().read(pdf)


def test_version_2_answers_at_once(respx_mock: Any, pdf: Path) -> None:
    played = older(respx_mock, "2")
    played.fail(listed("zip"), path="/file_parse")
    reader = engine()
    assert [block.text for block in reader.read(pdf).blocks] == ["Words", ""]
    assert (reader.version, played.submissions) == ("2", 1)
    played.fail(httpx.Response(503, json={"detail": "Server is at maximum capacity: 2"}), path="/file_parse")
    with pytest.raises(PdfEngineUnavailableError, match="maximum capacity"):
        reader.read(pdf)
    played.fault = {"message": "list index out of range"}
    with pytest.raises(PdfEngineError, match="list index out of range"):
        reader.read(pdf)


def bomb(megabytes: int) -> httpx.Response:
    return zipped({"structured_content.json": b" " * megabytes * 2**20, "images/a.png": PNG})


def named(member: str) -> httpx.Response:
    return zipped({member: b"{}"})


def answer(content: bytes, kind: str = "application/json") -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(200, content=content, headers={"content-type": kind})


HOSTILE: dict[str, tuple[Callable[[], httpx.Response], type[MedicalKGError], str]] = {
    "no archive": (answer(b"PK", "application/zip"), UnexpectedContentError, "archive"),
    "a bomb": (lambda: bomb(3), ResponseTooLargeError, "unpacks to more than 2097152"),
    "too large": (answer(b"x" * 600_000), ResponseTooLargeError, "more than 500000 bytes"),
    "nothing in it": (lambda: named("other.json"), UnexpectedContentError, "cannot be read"),
    "a path out of it": (lambda: named("../structured_content.json"), UnexpectedContentError, "cannot be read"),
    "another shape": (answer(b'{"files": [{"content": {"structured_content": {"pages": 5}}}]}'), UnexpectedContentError, "pages"),
    "nothing of it": (answer(b'{"files": []}'), UnexpectedContentError, "hands over nothing"),
    "nested": (answer(b"[" * 100_000), UnexpectedContentError, "cannot be read"),
    "no text": (answer(b"\xff\xfe"), UnexpectedContentError, "cannot be read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_result_that_is_nonsense_is_named_at_last(real: Any, pdf: Path, name: str) -> None:
    make, error, says = HOSTILE[name]
    real["result"].mock(side_effect=lambda _request: make())
    with pytest.raises(error, match=says):
        engine(max_answer_bytes=500_000, max_unpacked_bytes=2**21, away_seconds=0).read(pdf)
    assert real["cancel"].called


def test_archives_are_not_believed() -> None:
    with pytest.raises(UnexpectedContentError, match="more than 20000 files"):
        unpack(zipped({f"{number}": b"" for number in range(MAX_MEMBERS + 1)}).content, bool, limit=9, endpoint=URL)
    damaged = bytearray(zipped({"images/a.png": bytes(range(256)) * 40}).content)
    damaged[60] ^= 0xFF
    with pytest.raises(UnexpectedContentError, match="cannot be read"):
        unpack(bytes(damaged), bool, limit=10**6, endpoint=URL)
    lying = BytesIO()
    with zipfile.ZipFile(lying, "w") as archive:
        archive.writestr("folder/", b"")
        archive.writestr("a", b"12345")
    assert unpack(lying.getvalue(), bool, limit=5, endpoint=URL) == {"a": b"12345"}
    with pytest.raises(ResponseTooLargeError):
        unpack(lying.getvalue(), bool, limit=4, endpoint=URL)


def test_settings_are_checked_before_anything_is_asked() -> None:
    with pytest.raises(UsageError, match="MK_MINERU__URL"):
        MineruEngine(MineruSettings())
    with pytest.raises(ValueError, match="begins with http"):
        MineruSettings(url="mineru:8000")
    with pytest.raises(MedicalKGError, match="needs MK_MINERU__URL"):
        settings_from({"pdf": {"engine": "mineru"}})
    assert "pdf-engine" in settings_from({"mineru": {"url": URL}}).policies_named()


class Secured(BaseHTTPRequestHandler):
    """A server that says which it is, and what it offers."""

    def do_GET(self) -> None:
        answer = recorded("health" if self.path == "/v1/health" else "tiers")
        self.send_response(answer.status_code)
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silence."""


def test_the_servers_certificate_is_checked(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Secured) as server:
        server.socket = certified(server.socket, "localhost", tmp_path / "authority.pem")
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # of the client that hangs up
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"https://localhost:{server.server_port}"
        with pytest.raises(PdfEngineUnavailableError, match="certificate verify failed"):
            MineruEngine(MineruSettings(url=url)).probe()
        trusting = MineruEngine(MineruSettings(url=url, ca_file=tmp_path / "authority.pem"))
        assert trusting.probe().startswith(f"MinerU 4.0.12 at {url}")
        trusting.close()
        server.shutdown()

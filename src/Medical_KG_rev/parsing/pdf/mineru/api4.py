"""The API of MinerU 4.x: tasks below ``/v1``."""

from __future__ import annotations

import msgspec

from Medical_KG_rev.errors import MedicalKGError, PdfEngineUnavailableError, RequestRejectedError, UnexpectedContentError
from Medical_KG_rev.parsing.pdf.mineru.answers import decode, fault_in, file_error
from Medical_KG_rev.parsing.pdf.mineru.api import UPLOAD_NAME, Failed, Pending, Upload
from Medical_KG_rev.parsing.pdf.mineru.archive import unpack
from Medical_KG_rev.parsing.pdf.mineru.http import Answer, MineruHttp
from Medical_KG_rev.parsing.pdf.mineru.reading import Reading
from Medical_KG_rev.parsing.pdf.mineru.structured import StructuredContent, read_structured
from Medical_KG_rev.settings_mineru import MineruSettings

__all__ = ["Api4"]

TIERS = ("flash", "basic", "standard", "advanced")
"""From the least to the best."""
_ACCEPTED = frozenset({200, 202})
_ENDED = frozenset({200, 202, 409})
_CONTENT = "structured_content.json"


class _Tier(msgspec.Struct):
    id: str


class _Tiers(msgspec.Struct):
    data: list[_Tier]


class _Task(msgspec.Struct):
    task_id: str = ""
    status: str = ""


class _Content(msgspec.Struct):
    structured_content: StructuredContent | None = None


class _File(msgspec.Struct):
    content: _Content | None = None


class _Result(msgspec.Struct):
    files: list[_File]


class Api4:
    """See :class:`MineruApi`. The tier is the one of the settings, else the best that the server offers.

    Raises:
        RequestRejectedError: the server does not offer that tier.
    """

    def __init__(self, http: MineruHttp, settings: MineruSettings, version: str) -> None:
        self.version = version
        self._http = http
        self._settings = settings
        self.tier = self._chosen_tier()
        self._ocr = settings.ocr or ("txt" if self.tier == "flash" else "auto")
        self.options = f"tier={self.tier};ocr={self._ocr}"

    def submit(self, upload: Upload) -> str:
        formats = ["structured_content", *(["zip"] if self._settings.answer == "zip" else [])]
        params = {"filename": UPLOAD_NAME, "tier": self.tier, "ocr_mode": self._ocr, "output_formats": formats}
        answer = self._http.upload("/v1/tasks", upload.path, params, accept=_ACCEPTED)
        task = decode(answer.body, _Task, self._http.endpoint).task_id
        if not task:
            raise UnexpectedContentError(
                f"MinerU at {self._http.endpoint} took a file, but names no task.", endpoint=self._http.endpoint
            )
        return task

    def poll(self, task: str, upload: Upload) -> Reading | Pending | Failed:
        answer = self._http.get(f"/v1/tasks/{task}/result", params={"response_format": self._settings.answer}, accept=_ENDED)
        if answer.status == 202:
            return Pending(queued=decode(answer.body, _Task, self._http.endpoint).status == "queued")
        if answer.status == 409:
            return Failed(self._failure(answer))
        return self._read(answer, upload)

    def cancel(self, task: str) -> None:
        self._http.delete(f"/v1/tasks/{task}", accept=frozenset({200, 202, 204, 404, 409}))

    def _chosen_tier(self) -> str:
        offered = [tier.id for tier in decode(self._http.get("/v1/tiers").body, _Tiers, self._http.endpoint).data]
        known = sorted((tier for tier in offered if tier in TIERS), key=TIERS.index)
        wanted = self._settings.tier or (known[-1] if known else "")
        if wanted not in known:
            raise RequestRejectedError(
                f"MinerU at {self._http.endpoint} does not offer the tier {wanted or 'that was asked for'}.",
                remedy=f"Set MK_MINERU__TIER to one of: {', '.join(known) or 'none is offered'}; or start it with that tier.",
                endpoint=self._http.endpoint,
            )
        return wanted

    def _failure(self, answer: Answer) -> MedicalKGError:
        endpoint = self._http.endpoint
        if decode(answer.body, _Task, endpoint).status == "canceled":
            return PdfEngineUnavailableError(f"A task of MinerU at {endpoint} was cancelled by somebody.", endpoint=endpoint)
        return file_error(fault_in(answer.body), endpoint)

    def _read(self, answer: Answer, upload: Upload) -> Reading:
        endpoint = self._http.endpoint
        files: dict[str, bytes] = {}
        content: StructuredContent | None
        if answer.headers.get("content-type", "").startswith("application/zip"):
            limit = self._settings.max_unpacked_bytes
            files = unpack(answer.body, _is_wanted, limit=limit, endpoint=endpoint)
            content = decode(files.get(_CONTENT, b""), StructuredContent, endpoint)
        else:
            read = decode(answer.body, _Result, endpoint).files
            content = read[0].content.structured_content if read and read[0].content else None
        if content is None:
            raise UnexpectedContentError(
                f"MinerU at {endpoint} has read a file, but hands over nothing of it.", endpoint=endpoint
            )
        return read_structured(content, upload.sizes, files)


def _is_wanted(name: str) -> bool:
    return name == _CONTENT or name.startswith("images/")

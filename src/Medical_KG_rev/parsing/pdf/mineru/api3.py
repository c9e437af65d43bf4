"""The API of MinerU 3.x, with tasks, and that of 2.x, which answers a file with its reading at once."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import msgspec

from Medical_KG_rev.errors import UnexpectedContentError, UsageError
from Medical_KG_rev.parsing.pdf.mineru.answers import decode, fault_in, file_error
from Medical_KG_rev.parsing.pdf.mineru.api import UPLOAD_NAME, Failed, Pending, Upload
from Medical_KG_rev.parsing.pdf.mineru.archive import unpack
from Medical_KG_rev.parsing.pdf.mineru.content_list import Item, read_content_list
from Medical_KG_rev.parsing.pdf.mineru.http import Answer, MineruHttp
from Medical_KG_rev.parsing.pdf.mineru.reading import Reading
from Medical_KG_rev.parsing.pdf.mineru.structured import data_of
from Medical_KG_rev.settings_mineru import MineruSettings

__all__ = ["Api2", "Api3"]

_LIST = "_content_list.json"
_IMAGE_FOLDER = "images"


class _Task(msgspec.Struct):
    task_id: str = ""
    status: str = ""


class _Read(msgspec.Struct):
    content_list: str
    """JSON within JSON."""
    images: dict[str, str] = {}


class _Result(msgspec.Struct):
    results: dict[str, _Read]
    version: str = ""


class _Form:
    """What both versions are sent, and what they answer with."""

    def __init__(self, http: MineruHttp, settings: MineruSettings, version: str) -> None:
        self.version = version
        self.options = f"backend={settings.backend};ocr={settings.ocr or 'auto'};language={settings.language}"
        self._http = http
        self._settings = settings

    def _fields(self) -> dict[str, Any]:
        return {
            "backend": self._settings.backend,
            "parse_method": self._settings.ocr or "auto",
            "lang_list": [self._settings.language],
            "return_md": "false",
            "return_content_list": "true",
            "return_images": "true",
            "response_format_zip": "true" if self._settings.answer == "zip" else "false",
        }

    def _send(self, path: str, upload: Upload, accept: frozenset[int]) -> Answer:
        return self._http.upload_form(path, upload.path, UPLOAD_NAME, self._fields(), accept=accept)

    def _read(self, answer: Answer, upload: Upload) -> Reading:
        endpoint = self._http.endpoint
        if answer.headers.get("content-type", "").startswith("application/zip"):
            limit = self._settings.max_unpacked_bytes
            files = unpack(answer.body, _is_wanted, limit=limit, endpoint=endpoint)
            listed = next((content for name, content in files.items() if name.endswith(_LIST)), b"")
            images, version = {PurePosixPath(name).name: content for name, content in files.items()}, self.version
        else:
            result = decode(answer.body, _Result, endpoint)
            read = next(iter(result.results.values()), None)
            if read is None:
                raise UnexpectedContentError(
                    f"MinerU at {endpoint} has read a file, but hands over nothing of it.", endpoint=endpoint
                )
            listed, version = read.content_list.encode("utf-8", "replace"), result.version or self.version
            images = {name: data_of(url) for name, url in read.images.items()}
        return read_content_list(decode(listed, list[Item], endpoint), upload.sizes, images, version)


class Api3(_Form):
    """See :class:`MineruApi`. A task cannot be cancelled: what nobody asks for any more is thrown away by the server in time."""

    def submit(self, upload: Upload) -> str:
        task = decode(self._send("/tasks", upload, frozenset({200, 202})).body, _Task, self._http.endpoint).task_id
        if not task:
            raise UnexpectedContentError(
                f"MinerU at {self._http.endpoint} took a file, but names no task.", endpoint=self._http.endpoint
            )
        return task

    def poll(self, task: str, upload: Upload) -> Reading | Pending | Failed:
        answer = self._http.get(f"/tasks/{task}/result", accept=frozenset({200, 202, 409}))
        if answer.status == 202:
            return Pending(queued=decode(answer.body, _Task, self._http.endpoint).status == "pending")
        if answer.status == 409:
            return Failed(file_error(fault_in(answer.body), self._http.endpoint))
        return self._read(answer, upload)

    def cancel(self, task: str) -> None:
        """Nothing: there is no way to."""


class Api2(_Form):
    """See :class:`MineruApi`. The request lasts as long as the reading: its time limits are those of a file."""

    def submit(self, upload: Upload) -> Reading:
        answer = self._send("/file_parse", upload, frozenset({200, 500}))
        if answer.status == 500:  # in 2.x: the file could not be read
            raise file_error(fault_in(answer.body), self._http.endpoint)
        return self._read(answer, upload)

    def poll(self, task: str, upload: Upload) -> Reading | Pending | Failed:
        raise UsageError(f"MinerU 2.x has no tasks: {task!r} of {upload.path.name} cannot be asked after.")

    def cancel(self, task: str) -> None:
        """Nothing: there are no tasks."""


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return name.endswith(_LIST) or path.parent.name == _IMAGE_FOLDER

"""What the APIs of MinerU's major versions have in common, and the question which of them a server speaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from Medical_KG_rev.errors import MedicalKGError, RecordNotFoundError, UnexpectedContentError
from Medical_KG_rev.parsing.pdf.layout import PageSize
from Medical_KG_rev.parsing.pdf.mineru.answers import decode
from Medical_KG_rev.parsing.pdf.mineru.http import MineruHttp
from Medical_KG_rev.parsing.pdf.mineru.reading import Reading

__all__ = ["Failed", "MineruApi", "Pending", "Upload", "asked_version"]

UPLOAD_NAME = "paper.pdf"
"""What a file is called to the server: its own name says who reads what, and may have no ending."""


class Upload(msgspec.Struct, frozen=True):
    """A file that opens without a password, and the sizes of its pages in points."""

    path: Path
    sizes: Sequence[PageSize]


class Pending(msgspec.Struct, frozen=True):
    """A task that is not done. ``queued``: the server has not begun with it."""

    queued: bool


class Failed(msgspec.Struct, frozen=True):
    """A task that the server has ended without a reading."""

    error: MedicalKGError


class MineruApi(Protocol):
    """One server's API.

    Attributes:
        version: of the server, as it says.
        options: what else decides how it reads, for fingerprints.
    """

    version: str
    options: str

    def submit(self, upload: Upload) -> str | Reading:
        """The id of the task that reads the file; the reading itself where the API knows no tasks.

        Raises:
            RemoteError, PayloadError: by what happened.
        """
        ...

    def poll(self, task: str, upload: Upload) -> Reading | Pending | Failed:
        """What has become of a task.

        Raises:
            RecordNotFoundError: the server does not know it (any more).
            RemoteError: the question failed.
        """
        ...

    def cancel(self, task: str) -> None:
        """Ends a task, where the API can. Harmless when it has ended.

        Raises:
            RemoteError: the question failed.
        """
        ...


class _Health(msgspec.Struct):
    version: str


def asked_version(http: MineruHttp) -> tuple[Literal["4", "3", "2"], str]:
    """The major version of a server's API, and the server's version. 2.x does not say it: the one is then the other.

    Raises:
        UnexpectedContentError: the server is no MinerU.
        RemoteError: it could not be asked.
    """
    for major, path in (("4", "/v1/health"), ("3", "/health")):
        try:
            answer = http.get(path)
        except RecordNotFoundError:
            continue
        return major, decode(answer.body, _Health, http.endpoint).version  # type: ignore[return-value]
    try:
        described = b"/file_parse" in http.get("/openapi.json").body
    except RecordNotFoundError:
        described = False
    if not described:
        raise UnexpectedContentError(
            f"{http.endpoint} is no MinerU server: it has neither /v1/health nor /health nor /file_parse.",
            remedy="Correct MK_MINERU__URL; it is the address without a path.",
            endpoint=http.endpoint,
        )
    return "2", "2"

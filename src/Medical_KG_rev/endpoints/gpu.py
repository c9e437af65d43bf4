"""What can be seen of GPUs: memory and utilisation, of this machine's devices or of an endpoint's metrics page.

Unknown is None, never 0.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Mapping
from typing import Protocol

import httpx
import msgspec

__all__ = ["EndpointGpuProbe", "GpuProbe", "GpuSample", "NvmlGpuProbe"]

_MEBIBYTE = 1 << 20
_MAX_METRICS_BYTES = 8 * _MEBIBYTE


class GpuSample(msgspec.Struct, frozen=True):
    """Sums over the devices seen; ``utilisation`` and ``cache_usage`` (of an LLM server's key-value cache) are in [0, 1]."""

    source: str
    devices: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    utilisation: float | None = None
    cache_usage: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything at all could be read."""
        return any(value is not None for value in (self.memory_used_bytes, self.utilisation, self.cache_usage))


class GpuProbe(Protocol):
    """Reads the state of the GPUs that a model runs on."""

    def sample(self) -> GpuSample:
        """What can be seen now; never raises because something cannot be seen."""
        ...


class _Memory(ctypes.Structure):
    """``nvmlMemory_t`` of nvml.h: bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Utilization(ctypes.Structure):
    """``nvmlUtilization_t`` of nvml.h: percent."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class NvmlGpuProbe:
    """NVIDIA devices of this machine, through the driver's own library; without a driver everything is unknown."""

    def __init__(self, library: str = "libnvidia-ml.so.1") -> None:
        try:
            self._nvml: ctypes.CDLL | None = ctypes.CDLL(library)
        except OSError:
            self._nvml = None
            return
        if self._nvml.nvmlInit_v2() != 0:
            self._nvml = None

    def sample(self) -> GpuSample:
        handles = list(self._handles())
        if not handles:
            return GpuSample("nvml", devices=0 if self._nvml is not None else None)
        memory = [found for handle in handles if (found := self._memory(handle)) is not None]
        load = [rate for handle in handles if (rate := self._load(handle)) is not None]
        return GpuSample(
            "nvml",
            devices=len(handles),
            memory_used_bytes=sum(used for used, _ in memory) if memory else None,
            memory_total_bytes=sum(total for _, total in memory) if memory else None,
            utilisation=sum(load) / len(load) if load else None,
        )

    def _handles(self) -> Iterable[ctypes.c_void_p]:
        count = ctypes.c_uint()
        if self._nvml is None or self._nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return
        for index in range(count.value):
            handle = ctypes.c_void_p()
            if self._nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) == 0:
                yield handle

    def _memory(self, handle: ctypes.c_void_p) -> tuple[int, int] | None:
        memory = _Memory()
        if self._nvml is None or self._nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
            return None
        return int(memory.used), int(memory.total)

    def _load(self, handle: ctypes.c_void_p) -> float | None:
        rates = _Utilization()
        if self._nvml is None or self._nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates)) != 0:
            return None
        return float(rates.gpu) / 100


_METRIC = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{[^}]*\})?\s+([-+.\deE]+)(?:\s|$)", re.MULTILINE)

_USED = {"nv_gpu_memory_used_bytes": 1, "DCGM_FI_DEV_FB_USED": _MEBIBYTE}
_FREE = {"DCGM_FI_DEV_FB_FREE": _MEBIBYTE}
_TOTAL = {"nv_gpu_memory_total_bytes": 1}
_LOAD = {"nv_gpu_utilization": 1.0, "DCGM_FI_DEV_GPU_UTIL": 0.01}
_CACHE = {"vllm:kv_cache_usage_perc": 1.0, "vllm:gpu_cache_usage_perc": 1.0}


class EndpointGpuProbe:
    """A server's Prometheus page: vLLM's own cache gauge, and the device gauges of Triton and of NVIDIA's DCGM exporter."""

    def __init__(self, url: str, *, timeout_seconds: float = 2.0, client: httpx.Client | None = None) -> None:
        self._url = url
        self._client = client or httpx.Client(timeout=timeout_seconds)

    def sample(self) -> GpuSample:
        try:
            answer = self._client.get(self._url)
        except httpx.HTTPError:
            return GpuSample(self._url)
        if answer.status_code != httpx.codes.OK or len(answer.content) > _MAX_METRICS_BYTES:
            return GpuSample(self._url)
        return parse_metrics(self._url, answer.text)

    def close(self) -> None:
        self._client.close()


def parse_metrics(source: str, text: str) -> GpuSample:
    """The GPU gauges of a page in the Prometheus text format."""
    values: dict[str, list[float]] = {}
    for name, value in _METRIC.findall(text):
        try:
            values.setdefault(name, []).append(float(value))
        except ValueError:
            continue
    used, free, total = _pick(values, _USED), _pick(values, _FREE), _pick(values, _TOTAL)
    if not total and used and free:
        total = [one + other for one, other in zip(used, free, strict=False)]
    load, cache = _pick(values, _LOAD), _pick(values, _CACHE)
    return GpuSample(
        source,
        devices=len(used) or None,
        memory_used_bytes=int(sum(used)) if used else None,
        memory_total_bytes=int(sum(total)) if total else None,
        utilisation=sum(load) / len(load) if load else None,
        cache_usage=max(cache) if cache else None,
    )


def _pick(values: Mapping[str, list[float]], scales: Mapping[str, float]) -> list[float]:
    """The readings of the first gauge that is there, scaled."""
    return next(([scale * value for value in values[name]] for name, scale in scales.items() if name in values), [])

"""GPU probes: what is not seen is None."""

from __future__ import annotations

import ctypes
from typing import Any

import httpx
import pytest

from Medical_KG_rev.endpoints.gpu import EndpointGpuProbe, GpuSample, NvmlGpuProbe, parse_metrics

pytestmark = pytest.mark.unit

TRITON = """# HELP nv_gpu_utilization GPU utilization rate [0.0 - 1.0)
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
nv_gpu_utilization{gpu_uuid="GPU-2"} 0.25
nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 8e9
nv_gpu_memory_total_bytes{gpu_uuid="GPU-2"} 8e9
nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 1e9
nv_gpu_memory_used_bytes{gpu_uuid="GPU-2"} 2e9
"""
DCGM = 'DCGM_FI_DEV_FB_USED{gpu="0"} 100\nDCGM_FI_DEV_FB_FREE{gpu="0"} 300\nDCGM_FI_DEV_GPU_UTIL{gpu="0"} 40\n'


def test_triton_gauges_are_summed_over_devices() -> None:
    assert parse_metrics("page", TRITON) == GpuSample(
        "page", devices=2, memory_used_bytes=3 * 10**9, memory_total_bytes=16 * 10**9, utilisation=0.375
    )


def test_dcgm_gauges_are_in_mebibytes_and_percent() -> None:
    assert parse_metrics("page", DCGM) == GpuSample(
        "page", devices=1, memory_used_bytes=100 << 20, memory_total_bytes=400 << 20, utilisation=0.4
    )


def test_a_vllm_page_tells_its_cache_and_nothing_of_devices() -> None:
    sample = parse_metrics(
        "page", 'vllm:kv_cache_usage_perc{model_name="m"} 0.125\nvllm:num_requests_running{model_name="m"} 1.0\n'
    )
    assert sample == GpuSample("page", cache_usage=0.125)
    assert sample.is_known


@pytest.mark.parametrize("text", ["", "not a page", "DCGM_FI_DEV_GPU_UTIL{} NaN?\n", "DCGM_FI_DEV_FB_USED --\n", "<html></html>"])
def test_what_is_not_there_is_none(text: str) -> None:
    sample = parse_metrics("page", text)
    assert sample == GpuSample("page")
    assert not sample.is_known


@pytest.mark.parametrize(
    "answer",
    [httpx.ConnectError("refused"), httpx.Response(500), httpx.Response(200, content=b" " * (9 << 20)), httpx.Response(404)],
)
def test_an_endpoint_that_does_not_tell_is_unknown(remote_router: Any, answer: Any) -> None:
    remote_router.get("http://localhost:8000/metrics").mock(side_effect=[answer])
    probe = EndpointGpuProbe("http://localhost:8000/metrics")
    assert probe.sample() == GpuSample("http://localhost:8000/metrics")
    probe.close()


def test_a_machine_without_the_driver_is_unknown() -> None:
    assert NvmlGpuProbe("no-such-library.so").sample() == GpuSample("nvml")


class Driver:
    """The four calls of NVML that are used, for two devices of which one does not tell its load."""

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:  # noqa: N802
        handle._obj.value = index.value + 1
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: ctypes.c_void_p, memory: Any) -> int:  # noqa: N802
        memory._obj.total, memory._obj.used = 1000, 100 * (handle.value or 0)
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: ctypes.c_void_p, rates: Any) -> int:  # noqa: N802
        if handle.value == 2:
            return 3
        rates._obj.gpu = 80
        return 0


def test_nvml_sums_devices_and_leaves_out_what_they_do_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    assert NvmlGpuProbe().sample() == GpuSample(
        "nvml", devices=2, memory_used_bytes=300, memory_total_bytes=2000, utilisation=0.8
    )

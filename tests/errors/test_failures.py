"""Faults of GPUs are known by what the libraries say; reasons and marks are the documented ones."""

from __future__ import annotations

import pytest

from Medical_KG_rev.errors import (
    GpuNotAvailableError,
    GpuOutOfMemoryError,
    LedgerUnavailableError,
    MedicalKGError,
    RemoteUnavailableError,
    RetriesExhaustedError,
    StoreUnavailableError,
)
from Medical_KG_rev.failures import event_reason, failure_mark, name_gpu_fault, recognise_gpu_fault

pytestmark = pytest.mark.unit

NO_MEMORY = {
    "torch": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB",
    "torch 1": "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB",
    "torch kernel": "RuntimeError: CUDA error: out of memory",
    "torch on ROCm": "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 16.00 GiB. GPU 0 has a total capacity",
    "HIP": "HIP driver error 'hipErrorOutOfMemory'",
    "HIP, TensorFlow": "failed to allocate 890.06M (933298432 bytes) from device: HIP_ERROR_OutOfMemory",
    "driver": 'DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")',
    "runtime": "cudaErrorMemoryAllocation",
    "ONNX Runtime": "onnxruntime::CudaCall CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; expr=cudaStreamCreate",
    "cuBLAS": "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&cublas_handle_);",
    "TensorRT": "Cuda Error in allocate: 2 (out of memory)",
    "llama.cpp": "ggml_backend_cuda: allocating 4096.00 MiB on device 0: cudaMalloc failed: out of memory",
}
NO_DEVICE = {
    "vLLM": "CUDA device not available",
    "vLLM at start": "RuntimeError: Failed to infer device type",
    "torch": "RuntimeError: No CUDA GPUs are available",
    "torch on ROCm": "RuntimeError: No HIP GPUs are available",
    "torch without": "AssertionError: Torch not compiled with CUDA enabled",
    "torch, no driver": "RuntimeError: Found no NVIDIA driver on your system.",
    "driver": 'DriverError(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")',
    "ONNX Runtime": "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; expr=cudaGetDeviceCount(&num_devices);",
    "ONNX Runtime, old driver": "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version",
    "ROCm": "RuntimeError: Unexpected error: no ROCm-capable device is detected",
    "HIP": "hipErrorNoDevice",
}
OTHER = [
    "out of memory",
    "MemoryError",
    "The model is not available",
    "CUDA error: an illegal memory access was encountered",
    "No documents are available",
    "Input is too long: 9000 tokens, at most 8192",
    "",
]


@pytest.mark.parametrize("text", NO_MEMORY.values(), ids=NO_MEMORY)
def test_full_memory_is_recognised(text: str) -> None:
    for status in (None, 424, 500, 503):
        assert recognise_gpu_fault(text, status) is GpuOutOfMemoryError
        assert recognise_gpu_fault(f'{{"error": "{text.upper()}"}}', status) is GpuOutOfMemoryError


@pytest.mark.parametrize("text", NO_DEVICE.values(), ids=NO_DEVICE)
def test_a_missing_device_is_recognised(text: str) -> None:
    for status in (None, 424, 500, 503):
        assert recognise_gpu_fault(text, status) is GpuNotAvailableError


@pytest.mark.parametrize("text", OTHER)
def test_other_messages_report_no_fault_of_a_gpu(text: str) -> None:
    assert recognise_gpu_fault(text, 500) is None


@pytest.mark.parametrize("status", [400, 401, 413, 422, 429])
def test_a_rejected_request_that_quotes_a_text_about_gpus_is_no_fault(status: int) -> None:
    assert recognise_gpu_fault("cannot embed 'The study saw CUDA out of memory; no CUDA GPUs are available'", status) is None


def test_a_full_arena_counts_where_a_server_says_it() -> None:
    """ONNX Runtime says the same on a CPU: in this process it is no GPU's fault."""
    said = "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 939524096"
    assert recognise_gpu_fault(said, 500) is GpuOutOfMemoryError
    assert recognise_gpu_fault(said) is None


class OutOfMemoryError(RuntimeError):
    """As PyTorch's, which is a RuntimeError too."""


OutOfMemoryError.__module__ = "torch"


class Fail(Exception):  # noqa: N818 - its name there
    """As ONNX Runtime's, which is a bare Exception."""


Fail.__module__ = "onnxruntime.capi.onnxruntime_pybind11_state"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OutOfMemoryError("Tried to allocate 2.00 GiB"), GpuOutOfMemoryError),
        (RuntimeError(NO_MEMORY["torch kernel"]), GpuOutOfMemoryError),
        (Fail(NO_MEMORY["ONNX Runtime"]), GpuOutOfMemoryError),
        (Fail(NO_DEVICE["ONNX Runtime"]), GpuNotAvailableError),
        (AssertionError("Torch not compiled with CUDA enabled"), GpuNotAvailableError),
        (RuntimeError("The parser is confused"), type(None)),
        (MemoryError(), type(None)),
        (ValueError("cannot read 'CUDA out of memory'"), type(None)),
        (RemoteUnavailableError("503: no CUDA-capable device"), type(None)),
    ],
)
def test_a_librarys_fault_of_a_gpu_is_named(error: Exception, kind: type[BaseException]) -> None:
    named = name_gpu_fault(error)
    assert type(named) is kind
    assert named is None or str(error) in named.message


def test_o8_r4_the_reason_of_a_missing_gpu_is_no_gpu() -> None:
    assert event_reason(GpuNotAvailableError("none")) == "no_gpu"


def test_r8_a_named_store_is_in_the_reason_when_the_attempts_are_used_up_too() -> None:
    lost = StoreUnavailableError("503", store="opensearch")
    assert event_reason(lost) == "opensearch_unavailable"
    used_up = RetriesExhaustedError("3 attempts failed", last_code=lost.code)
    assert event_reason(used_up) == "store_unavailable"
    used_up.__cause__ = lost
    assert event_reason(used_up) == "opensearch_unavailable"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreUnavailableError("locked"), "store_unavailable"),
        (LedgerUnavailableError("down"), "ledger_unavailable"),
        (RemoteUnavailableError("502"), "remote_unavailable"),
        (RetriesExhaustedError("4 attempts failed"), "retries_exhausted"),
        (MedicalKGError("failed"), "error"),
        (KeyError("x"), "unexpected_error"),
    ],
)
def test_any_other_reason_is_the_code(error: BaseException, reason: str) -> None:
    assert event_reason(error) == reason


@pytest.mark.parametrize(
    ("stage_type", "code", "mark"),
    [
        ("embed", "gpu_unavailable", "embed_failed_no_gpu"),
        ("extract", "gpu_unavailable", "gpu_unavailable"),
        ("embed", "gpu_out_of_memory", "embed_failed"),
        ("parse", "identifier_missing", "parse_failed"),
        ("ir_validation", "document_invalid", "parse_failed"),
        ("index", "retries_exhausted", "index_failed"),
        ("download", "retries_exhausted", "pdf_download_failed"),
        ("kg", "graph_constraint_broken", "kg_failed"),
        ("ingest", "record_not_found", "ingest_failed"),
    ],
)
def test_failure_marks(stage_type: str, code: str, mark: str) -> None:
    assert failure_mark(stage_type, code) == mark

"""What a failure is called where its class does not say it: a fault of a GPU, the reason of an event, the mark of a job."""

from __future__ import annotations

import re

from Medical_KG_rev.error_reference import facts_of
from Medical_KG_rev.errors import (
    GpuNotAvailableError,
    GpuOutOfMemoryError,
    MedicalKGError,
    RetriesExhaustedError,
    StoreUnavailableError,
)

__all__ = ["UNEXPECTED", "event_reason", "failure_mark", "name_gpu_fault", "recognise_gpu_fault"]

UNEXPECTED = "unexpected_error"
"""Code and reason of what is no error of this project: a defect."""

_MARKS = {"parse": "parse_failed", "ir_validation": "parse_failed", "download": "pdf_download_failed"}
_SERVER_ERROR = 500
_FAILED_DEPENDENCY = 424

_NO_MEMORY = re.compile(
    r"""
      \b(?:cuda|hip|rocm|gpu)\w*\b [^\n]{0,60} \bout\ of\ memory       # PyTorch, ONNX Runtime, llama.cpp, TensorRT
    | \b(?:cuda|hip)_?error_?(?:out_?of_?memory|memory_?allocation)     # CUDA_ERROR_OUT_OF_MEMORY, hipErrorOutOfMemory
    | \b(?:cu|hip|roc)\w+_status_alloc_failed                           # CUBLAS_STATUS_ALLOC_FAILED
    | \btorch\.(?:cuda\.)?outofmemoryerror
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NO_DEVICE = re.compile(
    r"""
      \bno\ (?:cuda|rocm|hip)-capable\ device
    | \bno\ (?:cuda|hip|rocm)\ (?:gpus?|devices?)\ (?:are|is)\ (?:available|detected|found)
    | \b(?:cuda|hip|rocm|gpu)(?:\ device)?(?:\ is)?\ (?:not\ (?:available|found)|unavailable)
    | \b(?:cuda|hip)_?error_?no_?device
    | \bcuda\ driver\ version\ is\ insufficient
    | \bfound\ no\ nvidia\ driver
    | \bnot\ compiled\ with\ (?:cuda|rocm|hip)\ enabled
    | \bfailed\ to\ infer\ device\ type                                 # vLLM
    """,
    re.IGNORECASE | re.VERBOSE,
)
_GPU_LIBRARIES = frozenset({"cupy", "jaxlib", "onnxruntime", "torch"})
# ONNX Runtime's arena says this of any device, so that it counts only where a GPU server says it.
_ARENA_FULL = re.compile(r"failed to allocate memory for requested buffer of size", re.IGNORECASE)


def recognise_gpu_fault(text: str, status: int | None = None) -> type[GpuNotAvailableError | GpuOutOfMemoryError] | None:
    """Which fault of a GPU a message reports, in the words of CUDA, HIP/ROCm, PyTorch, ONNX Runtime and their servers.

    Args:
        text: a message, or the body of an answer.
        status: the answer's HTTP status; None for the message of a library in this process. Answers that reject a request
            may quote it, and then only repeat what a document says: they report no fault.
    """
    if status is not None and status < _SERVER_ERROR and status != _FAILED_DEPENDENCY:
        return None
    if _NO_MEMORY.search(text) or (status is not None and _ARENA_FULL.search(text)):
        return GpuOutOfMemoryError
    return GpuNotAvailableError if _NO_DEVICE.search(text) else None


def name_gpu_fault(error: BaseException) -> MedicalKGError | None:
    """The error for what a library in this process says of its GPU; None where it says something else.

    Errors that complain of a value are left out: they may quote what a document says.
    """
    kind = type(error)
    if not isinstance(error, (RuntimeError, AssertionError)) and kind.__module__.partition(".")[0] not in _GPU_LIBRARIES:
        return None
    fault = recognise_gpu_fault(f"{kind.__module__}.{kind.__qualname__}: {error}")
    if fault is GpuOutOfMemoryError:
        return GpuOutOfMemoryError(f"The GPU is out of memory: {error}", remedy="Make the slices smaller: MK_BATCH__EMBED_SLICE.")
    if fault is GpuNotAvailableError:
        return GpuNotAvailableError(f"There is no GPU: {error}", remedy="Run where there is one, or choose a model for CPUs.")
    return None


def event_reason(error: BaseException) -> str:
    """The ``reason`` of the event that reports an error: ``no_gpu``, ``opensearch_unavailable``, else the error's code.

    Where all attempts of a request were used up, it is the reason of the last one.
    """
    if not isinstance(error, MedicalKGError):
        return UNEXPECTED
    if isinstance(error, RetriesExhaustedError):
        return event_reason(error.__cause__) if error.__cause__ is not None else error.last_code or error.code
    if isinstance(error, StoreUnavailableError) and error.store:
        return f"{error.store}_unavailable"
    return facts_of(type(error)).reason or error.code


def failure_mark(stage_type: str, error_code: str) -> str:
    """The mark of a job that failed in a stage: ``parse_failed``, ``index_failed``, ``embed_failed_no_gpu`` and so on.

    Args:
        stage_type: the type of the stage, as in a pipeline's file.
        error_code: the code of the error.
    """
    if error_code == GpuNotAvailableError.code:
        return "embed_failed_no_gpu" if stage_type == "embed" else error_code
    return _MARKS.get(stage_type, f"{stage_type}_failed")

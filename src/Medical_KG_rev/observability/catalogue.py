"""Every metric that there is: one table that the code, the reference page, dashboards and alerts share.

A label takes only the values of its bounded set; anything else is counted under ``other``, so that no input can make series
without end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from Medical_KG_rev.errors import MedicalKGError

__all__ = ["CATALOGUE", "MAX_NAMES", "OTHER", "Kind", "Label", "Metric"]

OTHER = "other"
"""Stands for every label value outside its set."""
MAX_NAMES = 100
"""So many names of the configuration a label takes; later ones are ``other``."""

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds, from a document of a micro-batch to the longest timeout of a policy."""
WAITING_BUCKETS = (*DURATION_BUCKETS, 1800.0, 3600.0, 14_400.0, 86_400.0)
"""Seconds, for what includes time in a queue or at a gate: hours, under load."""


class Kind(StrEnum):
    """How a metric moves: up only, both ways, or as a distribution."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its bounded set: ``values``, described by ``meaning`` where they are many.

    ``configured`` says which names of the configuration are added to them.
    """

    name: str
    values: tuple[str, ...] = ()
    meaning: str = ""
    configured: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the catalogue. ``owner`` is the module that reports it; ``buckets`` are upper bounds in seconds."""

    name: str
    kind: Kind
    help: str
    owner: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()


def _error_codes() -> tuple[str, ...]:
    """The codes of the error tree, and the one for errors outside it."""
    codes, pending = {"unexpected_error"}, [MedicalKGError]
    while pending:
        kind = pending.pop()
        codes.add(kind.code)
        pending.extend(kind.__subclasses__())
    return tuple(sorted(codes))


_STAGE = Label(
    "stage",
    ("ingest", "download", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"),
    configured="stage names of the pipelines",
)
_PIPELINE = Label("pipeline", configured="pipeline names")
_GATE = Label("gate", configured="gate names of the pipelines")
_SENSOR = Label("sensor", configured="sensor names")
_JOB_STATUSES = ("queued", "leased", "running", "stuck", "waiting_at_gate", "completed", "failed", "cancelled", "dead")

JOB_DURATION = Metric(
    "dagster_job_duration_seconds",
    Kind.HISTOGRAM,
    "From a job's submission to its end, without the time at a gate. Counted by the process that ends it: a worker's page has "
    "no jobs that a command cancelled in the queue.",
    "orchestration",
    (_PIPELINE, Label("status", ("completed", "unchanged", "failed", "cancelled", "dead"))),
    WAITING_BUCKETS,
)
JOB_ACTIVE = Metric(
    "dagster_job_active",
    Kind.GAUGE,
    "Jobs that are being run now.",
    "orchestration.stages.runner",
    (_PIPELINE,),
)
GATE_WAIT = Metric(
    "dagster_gate_wait_seconds",
    Kind.HISTOGRAM,
    "Time of a job at a gate, which its duration leaves out.",
    "orchestration.gate_ticks",
    (_PIPELINE, _GATE),
    WAITING_BUCKETS,
)
GATE_WAITING = Metric(
    "medkg_gate_waiting_jobs",
    Kind.GAUGE,
    "Jobs that wait at a gate.",
    "orchestration.ledger",
    (_PIPELINE, _GATE),
)
PDF_QUEUE = Metric(
    "medkg_pdf_queue",
    Kind.GAUGE,
    "PDFs that wait for an engine (queued), and those that one is reading (leased).",
    "orchestration.ledger",
    (Label("state", ("queued", "leased")),),
)
_ENGINE = Label("engine", ("local", "mineru"))
PDF_READ = Metric(
    "medkg_pdf_read_duration_seconds",
    Kind.HISTOGRAM,
    "Time in which an engine read a PDF, or gave it up; retrying: it will be tried again, lost: its lease ran out.",
    "pdf_reading",
    (_ENGINE, Label("status", ("completed", "failed", "retrying", "lost"))),
    DURATION_BUCKETS,
)
PDF_PAGES = Metric("medkg_pdf_pages_total", Kind.COUNTER, "Pages that engines have read.", "pdf_reading", (_ENGINE,))
PDF_QUEUE_LAG = Metric(
    "medkg_pdf_queue_lag_seconds",
    Kind.GAUGE,
    "Age of the oldest PDF that waits for an engine; 0 when none does.",
    "orchestration.ledger",
)
STAGE_DURATION = Metric(
    "dagster_stage_duration_seconds",
    Kind.HISTOGRAM,
    "Time of one document in a stage: its own, or its share of a micro-batch.",
    "orchestration.stages.journal",
    (_STAGE, Label("status", ("completed", "skipped", "failed"))),
    DURATION_BUCKETS,
)
RETRY_ATTEMPTS = Metric(
    "dagster_retry_attempts_total",
    Kind.COUNTER,
    "Attempts beyond the first, by the code of the error that caused them.",
    "orchestration.resilience.caller",
    (_STAGE, Label("reason", _error_codes(), meaning="code of the error")),
)
BREAKER_STATE = Metric(
    "dagster_circuit_breaker_state",
    Kind.GAUGE,
    "1 for the state that the stage's breaker is in, 0 for the others.",
    "orchestration.resilience.breaker",
    (_STAGE, Label("state", ("closed", "open", "half_open"))),
)
RATE_LIMIT_WAIT = Metric(
    "dagster_rate_limit_wait_seconds",
    Kind.HISTOGRAM,
    "Time that an attempt waited for its policy's rate limit.",
    "orchestration.resilience.limiter",
    (_STAGE,),
    DURATION_BUCKETS,
)
SENSOR_LAST_TICK = Metric(
    "dagster_sensor_last_tick_timestamp_seconds",
    Kind.GAUGE,
    "When the sensor last looked, in seconds since the epoch.",
    "orchestration.dagster.ticks",
    (_SENSOR,),
)
SENSOR_TICKS = Metric(
    "dagster_sensor_ticks_total",
    Kind.COUNTER,
    "How often the sensor has looked since the worker that reports it began.",
    "orchestration.dagster.ticks",
    (_SENSOR,),
)
SENSOR_TRIGGERS = Metric(
    "dagster_sensor_triggers_total",
    Kind.COUNTER,
    "Runs that the sensor has asked for since the worker that reports it began.",
    "orchestration.dagster.ticks",
    (_SENSOR,),
)
_PROBE = Label("probe", ("nvml", "endpoint", "sparse_endpoint"))
GPU_MEMORY = Metric(
    "medkg_gpu_memory_used_bytes",
    Kind.GAUGE,
    "GPU memory in use, over the devices seen. Absent where it cannot be seen.",
    "orchestration.stages.runner",
    (_PROBE,),
)
GPU_UTILISATION = Metric(
    "medkg_gpu_utilisation_ratio",
    Kind.GAUGE,
    "How busy the GPUs are, from 0 to 1. Absent where it cannot be seen.",
    "orchestration.stages.runner",
    (_PROBE,),
)
LLM_TOKENS = Metric(
    "medkg_llm_tokens_total",
    Kind.COUNTER,
    "Tokens that a language model was sent and wrote; answers that were kept from before cost none.",
    "parts.extraction",
    (Label("kind", ("prompt", "completion")),),
)
LLM_COST = Metric(
    "medkg_llm_cost_total",
    Kind.COUNTER,
    "What those tokens cost at the configured prices.",
    "parts.extraction",
)
LLM_CLAIMS = Metric(
    "medkg_llm_claims_total",
    Kind.COUNTER,
    "Statements of a language model: kept, because the text bears them out, or refused.",
    "parts.extraction",
    (Label("outcome", ("kept", "refused")),),
)
LEDGER_JOBS = Metric(
    "medkg_ledger_jobs",
    Kind.GAUGE,
    "Jobs in the ledger, by status.",
    "orchestration.ledger",
    (Label("status", _JOB_STATUSES),),
)
LEDGER_LEASES = Metric(
    "medkg_ledger_leases",
    Kind.GAUGE,
    "Leases on batches: held, or expired and not yet taken back.",
    "orchestration.ledger",
    (Label("state", ("held", "expired")),),
)
DEAD_LETTERS = Metric(
    "medkg_dead_letters",
    Kind.GAUGE,
    "Dead letters that wait for a person.",
    "orchestration.ledger",
)
OUTBOX_ROWS = Metric(
    "medkg_outbox_rows",
    Kind.GAUGE,
    "Rows of events that are not published yet.",
    "orchestration.events",
)
OUTBOX_LAG = Metric(
    "medkg_outbox_lag_seconds",
    Kind.GAUGE,
    "Age of the oldest event that is not published yet; 0 when there is none.",
    "orchestration.events",
)

CATALOGUE: tuple[Metric, ...] = (
    JOB_DURATION,
    JOB_ACTIVE,
    GATE_WAIT,
    GATE_WAITING,
    PDF_QUEUE,
    PDF_READ,
    PDF_PAGES,
    PDF_QUEUE_LAG,
    STAGE_DURATION,
    RETRY_ATTEMPTS,
    BREAKER_STATE,
    RATE_LIMIT_WAIT,
    SENSOR_LAST_TICK,
    SENSOR_TICKS,
    SENSOR_TRIGGERS,
    GPU_MEMORY,
    GPU_UTILISATION,
    LLM_TOKENS,
    LLM_COST,
    LLM_CLAIMS,
    LEDGER_JOBS,
    LEDGER_LEASES,
    DEAD_LETTERS,
    OUTBOX_ROWS,
    OUTBOX_LAG,
)

"""Every error of the system, as one tree.

::

    MedicalKGError
    ├── ConfigurationError                 exit code 2
    │   ├── UsageError                     a wrong argument; lists the valid ones
    │   ├── DagsterPipelineConfigError     file, line, field path, valid values
    │   └── FormatVersionError             a folder or database of another version; names the command that upgrades
    ├── PartUnavailableError               exit code 3
    │   ├── ModelNotInstalledError         names `medkg models fetch`
    │   ├── ModelCorruptError              sha256 differs
    │   ├── ServiceStartError              a local server did not start; names its log
    │   └── DagsterResourceUnavailableError
    │       ├── GpuNotAvailableError       terminal: never retried
    │       ├── StoreUnavailableError      transient: a store cannot be reached or is locked
    │       │   ├── LedgerUnavailableError     transient: the ledger's database cannot be reached
    │       │   ├── EventSinkUnavailableError  transient: Kafka or the event log takes no events
    │       │   └── IndexWriterFencedError     transient: another writer took over the index; nothing of the batch is visible
    │       ├── LedgerAccessError          terminal: the database refuses the login, or the right to write
    │       ├── StoreCorruptError          terminal: a store's file cannot be read
    │       └── StoreOutOfMemoryError      terminal: a store has too little memory for the write; smaller ones are tried
    ├── RemoteError                        a source's API or an endpoint
    │   ├── RateLimitedError               transient; ``retry_after_seconds``
    │   ├── RemoteUnavailableError         transient: 5xx, connection refused or lost
    │   ├── RemoteTimeoutError             transient
    │   ├── RetriesExhaustedError          terminal: the caller's attempts are used up
    │   ├── CircuitOpenError               terminal: a breaker refuses calls for now
    │   ├── RecordNotFoundError
    │   ├── RequestRejectedError           other 4xx
    │   ├── UnexpectedContentError         HTML for JSON, wrong shape, short or unordered answers
    │   ├── ResponseTooLargeError
    │   ├── AddressRefusedError            redirect to a private or foreign address
    │   ├── PdfDownloadError               no copy of an article could be brought; names the URL
    │   ├── NotOpenAccessError             the article is closed, or has no open PDF: a final answer
    │   ├── PdfEngineUnavailableError      transient: the server that reads PDFs is away, busy, or has lost a task
    │   └── GpuOutOfMemoryError            transient
    ├── PayloadError                       terminal: what came cannot be read
    │   ├── EmptyPayloadError
    │   ├── PayloadTooLargeError
    │   ├── PayloadUnreadableError         permissions, symlink loops, vanished files
    │   ├── MalformedPayloadError          broken JSON or XML, NUL bytes, wrong encoding
    │   ├── UnsupportedFormatError         retired or foreign formats
    │   ├── HostileContentError            entity declarations, nesting bombs
    │   ├── MissingIdentifierError
    │   ├── PdfPasswordError               encrypted, and no known password opens it
    │   ├── PdfUnreadableError             no PDF, a broken one, or one at which the reader crashes
    │   ├── PdfLimitError                  pages, page size, bytes, time or memory beyond what is allowed; ``limit``
    │   ├── PdfNeedsOcrError               every page is an image
    │   └── PdfEngineError                 the server that reads PDFs cannot read this one, and says why
    ├── InvalidDocumentError               terminal: ``reasons`` of ir_validation
    ├── StageError
    │   ├── StageContractError             a wrong signature or return value
    │   ├── EmptyOutputError               no chunks from a document that has text
    │   ├── DagsterStageTimeoutError       transient
    │   ├── DagsterGateConditionError      a gate's condition was not met in time; the job is dead
    │   ├── NothingBroughtError            a gate was opened for a job whose document is not there
    │   ├── WorkerLostError                the process that ran the stage ended; a job that keeps losing its worker is dead
    │   └── WorkerStoppedError             the worker was told to stop; the job goes back to the queue
    ├── IndexMismatchError                 model or schema differs from what the index holds
    ├── GraphConstraintError               a write that breaks a graph constraint
    ├── QueryRefusedError                  a Cypher clause outside the allow-list
    ├── StorageFullError                   no space or file size limit; what was committed is kept
    └── LedgerError
        ├── JobNotFoundError
        ├── InvalidTransitionError
        ├── LeaseLostError                 another worker has the batch: the late commit is refused
        ├── QueueSaturatedError            too many jobs wait already; exit code 3
        └── BackupError                    a backup cannot be made, or is not whole

Two mixins decide retry for the whole system: :class:`TransientError` may succeed when tried again, :class:`TerminalError`
cannot. An error that has neither is treated as terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self


class TransientError(Exception):
    """Mixin: the same call may succeed later."""


class TerminalError(Exception):
    """Mixin: the same call will fail again."""


def _rebuild(kind: type[MedicalKGError], message: str, remedy: str, subject: dict[str, Any]) -> MedicalKGError:
    return kind(message, remedy=remedy, **subject)


class MedicalKGError(Exception):
    """What happened, to what (``subject``), and what to do next (``remedy``).

    The subject's items are attributes too: ``error.doc_id``, ``error.endpoint``. ``code`` is stable: documentation, ledger
    and events use it.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "", **subject: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.subject = subject
        self.__dict__.update({name: value for name, value in subject.items() if name not in self.__dict__})

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.remedy, self.subject)

    def __getattr__(self, name: str) -> Any:
        """Subject items that this error does not carry read as None."""
        if name.startswith("__"):
            raise AttributeError(name)
        return None


class ConfigurationError(MedicalKGError, TerminalError):
    code, exit_code = "configuration_invalid", 2


class UsageError(ConfigurationError):
    code = "wrong_usage"


class DagsterPipelineConfigError(ConfigurationError):
    """An invalid topology or policy file. Subject: ``file``, ``line``, ``field``, ``valid``."""

    code = "pipeline_config_invalid"


class FormatVersionError(ConfigurationError):
    """Subject: ``path``, ``found``, ``expected``."""

    code = "format_version_mismatch"


class PartUnavailableError(MedicalKGError):
    code, exit_code = "part_unavailable", 3

    @classmethod
    def not_installed(cls, what: str, extra: str) -> Self:
        """The error where an optional library is missing; ``extra`` is the extra of this package that brings it."""
        return cls(f"{what} is not installed.", remedy=f"Install it: pip install 'medical-kg-rev[{extra}]'.", part=extra)


class ModelNotInstalledError(PartUnavailableError, TerminalError):
    code = "model_not_installed"


class ModelCorruptError(PartUnavailableError, TerminalError):
    code = "model_corrupt"


class ServiceStartError(PartUnavailableError, TerminalError):
    """Subject: ``service``, ``log``."""

    code = "service_not_started"


class DagsterResourceUnavailableError(PartUnavailableError):
    code = "resource_unavailable"


class GpuNotAvailableError(DagsterResourceUnavailableError, TerminalError):
    code = "gpu_unavailable"


class StoreUnavailableError(DagsterResourceUnavailableError, TransientError):
    code = "store_unavailable"


class LedgerUnavailableError(StoreUnavailableError):
    code = "ledger_unavailable"


class EventSinkUnavailableError(StoreUnavailableError):
    """Subject: ``sink``."""

    code = "event_sink_unavailable"


class IndexWriterFencedError(StoreUnavailableError):
    """Subject: ``path``, ``epoch``."""

    code = "index_writer_fenced"


class LedgerAccessError(DagsterResourceUnavailableError, TerminalError):
    code = "ledger_access_denied"


class StoreCorruptError(DagsterResourceUnavailableError, TerminalError):
    """Subject: ``path``."""

    code = "store_corrupt"


class StoreOutOfMemoryError(DagsterResourceUnavailableError, TerminalError):
    """Subject: ``store`` and ``endpoint``, or ``path``."""

    code = "store_out_of_memory"


class RemoteError(MedicalKGError):
    """Subject: ``source`` or ``endpoint``, ``url``, ``status``, ``body`` (the start of it)."""

    code = "remote_error"


class RateLimitedError(RemoteError, TransientError):
    """Subject: ``retry_after_seconds`` when the remote said it."""

    code = "rate_limited"


class RemoteUnavailableError(RemoteError, TransientError):
    code = "remote_unavailable"


class RemoteTimeoutError(RemoteError, TransientError):
    code = "remote_timeout"


class RetriesExhaustedError(RemoteError, TerminalError):
    """The attempts of the request's policy are used up. ``__cause__`` and ``last_code`` say what the last one met."""

    code = "retries_exhausted"


class CircuitOpenError(RemoteError, TerminalError):
    """A breaker refused the call without making it. Subject: ``policy``, ``retry_after_seconds``."""

    code = "circuit_open"


class RecordNotFoundError(RemoteError, TerminalError):
    code = "record_not_found"


class RequestRejectedError(RemoteError, TerminalError):
    code = "request_rejected"


class UnexpectedContentError(RemoteError, TerminalError):
    code = "unexpected_content"


class ResponseTooLargeError(RemoteError, TerminalError):
    code = "response_too_large"


class AddressRefusedError(RemoteError, TerminalError):
    code = "address_refused"


class PdfDownloadError(RemoteError, TerminalError):
    """No copy of an article could be brought. Subject: ``url`` of the last one, ``last_code``, ``tried`` (URLs)."""

    code = "pdf_download_failed"


class NotOpenAccessError(RemoteError, TerminalError):
    """The source says that there is no copy that anybody may read. Subject: ``source``, ``source_id``, ``reason``."""

    code = "not_open_access"


class PdfEngineUnavailableError(RemoteError, TransientError):
    """The server that reads PDFs is away, busy, or has lost a task. Subject: ``endpoint``, ``retry_after_seconds``."""

    code = "pdf_engine_unavailable"


class GpuOutOfMemoryError(RemoteError, TransientError):
    code = "gpu_out_of_memory"


class PayloadError(MedicalKGError, TerminalError):
    """Subject: ``path`` or ``source_id``."""

    code = "payload_invalid"


class EmptyPayloadError(PayloadError):
    code = "payload_empty"


class PayloadTooLargeError(PayloadError):
    code = "payload_too_large"


class PayloadUnreadableError(PayloadError):
    code = "payload_unreadable"


class MalformedPayloadError(PayloadError):
    code = "payload_malformed"


class UnsupportedFormatError(PayloadError):
    code = "format_unsupported"


class HostileContentError(PayloadError):
    code = "content_hostile"


class MissingIdentifierError(PayloadError):
    code = "identifier_missing"


class PdfPasswordError(PayloadError):
    code = "pdf_password"


class PdfUnreadableError(PayloadError):
    code = "pdf_unreadable"


class PdfLimitError(PayloadError):
    """Subject: ``limit``, the setting's name."""

    code = "pdf_limit"


class PdfNeedsOcrError(PayloadError):
    """Subject: ``doc_id``, ``pages``."""

    code = "pdf_needs_ocr"


class PdfEngineError(PayloadError):
    """The server that reads PDFs cannot read this one. Subject: ``endpoint``, ``engine_code``, ``path``."""

    code = "pdf_engine_failed"


class InvalidDocumentError(MedicalKGError, TerminalError):
    """A document that breaks the rules of the IR. Subject: ``doc_id``, ``reasons``."""

    code = "document_invalid"

    def __init__(self, message: str, *, reasons: Sequence[str] = (), remedy: str = "", **subject: Any) -> None:
        super().__init__(message, remedy=remedy, reasons=tuple(reasons), **subject)


class StageError(MedicalKGError):
    """Subject: ``stage``."""

    code = "stage_failed"


class StageContractError(StageError, TerminalError):
    """Subject: ``implementation``, ``method``, ``expected``."""

    code = "stage_contract_broken"


class EmptyOutputError(StageError, TerminalError):
    code = "output_empty"


class DagsterStageTimeoutError(StageError, TransientError):
    """Subject: ``timeout_seconds``."""

    code = "stage_timeout"


class DagsterGateConditionError(StageError, TerminalError):
    """Subject: ``job_id``, ``doc_id``, ``gate``."""

    code = "gate_not_met"


class NothingBroughtError(StageError, TerminalError):
    """Subject: ``job_id``, ``doc_id``, ``stage``, ``gate``."""

    code = "nothing_brought"


class WorkerLostError(StageError):
    """Subject: ``worker``, ``job_id``."""

    code = "worker_lost"


class WorkerStoppedError(StageError):
    """Subject: ``batch_id``."""

    code = "worker_stopped"


class IndexMismatchError(MedicalKGError, TerminalError):
    """Subject: ``expected``, ``found``."""

    code, exit_code = "index_mismatch", 2


class GraphConstraintError(MedicalKGError, TerminalError):
    """Subject: ``violations``."""

    code = "graph_constraint_broken"


class QueryRefusedError(MedicalKGError, TerminalError):
    """Subject: ``clause``, ``valid``."""

    code, exit_code = "query_refused", 2


class StorageFullError(MedicalKGError, TerminalError):
    """Subject: ``path``."""

    code = "storage_full"


class LedgerError(MedicalKGError, TerminalError):
    code = "ledger_error"


class JobNotFoundError(LedgerError):
    code, exit_code = "job_not_found", 2


class InvalidTransitionError(LedgerError):
    """Subject: ``job_id``, ``status``, ``target``, ``valid``."""

    code = "transition_invalid"


class LeaseLostError(LedgerError):
    """Subject: ``batch_id``, ``worker``, ``epoch``."""

    code = "lease_lost"


class QueueSaturatedError(LedgerError):
    """Subject: ``tenant_id``, ``waiting``, ``limit``."""

    code, exit_code = "queue_saturated", 3


class BackupError(LedgerError):
    code = "backup_failed"


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    return isinstance(error, TransientError)

"""What each error means and what follows from it: the one table behind ``docs/reference/errors.md`` and its tests.

``python -m Medical_KG_rev.error_reference docs`` writes the table of that page again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev import errors as e

__all__ = ["ERROR_FACTS", "Course", "ErrorFacts", "facts_of", "page_with_table", "retry_kind"]

PAGE = Path("reference") / "errors.md"
BEGIN = "<!-- The table is made by `make generate` from `Medical_KG_rev/error_reference.py`; change that. -->\n"
END = "<!-- end of the table -->\n"


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of a job that meets an error.

    ``ledger_state`` is the state in which the job is left, ``event`` the type of the event that says so; ``none`` where no job
    is concerned, or where it goes on as it was.
    """

    ledger_state: str
    event: str


FAILS = Course("failed", "stage.failed")
RETRIED = Course("failed", "stage.retrying")
"""Tried again under the policy; failed (``stage.failed``) when the attempts are used up."""
WAITS = Course("queued", "stage.failed")
"""No document is guilty: the attempt ends, the job goes back to the queue. Where the ledger is away, recovery writes it later."""
GOES_BACK = Course("queued", "job.retried")
"""Between two stages: no attempt was open, and the job goes back to the queue."""
DIES = Course("dead", "job.dead")
NOTHING = Course("none", "none")


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """``meaning`` and ``remedy`` are for people; ``reason`` is that of the event, where it is not the error's code."""

    meaning: str
    remedy: str
    course: Course = FAILS
    reason: str = ""


ERROR_FACTS: dict[type[e.MedicalKGError], ErrorFacts] = {
    e.MedicalKGError: ErrorFacts("the base of all", "read the message"),
    # --- configuration
    e.ConfigurationError: ErrorFacts(
        "a setting or plugin is not valid", "correct what the message names; [all settings](configuration.md)", WAITS
    ),
    e.UsageError: ErrorFacts("a wrong argument", "choose one of the valid values listed", NOTHING),
    e.DagsterPipelineConfigError: ErrorFacts(
        "a pipeline or policy file is wrong", "correct file and line named; `medkg pipelines validate FILE`", NOTHING
    ),
    e.FormatVersionError: ErrorFacts(
        "a data folder or database was written by another version", "run the command that the message names", NOTHING
    ),
    # --- parts
    e.PartUnavailableError: ErrorFacts("a part of the profile is missing", "`medkg doctor`"),
    e.ModelNotInstalledError: ErrorFacts("a model was not fetched", "`medkg models fetch`", WAITS),
    e.ModelCorruptError: ErrorFacts("a model's file is not what its sha256 says", "`medkg models fetch` again", WAITS),
    e.ServiceStartError: ErrorFacts(
        "a local server did not start", "read the log that is named; `medkg services status`", NOTHING
    ),
    e.DagsterResourceUnavailableError: ErrorFacts("something that a run needs is not there", "`medkg doctor`"),
    e.GpuNotAvailableError: ErrorFacts(
        "a GPU is required and none can be seen", "start the endpoint on a GPU, or do not require one", reason="no_gpu"
    ),
    e.StoreUnavailableError: ErrorFacts("a store cannot be reached or is locked", "wait for the other writer; retry", RETRIED),
    e.LedgerUnavailableError: ErrorFacts(
        "the ledger's database cannot be reached", "start the database; workers go on by themselves", WAITS
    ),
    e.EventSinkUnavailableError: ErrorFacts(
        "Kafka or the event log takes no events", "repair it: events wait in the outbox and are sent then", NOTHING
    ),
    e.IndexWriterFencedError: ErrorFacts(
        "another writer took over the index while this one was held up", "run the same command again", RETRIED
    ),
    e.LedgerAccessError: ErrorFacts(
        "the database refuses the login or the right to write", "correct the URL, or grant what is named", WAITS
    ),
    e.StoreCorruptError: ErrorFacts(
        "a store's file cannot be read", "move the file named away and ingest again, or `medkg restore`"
    ),
    e.StoreOutOfMemoryError: ErrorFacts(
        "a store has too little memory to write a single document; several are written in halves first",
        "give its server more memory, or do what the message says, then `medkg jobs retry`",
    ),
    # --- remote
    e.RemoteError: ErrorFacts("a source or endpoint failed", "read the message: it quotes the answer"),
    e.RateLimitedError: ErrorFacts(
        "the remote asks for restraint (429)", "nothing: it is waited for; set `MK_CONTACT_EMAIL`", RETRIED
    ),
    e.RemoteUnavailableError: ErrorFacts("5xx, or no connection", "retry later", RETRIED),
    e.RemoteTimeoutError: ErrorFacts("no answer in time", "retry later, or raise the policy's `timeout_seconds`", RETRIED),
    e.RetriesExhaustedError: ErrorFacts(
        "all attempts of the policy failed", "the message says what the last met; `medkg jobs retry` later"
    ),
    e.CircuitOpenError: ErrorFacts(
        "too many failures: calls are refused for a while", "repair the endpoint, wait, `medkg jobs retry`"
    ),
    e.RecordNotFoundError: ErrorFacts("the source or store has no such record", "check the id"),
    e.RequestRejectedError: ErrorFacts("the remote refuses the request (4xx)", "correct the query or the key"),
    e.UnexpectedContentError: ErrorFacts(
        "an answer of another kind, such as HTML for JSON", "check the base URL; a proxy may answer in its place"
    ),
    e.ResponseTooLargeError: ErrorFacts("an answer above the size limit", "raise `max_response_bytes` if it is right"),
    e.AddressRefusedError: ErrorFacts(
        "a redirect to a private or foreign address", "nothing, unless the source is yours: `allow_private_addresses`"
    ),
    e.PdfDownloadError: ErrorFacts(
        "no copy of an article could be brought", "the message names each URL and what it met; `medkg jobs retry` later"
    ),
    e.NotOpenAccessError: ErrorFacts("the article is closed, or has no open PDF", "nothing: the message says why"),
    e.PdfEngineUnavailableError: ErrorFacts(
        "the server that reads PDFs is away, busy, or has lost a task", "nothing: it is tried again; `medkg doctor`", RETRIED
    ),
    e.GpuOutOfMemoryError: ErrorFacts("the endpoint's GPU is full", "smaller `request_size`, or more memory", RETRIED),
    # --- payloads
    e.PayloadError: ErrorFacts("what came cannot be read", "look at the record named"),
    e.EmptyPayloadError: ErrorFacts("an empty file or record", "remove or replace it"),
    e.PayloadTooLargeError: ErrorFacts("a file above the size limit", "split it, or raise `MK_ADAPTERS__MAX_FILE_BYTES`"),
    e.PayloadUnreadableError: ErrorFacts("no permission, a symlink loop, a vanished file", "correct the path or its permissions"),
    e.MalformedPayloadError: ErrorFacts(
        "broken JSON or XML, NUL bytes, a wrong encoding", "fetch the file again; the message says where it breaks"
    ),
    e.UnsupportedFormatError: ErrorFacts("a retired or foreign format", "convert it; the message lists what is read"),
    e.HostileContentError: ErrorFacts(
        "entity declarations or nesting bombs", "do not trust the file; remove the declarations if you do"
    ),
    e.MissingIdentifierError: ErrorFacts("a record without an id", "give it one"),
    e.PdfPasswordError: ErrorFacts("a PDF is encrypted", "name its password in `MK_PDF__PASSWORDS`, or take another copy"),
    e.PdfUnreadableError: ErrorFacts(
        "no PDF, or one so broken that it cannot be read", "fetch it again, or take another copy: the message says what it is"
    ),
    e.PdfLimitError: ErrorFacts(
        "a PDF with more pages or bytes, or that needs more time or memory, than is allowed",
        "raise the setting that is named, if the file is right",
    ),
    e.PdfNeedsOcrError: ErrorFacts(
        "a PDF that holds only images of pages", "install the extra `ocr`, set `MK_PDF__OCR=rapidocr`"
    ),
    e.PdfEngineError: ErrorFacts(
        "the server that reads PDFs cannot read this one", "read the message: it quotes the server; or `MK_PDF__ENGINE=local`"
    ),
    e.InvalidDocumentError: ErrorFacts(
        "a document breaks the rules of the data model", "the reasons say which; a defect of its parser, or of the record"
    ),
    # --- stages
    e.StageError: ErrorFacts("a stage or run failed", "`medkg jobs show JOB`, `medkg ui`"),
    e.StageContractError: ErrorFacts(
        "an implementation has a wrong signature or result", "correct it; the conformance kit finds it before"
    ),
    e.EmptyOutputError: ErrorFacts(
        "nothing was made from a document that has text", "look at the document's text and the settings of chunking"
    ),
    e.DagsterStageTimeoutError: ErrorFacts(
        "a call took longer than its policy allows", "retry; raise the policy's `timeout_seconds`", RETRIED
    ),
    e.DagsterGateConditionError: ErrorFacts(
        "a gate's condition was not met in time", "`medkg gates explain JOB`; then `medkg jobs retry JOB`", DIES
    ),
    e.NothingBroughtError: ErrorFacts(
        "a gate was opened for a job whose document is not there", "`medkg jobs retry JOB --from` a stage before the gate"
    ),
    e.WorkerLostError: ErrorFacts(
        "the process that ran the stage ended",
        "none at first: the job is run again, and is dead when it keeps losing workers",
        WAITS,
    ),
    e.WorkerStoppedError: ErrorFacts(
        "the worker was told to stop while the batch was under way", "none: the job is run by the next worker", GOES_BACK
    ),
    # --- stores
    e.IndexMismatchError: ErrorFacts(
        "the index was made with another model or schema", "use its model, or another data folder", WAITS
    ),
    e.GraphConstraintError: ErrorFacts("a write would break the graph", "correct the stage that made the claims"),
    e.QueryRefusedError: ErrorFacts(
        "a query that does not only read, or took too long", "stay within the clauses listed", NOTHING
    ),
    e.StorageFullError: ErrorFacts(
        "no space, or a file size limit", "make room, give the command again: what was committed is kept", WAITS
    ),
    # --- ledger
    e.LedgerError: ErrorFacts("the ledger cannot do that", "read the message", NOTHING),
    e.JobNotFoundError: ErrorFacts("no such job of this tenant", "`medkg jobs list`", NOTHING),
    e.InvalidTransitionError: ErrorFacts(
        "a job cannot go to that state", "`medkg jobs show JOB`: another process may have it", NOTHING
    ),
    e.LeaseLostError: ErrorFacts(
        "another worker has the batch: a late result is refused", "none: the other worker brings it to its end", NOTHING
    ),
    e.QueueSaturatedError: ErrorFacts(
        "too many jobs wait already: nothing was submitted", "start workers, or submit again later", NOTHING
    ),
    e.BackupError: ErrorFacts("a backup cannot be made, or is not whole", "make it again; use another for a restore", NOTHING),
}
"""In the order of the tree. The order is that of the page; a test compares the keys with the tree."""


def facts_of(kind: type[e.MedicalKGError]) -> ErrorFacts:
    """The facts of an error's class; of its nearest relative for a class of an extension."""
    return next(ERROR_FACTS[base] for base in kind.__mro__ if base in ERROR_FACTS)


def retry_kind(kind: type[e.MedicalKGError]) -> str:
    """``transient`` (the same call may succeed later) or ``terminal``."""
    return "transient" if issubclass(kind, e.TransientError) else "terminal"


def error_table() -> str:
    """The table of all errors, as Markdown."""
    lines = [
        "| class | code | meaning | kind | ledger state | event | reason | exit code | remedy |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, facts in ERROR_FACTS.items():
        reason = "" if facts.course.event == "none" else f"`{facts.reason or kind.code}`"
        cells = (
            f"`{kind.__name__}`", f"`{kind.code}`", facts.meaning, retry_kind(kind), facts.course.ledger_state,
            f"`{facts.course.event}`" if reason else "none", reason, str(kind.exit_code), facts.remedy,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page_with_table(page: str) -> str:
    """The page with its table as it is now; the words around it stay."""
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{PAGE} has lost the comments around its table: {BEGIN.strip()} … {END.strip()}")
    return f"{before}{BEGIN}\n{error_table()}\n{END}{after}"


if __name__ == "__main__":
    target = Path(sys.argv[1]) / PAGE
    target.write_text(page_with_table(target.read_text(encoding="utf-8")), encoding="utf-8")

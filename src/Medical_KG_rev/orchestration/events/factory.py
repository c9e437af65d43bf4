"""The one place where events are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from Medical_KG_rev.orchestration.events.model import Event, EventSubject

LEDGER_SOURCE = "orchestration/ledger"
CONFIG_SOURCE = "orchestration/config"
MAX_MESSAGE_CHARACTERS = 2000


def _as_it_is(text: str) -> str:
    return text


class CloudEventFactory:
    """Makes events out of what their callers know. No I/O; the same arguments give the same event.

    Ids are derived from what happened, so that a repeated write is recognised. ``attempt`` counts the ledger's attempts of a
    stage from 1. ``occurrence`` tells events of one kind about the same job or batch apart: how often the job was queued
    so far, or the epoch of the batch's lease. ``time`` is in seconds since the epoch; without it the clock is asked.

    Args:
        clock: seconds since the epoch (UTC).
        scrub: takes secrets out of error messages.
    """

    def __init__(self, clock: Callable[[], float], *, scrub: Callable[[str], str] = _as_it_is) -> None:
        self._clock = clock
        self._scrub = scrub

    # --- stages: one pair per execution of a stage for a document ---------------------------------------------------------

    def stage_started(self, subject: EventSubject, stage: str, *, attempt: int, time: float | None = None) -> Event:
        """A stage begins work on a document."""
        at = self._clock() if time is None else time
        data = {"stage": stage, "doc_id": subject.doc_id, "time": iso_time(at), "attempt": attempt}
        return _stage_event(subject, "stage.started", stage, f"{attempt}/started", at, data)

    def stage_completed(
        self,
        subject: EventSubject,
        stage: str,
        *,
        attempt: int,
        duration_ms: float,
        output_count: int | None,
        gpu_used: bool = False,
        retry_count: int = 0,
        skipped: bool = False,
        time: float | None = None,
    ) -> Event:
        """A stage is done with a document; ``skipped``: its artifact was there already."""
        data = {
            "stage": stage,
            "attempt": attempt,
            "duration_ms": round(duration_ms, 3),
            "output_count": output_count,
            "gpu_used": gpu_used,
            "retry_count": retry_count,
            "skipped": skipped,
        }
        return _stage_event(subject, "stage.completed", stage, f"{attempt}/completed", self._at(time), data)

    def stage_failed(
        self,
        subject: EventSubject,
        stage: str,
        *,
        attempt: int,
        code: str,
        message: str,
        retry_count: int = 0,
        reason: str = "error",
        time: float | None = None,
    ) -> Event:
        """A stage gave up on a document. ``code`` is the error's; ``reason``: why, such as ``timeout`` or ``worker_lost``."""
        data = {
            "stage": stage,
            "attempt": attempt,
            "code": code,
            "message": self._message(message),
            "retry_count": retry_count,
            "reason": reason,
        }
        return _stage_event(subject, "stage.failed", stage, f"{attempt}/failed", self._at(time), data)

    def stage_retrying(
        self,
        subject: EventSubject,
        stage: str,
        *,
        attempt: int,
        attempt_number: int,
        backoff_ms: float,
        reason: str,
        time: float | None = None,
    ) -> Event:
        """Try ``attempt_number`` (from 1) of a stage's attempt failed; another follows after ``backoff_ms``."""
        data = {
            "stage": stage,
            "attempt": attempt,
            "attempt_number": attempt_number,
            "backoff_ms": round(backoff_ms, 3),
            "reason": reason,
        }
        occurrence = f"{attempt}/retrying/{attempt_number}"
        return _stage_event(subject, "stage.retrying", stage, occurrence, self._at(time), data)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def job_queued(
        self,
        subject: EventSubject,
        *,
        pipeline_name: str,
        pipeline_version: str,
        priority: str = "normal",
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A job waits for a worker."""
        data = {"pipeline_name": pipeline_name, "pipeline_version": pipeline_version, "priority": priority}
        return self._job(subject, "job.queued", occurrence, time, data)

    def job_completed(
        self,
        subject: EventSubject,
        *,
        duration_ms: float,
        chunks: int = 0,
        entities: int = 0,
        claims: int = 0,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A document went through all its stages. ``duration_ms`` counts from submission."""
        data = {"duration_ms": round(duration_ms, 3), "chunks": chunks, "entities": entities, "claims": claims}
        return self._job(subject, "job.completed", occurrence, time, data)

    def job_unchanged(
        self, subject: EventSubject, *, duration_ms: float, occurrence: int = 1, time: float | None = None
    ) -> Event:
        """A job ended, in place of ``job.completed``, because its document was live already just as it is."""
        return self._job(subject, "job.unchanged", occurrence, time, {"duration_ms": round(duration_ms, 3)})

    def job_failed(
        self,
        subject: EventSubject,
        *,
        stage: str | None,
        code: str,
        message: str,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A stage failed for good; a retry can take the job up again."""
        data = {"stage": stage, "code": code, "message": self._message(message)}
        return self._job(subject, "job.failed", occurrence, time, data)

    def job_cancelled(
        self, subject: EventSubject, *, stage: str | None = None, occurrence: int = 1, time: float | None = None
    ) -> Event:
        """A person ended a job; ``stage`` is the one that it had reached."""
        return self._job(subject, "job.cancelled", occurrence, time, {"stage": stage})

    def job_dead(
        self,
        subject: EventSubject,
        *,
        stage: str | None,
        code: str,
        message: str,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A job became a dead letter: only a replay moves it again."""
        data = {"stage": stage, "code": code, "message": self._message(message)}
        return self._job(subject, "job.dead", occurrence, time, data)

    def job_stuck(
        self,
        subject: EventSubject,
        *,
        stage: str | None,
        worker: str | None,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A job's lease expired under a worker that gives no sign of life."""
        return self._job(subject, "job.stuck", occurrence, time, {"stage": stage, "worker": worker})

    def job_retried(
        self,
        subject: EventSubject,
        *,
        from_stage: str | None,
        reason: str = "retry",
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A job was put back into the queue. ``reason``: ``retry``, ``replay`` or ``worker_lost``."""
        return self._job(subject, "job.retried", occurrence, time, {"from_stage": from_stage, "reason": reason})

    # --- batches ------------------------------------------------------------------------------------------------------

    def batch_created(
        self,
        subject: EventSubject,
        *,
        pipeline_name: str,
        pipeline_version: str,
        jobs: int,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """Jobs were grouped to run together."""
        data = {"pipeline_name": pipeline_name, "pipeline_version": pipeline_version, "jobs": jobs}
        return self._batch(subject, "batch.created", occurrence, time, data)

    def batch_leased(
        self, subject: EventSubject, *, worker: str, epoch: int, lease_seconds: float, time: float | None = None
    ) -> Event:
        """A worker took a batch. ``epoch`` fences off every earlier holder."""
        data = {"worker": worker, "epoch": epoch, "lease_seconds": lease_seconds}
        return self._batch(subject, "batch.leased", epoch, time, data)

    def batch_completed(
        self,
        subject: EventSubject,
        *,
        epoch: int,
        duration_ms: float,
        completed: int,
        unchanged: int = 0,
        failed: int = 0,
        time: float | None = None,
    ) -> Event:
        """Every job of a batch has ended or waits elsewhere; how many did how."""
        data = {
            "epoch": epoch,
            "duration_ms": round(duration_ms, 3),
            "completed": completed,
            "unchanged": unchanged,
            "failed": failed,
        }
        return self._batch(subject, "batch.completed", epoch, time, data)

    def batch_lost(self, subject: EventSubject, *, worker: str | None, epoch: int, time: float | None = None) -> Event:
        """A batch's lease expired and was taken back."""
        return self._batch(subject, "batch.lost", epoch, time, {"worker": worker, "epoch": epoch})

    # --- gates --------------------------------------------------------------------------------------------------------

    def gate_waiting(
        self,
        subject: EventSubject,
        *,
        gate: str,
        condition: Mapping[str, bool],
        deadline: float,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A job waits until the ledger's flags are as the gate's condition says; after ``deadline`` it fails."""
        data = {"gate": gate, "condition": dict(condition), "deadline": iso_time(deadline)}
        return self._gate(subject, "gate.waiting", gate, occurrence, time, data)

    def gate_passed(
        self, subject: EventSubject, *, gate: str, waited_ms: float, occurrence: int = 1, time: float | None = None
    ) -> Event:
        """A gate's condition holds; the job is queued in a batch of the stages behind it."""
        data = {"gate": gate, "waited_ms": round(waited_ms, 3)}
        return self._gate(subject, "gate.passed", gate, occurrence, time, data)

    def gate_opened(
        self,
        subject: EventSubject,
        *,
        gate: str,
        waited_ms: float,
        reason: str,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """In place of ``gate.passed``: a person let the job through."""
        data = {"gate": gate, "waited_ms": round(waited_ms, 3), "reason": self._message(reason)}
        return self._gate(subject, "gate.opened", gate, occurrence, time, data)

    def gate_expired(
        self, subject: EventSubject, *, gate: str, waited_ms: float, occurrence: int = 1, time: float | None = None
    ) -> Event:
        """A gate's condition did not hold in time; ``job.dead`` follows."""
        data = {"gate": gate, "waited_ms": round(waited_ms, 3)}
        return self._gate(subject, "gate.expired", gate, occurrence, time, data)

    def pdf_requested(
        self,
        subject: EventSubject,
        *,
        doc_id: str,
        dataset: str,
        object_key: str,
        sha256: str,
        size_bytes: int,
        occurrence: int = 1,
        time: float | None = None,
    ) -> Event:
        """A PDF waits for an engine: which document, and which object holds the bytes."""
        data = {"doc_id": doc_id, "dataset": dataset, "object_key": object_key, "sha256": sha256, "size_bytes": size_bytes}
        return self._job(subject, "pdf.requested", occurrence, time, data)

    # --- configuration: the same change seen by several processes is one event ----------------------------------------

    def config_reloaded(self, *, file: str, digest: str, changed_at: float, time: float | None = None) -> Event:
        """A configuration file is in force as changed at ``changed_at``. ``file`` is its path below the configuration folder."""
        return self._config("reloaded", file, digest, changed_at, time, {})

    def config_rejected(
        self, *, file: str, digest: str, changed_at: float, code: str, message: str, time: float | None = None
    ) -> Event:
        """A changed configuration file is broken; the last good one stays in force."""
        return self._config("rejected", file, digest, changed_at, time, {"code": code, "message": self._message(message)})

    def _at(self, time: float | None) -> float:
        return self._clock() if time is None else time

    def _message(self, message: str) -> str:
        """Scrubbed, bounded, and free of the lone surrogates that undecodable file names bring."""
        scrubbed = self._scrub(message)[:MAX_MESSAGE_CHARACTERS]
        return scrubbed.encode("utf-8", "replace").decode("utf-8")

    def _job(self, subject: EventSubject, kind: str, occurrence: int, time: float | None, data: Mapping[str, Any]) -> Event:
        return _event(subject, f"{subject.job_id}/{kind}/{occurrence}", kind, LEDGER_SOURCE, self._at(time), data)

    def _gate(
        self, subject: EventSubject, kind: str, gate: str, occurrence: int, time: float | None, data: Mapping[str, Any]
    ) -> Event:
        event_id = f"{subject.job_id}/{gate}/{kind}/{occurrence}"
        return _event(subject, event_id, kind, LEDGER_SOURCE, self._at(time), data)

    def _batch(self, subject: EventSubject, kind: str, occurrence: int, time: float | None, data: Mapping[str, Any]) -> Event:
        batch_id = subject.batch_id or subject.job_id
        whole = structs.replace(subject, job_id=batch_id, doc_id=batch_id, batch_id=batch_id)
        return _event(whole, f"{batch_id}/{kind}/{occurrence}", kind, LEDGER_SOURCE, self._at(time), data)

    def _config(self, what: str, file: str, digest: str, changed_at: float, time: float | None, data: Mapping[str, Any]) -> Event:
        key = f"config/{file}"
        return Event(
            event_id=f"{key}/{digest}/{round(changed_at * 1000)}/{what}",
            type=f"config.{what}",
            source=CONFIG_SOURCE,
            time=self._at(time),
            tenant_id="",
            job_id=key,
            subject=file,
            data={"file": file, "digest": digest, "changed_at": iso_time(changed_at), **data},
        )


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, as CloudEvents has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _stage_event(subject: EventSubject, kind: str, stage: str, occurrence: str, time: float, data: Mapping[str, Any]) -> Event:
    return _event(subject, f"{subject.job_id}/{stage}/{occurrence}", kind, f"orchestration/{stage}", time, data)


def _event(subject: EventSubject, event_id: str, kind: str, source: str, time: float, data: Mapping[str, Any]) -> Event:
    return Event(
        event_id=event_id,
        type=kind,
        source=source,
        time=time,
        tenant_id=subject.tenant_id,
        job_id=subject.job_id,
        subject=subject.doc_id,
        batch_id=subject.batch_id,
        correlation_id=subject.correlation_id,
        traceparent=subject.traceparent,
        data=data,
    )

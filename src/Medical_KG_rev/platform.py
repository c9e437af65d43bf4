"""The platform: what the command line, notebooks and Dagster stand on.

>>> with Platform.open(data_dir="library") as platform:          # doctest: +SKIP
...     for event in platform.ingest("clinicaltrials", ids=["NCT04267848"]):
...         print(event)
...     print(platform.search("metformin lactic acidosis").hits[0].text)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from Medical_KG_rev.errors import RecordNotFoundError, UsageError
from Medical_KG_rev.orchestration.ledger import Job, JobStatus
from Medical_KG_rev.orchestration.routing import default_pipeline, pdf_pipeline
from Medical_KG_rev.os_user import os_user
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import Settings, settings_from
from Medical_KG_rev.settings_extraction import TaggerName
from Medical_KG_rev.tenant_gates import TenantGates
from Medical_KG_rev.tenant_graph import TenantGraph
from Medical_KG_rev.tenant_jobs import TenantJobs

if TYPE_CHECKING:
    from Medical_KG_rev.extraction.results import Extraction
    from Medical_KG_rev.index import Retriever, SearchResult
    from Medical_KG_rev.index.filters import Filter
    from Medical_KG_rev.index.requests import RetrievalResult, RetrieveRequest
    from Medical_KG_rev.models import AdapterRequest, Block, Chunk, Document
    from Medical_KG_rev.orchestration.ledger.records import DeadLetter
    from Medical_KG_rev.orchestration.topology import PipelineTopologyConfig
    from Medical_KG_rev.planning import Plan

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Platform:
    """One tenant's view of one data folder. Use it as a context manager."""

    def __init__(self, settings: Settings, tenant: str = "default") -> None:
        if not _TENANT.fullmatch(tenant):
            raise UsageError(
                f"{tenant!r} is not a tenant name.", remedy="Use letters, digits, dots, underscores and hyphens.", tenant=tenant
            )
        self.settings = settings
        self.tenant = tenant
        self.parts = PlatformParts(settings)
        self._retriever: Retriever | None = None

    @classmethod
    def configure(cls) -> Platform:
        """A platform as the environment describes it, for Dagster's code location. Opens and writes nothing."""
        return cls(settings_from({}))

    def open_parts(self) -> PlatformParts:
        """The parts that Dagster's resources hand to ops."""
        return self.parts

    @classmethod
    def open(
        cls, *, profile: str | None = None, data_dir: str | Path | None = None, tenant: str = "default", **overrides: Any
    ) -> Platform:
        """A platform with settings from the environment and these arguments. Opens nothing before it is used."""
        return cls(settings_from({"profile": profile, "data_dir": data_dir, **overrides}), tenant)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Platform(profile={self.settings.profile!r}, data_dir={str(self.settings.data_dir)!r}, tenant={self.tenant!r})"

    def close(self) -> None:
        """Closes what was opened."""
        if self._retriever is not None:
            self._retriever.close()
            self._retriever = None
        self.parts.close()

    # --- bringing documents in ---------------------------------------------------------------------------------------

    def request(
        self,
        source: str,
        ids: Iterable[str] = (),
        *,
        query: str | None = None,
        since: str | None = None,
        limit: int | None = None,
        paths: Iterable[str | Path] = (),
    ) -> AdapterRequest:
        """What to bring, checked: the source exists and something is asked for. ``since`` may be ``last``.

        Raises:
            UsageError: names the valid values.
        """
        from Medical_KG_rev.models import AdapterRequest  # with numpy, which commands about jobs need not wait for

        request = AdapterRequest(
            source=source,
            tenant_id=self.tenant,
            ids=tuple(ids),
            query=query,
            since=self._since(source, query, since),
            limit=limit,
            paths=tuple(str(Path(path).absolute()) for path in paths),
        )
        self.parts.adapters.describe(source)
        if not (request.ids or request.query or request.paths or request.since):
            raise UsageError(
                f"Nothing is asked of {source}.",
                remedy="Give paths." if source == "local" else "Give ids, --query or --since.",
            )
        return request

    def ingest(
        self,
        source: str,
        ids: Iterable[str] = (),
        *,
        query: str | None = None,
        since: str | None = None,
        limit: int | None = None,
        paths: Iterable[str | Path] = (),
        pipeline: str | None = None,
        idempotency_key: str | None = None,
        wait: bool = True,
        priority: int = 1,
    ) -> Iterator[dict[str, Any]]:
        """Submits and, unless told not to wait, runs. Yields what happens; the last event is ``result``.

        ``priority`` is 0 (low), 1 (normal) or 2 (high): which of several waiting batches goes first. The work is done by a
        child process. Leaving the iterator early interrupts it; what was committed is kept, and the same call goes on from
        there.
        """
        request = self.request(source, ids, query=query, since=since, limit=limit, paths=paths)
        yield from self._work(
            {
                "command": "ingest",
                "request": _plain(request),
                "pipeline": self.pipeline_for(source, pipeline),
                "pdf_pipeline": pdf_pipeline(source) if pipeline is None else None,
                "idempotency_key": idempotency_key,
                "wait": wait,
                "priority": priority,
            }
        )

    def plan(
        self,
        source: str,
        ids: Iterable[str] = (),
        *,
        query: str | None = None,
        since: str | None = None,
        limit: int | None = None,
        paths: Iterable[str | Path] = (),
        pipeline: str | None = None,
    ) -> Plan:
        """What an ingest with the same arguments would do, without doing it."""
        from Medical_KG_rev.planning import make_plan

        request = self.request(source, ids, query=query, since=since, limit=limit, paths=paths)
        return make_plan(self.parts, request, self.pipeline_for(source, pipeline))

    def pipeline_for(self, source: str, name: str | None = None) -> str:
        """The pipeline to use for a source: the named one, else that of the routing table.

        Raises:
            DagsterPipelineConfigError: there is no such pipeline.
            UsageError: it is not for this source; lists those that are.
        """
        chosen = name or default_pipeline(source)
        topology = self.parts.topologies.load(chosen)
        if source not in topology.applicable_sources:
            fitting = [
                other for other in self.parts.topologies.names() if source in self.parts.topologies.load(other).applicable_sources
            ]
            raise UsageError(
                f"Pipeline {chosen} is not for {source}.",
                remedy=f"Pipelines for it: {', '.join(fitting) or 'none'}.",
                valid=fitting,
            )
        return chosen

    # --- jobs --------------------------------------------------------------------------------------------------------

    def jobs(
        self,
        *,
        status: str | None = None,
        source: str | None = None,
        pipeline: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Jobs of this tenant, newest first."""
        if status is not None and status not in set(JobStatus):
            raise UsageError(f"{status!r} is no status.", remedy=f"Valid: {', '.join(JobStatus)}.", valid=list(JobStatus))
        return self.parts.ledger.list_jobs(self.tenant, status=status, source=source, pipeline=pipeline, after=after, limit=limit)

    def job(self, job_id: str) -> dict[str, Any]:
        """One job with its stages, in the shape of ``jobs show --json``."""
        from Medical_KG_rev.jobs_view import whole_job

        return whole_job(self.parts.ledger, self._jobs.own(job_id))

    def current_jobs(self, job_ids: Sequence[str] = (), *, submission: str | None = None) -> list[Job]:
        """These jobs, or those of a submission (``batch_id`` of an ingest's result), as they are now.

        Raises:
            JobNotFoundError: this tenant has no such job or submission.
        """
        return self._jobs.current(job_ids, submission)

    def retry(self, job_ids: Sequence[str], *, from_stage: str | None = None) -> Iterator[dict[str, Any]]:
        """Runs failed jobs again, or queued ones that nobody runs, from where they stopped. The last event is ``result``.

        With ``from_stage``, failed and dead jobs only: that stage and all after it are run again, whatever they have stored.

        Raises:
            UsageError: a job is in another state, or its pipeline has no such stage; lists those it has.
        """
        for job_id in job_ids:
            self._jobs.check_retry(job_id, from_stage)
        command = {"command": "retry", "job_ids": list(job_ids), "actor": os_user(), "from_stage": from_stage}
        yield from self._work(command)

    def cancel(self, job_id: str, *, reason: str = "") -> Job:
        """Ends a job: at once when no worker is at it, else between two of its stages (``cancel_requested`` until then).

        Raises:
            JobNotFoundError: this tenant has no such job.
            InvalidTransitionError: it has ended already.
        """
        self._jobs.own(job_id)
        return self.parts.ledger.cancel(job_id, actor=os_user(), reason=reason)

    @property
    def gates(self) -> TenantGates:
        """Where jobs of this tenant wait for something outside."""
        return TenantGates(self.parts, self.tenant)

    # --- dead letters ------------------------------------------------------------------------------------------------

    def dead_letters(
        self, *, state: str | None = "open", stage: str | None = None, code: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """Jobs that failed for good, with their causes, the latest first.

        ``state`` is ``open``, ``replayed``, ``discarded`` or None for all.
        """
        return self.parts.ledger.dead_letters.list(self.tenant, state=state, stage=stage, code=code, limit=limit)

    def dead_letter(self, job_id: str) -> DeadLetter:
        """The dead letter of a job. Raises JobNotFoundError."""
        return self.parts.ledger.dead_letters.get(self.tenant, job_id)

    def replay(self, job_ids: Sequence[str], *, reason: str = "") -> list[Job]:
        """Queues the jobs of open dead letters again, each from the stage that failed; :meth:`retry` or a worker runs them.

        Raises:
            JobNotFoundError: a job has no dead letter.
            UsageError: a letter is closed, or came back too often. The jobs before it are queued.
        """
        letters = [self.dead_letter(job_id) for job_id in job_ids]
        return [self.parts.ledger.dead_letters.replay(letter, actor=os_user(), reason=reason) for letter in letters]

    def discard(self, job_ids: Sequence[str], *, reason: str = "") -> list[Job]:
        """Closes open dead letters: their jobs are dead, and only :meth:`retry` moves them again. Raises like :meth:`replay`."""
        letters = [self.dead_letter(job_id) for job_id in job_ids]
        return [self.parts.ledger.dead_letters.discard(letter, actor=os_user(), reason=reason) for letter in letters]

    # --- asking ------------------------------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        legs: Sequence[str] | None = None,
        filters: Mapping[str, Iterable[str]] | None = None,
        since: str | None = None,
        until: str | None = None,
        offset: int = 0,
        generation: int | None = None,
        collapse: bool = False,
        highlight: bool = False,
        explain: bool = False,
        rerank: int | None = None,
        entity: str | None = None,
        entities: bool = True,
    ) -> SearchResult:
        """The best passages for a query, by all legs that the index has unless some are named.

        ``filters`` holds values by field, of which one of each field must fit; ``since`` and ``until`` bound the dates of
        documents. ``offset`` leaves the first hits out; ``collapse`` gives one hit a document; ``rerank`` says how many
        of the first hits a reranker orders anew (0: none; None: as configured). See :meth:`Retriever.search`.

        ``entity``, an id or a name in any case: only passages that name it, or something narrower. ``entities``: say for each
        hit which ones it names.

        Raises:
            UsageError: an unknown leg, field, value, date or entity, or a page that cannot be had.
            PartUnavailableError: the index cannot be read, or no leg could answer.
        """
        from Medical_KG_rev.search_entities import OVERFETCH, entity_scope, naming, with_entities

        scope = entity_scope(self.parts, self.tenant, entity) if entity is not None else None
        narrowed = scope.narrow(filters or {}) if scope is not None else filters or {}
        result = self._searcher.search(
            self.tenant,
            query,
            k=k if scope is None else OVERFETCH * (offset + k),
            legs=legs,
            wanted=self._filter(narrowed, since, until),
            offset=offset if scope is None else 0,
            generation=generation,
            collapse=collapse,
            highlight=highlight,
            explain=explain,
            rerank=rerank,
        )
        if entities or scope is not None:
            result = with_entities(self.parts.graph, self.tenant, result)
        return naming(result, scope.ids, offset, k) if scope is not None else result

    def retrieve(self, request: RetrieveRequest) -> RetrievalResult:
        """Documents for a service's request, which must be of this tenant.

        Raises:
            UsageError: it is another tenant's.
            PartUnavailableError: the index cannot be read, or no leg could answer.
        """
        if request.tenant_id != self.tenant:
            raise UsageError(f"The request is for tenant {request.tenant_id!r}, this platform for {self.tenant!r}.")
        return self._searcher.retrieve(request)

    def search_documents(
        self,
        query: str,
        *,
        k: int = 100,
        legs: Sequence[str] | None = None,
        filters: Mapping[str, Iterable[str]] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> SearchResult:
        """The best documents for a query, each by its best passage."""
        return self.search(query, k=k, legs=legs, filters=filters, since=since, until=until, collapse=True, entities=False)

    def show(self, doc_id: str) -> Document:
        """The document as it is stored.

        Raises:
            RecordNotFoundError: this tenant has no such document.
        """
        from Medical_KG_rev.documents import stored_document

        return stored_document(self.parts.ledger, self.parts.store, self.tenant, doc_id)

    def chunks(self, doc_id: str) -> list[Chunk]:
        """The document's chunks as the index has them, in reading order."""
        return self.parts.index_writer.chunks(self.tenant, doc_id)

    def page_blocks(self, document: Document, page: int, chunk: Chunk | None = None) -> list[Block]:
        """What begins on a page (from 1) of a document's PDF, in reading order; of a chunk only, where one is given.

        Raises:
            UsageError: there is no such page.
        """
        from Medical_KG_rev.pages import blocks_on

        return blocks_on(document, page, chunk.block_ids if chunk is not None else None)

    def page_picture(self, document: Document, page: int, marked: Sequence[Block] = (), *, dpi: int = 144) -> bytes:
        """A page (from 1) of a document's PDF as PNG, with the boxes of the blocks that are marked.

        Raises:
            RecordNotFoundError: the PDF is not stored any more.
            PayloadError: it cannot be drawn.
        """
        from Medical_KG_rev.pages import draw_page

        return draw_page(self.parts, self.tenant, document, page, marked, dpi)

    def extract(
        self, texts: Iterable[tuple[str, str]], *, tagger: TaggerName | None = None, convention: str = ""
    ) -> Iterator[Extraction]:
        """Entities and claims of texts, given with an id each; nothing is stored.

        ``tagger`` is ``fast``, ``accurate`` or ``none`` (default: as configured); ``convention`` is that of a corpus
        (``bc5cdr``, ``ncbi``, ``biored``), by default ours.

        Raises:
            UsageError: there is no such convention.
            ModelNotInstalledError: the lexicon, or a model of the tagger, was never fetched.
        """
        from Medical_KG_rev.extraction.results import Extraction

        reader = self.parts.text_reader(tagger or self.settings.extraction.tagger)
        for text_id, text in texts:
            yield Extraction.of(text_id, reader.read(text, convention=convention))

    @property
    def graph(self) -> TenantGraph:
        """The knowledge graph, read only."""
        return TenantGraph(self.parts.graph, self.tenant, self._called)

    def _called(self, name: str) -> list[str]:
        """The ids of what the lexicon knows by a name."""
        from Medical_KG_rev.search_entities import lexicon_of

        lexicon = lexicon_of(self.parts)
        return list(dict.fromkeys(found.concept for found in lexicon.lookup(name))) if lexicon is not None else []

    # --- taking out --------------------------------------------------------------------------------------------------

    def delete(self, doc_id: str) -> dict[str, Any]:
        """Removes a document from every store; what each of them gave up.

        Raises:
            RecordNotFoundError: no store holds it.
        """
        from Medical_KG_rev.documents import delete_document

        receipt = delete_document(self.parts, self.tenant, doc_id)
        if not any(receipt["removed"].values()):
            raise RecordNotFoundError(
                f"No store holds {doc_id}.", remedy="`medkg jobs list` shows the documents there are.", doc_id=doc_id
            )
        return receipt

    def verify_deletion(self, receipt: Mapping[str, Any]) -> dict[str, Any]:
        """Looks in every store for what a receipt of :meth:`delete` says is gone; counts what remains of it.

        Raises:
            UsageError: it is no such receipt, or one of another tenant.
        """
        from Medical_KG_rev.documents import verify_deletion

        if receipt.get("tenant_id", self.tenant) != self.tenant:
            raise UsageError(f"The receipt is of tenant {receipt['tenant_id']!r}.", remedy="Name it with --tenant.")
        return verify_deletion(self.parts, receipt)

    # --- configuration -----------------------------------------------------------------------------------------------

    def topologies(self) -> list[PipelineTopologyConfig]:
        """Every current pipeline."""
        return [self.parts.topologies.load(name) for name in self.parts.topologies.names()]

    @property
    def _jobs(self) -> TenantJobs:
        return TenantJobs(self.parts, self.tenant)

    def _since(self, source: str, query: str | None, since: str | None) -> str | None:
        from Medical_KG_rev.planning import resolve_since

        return resolve_since(self.parts.ledger, self.tenant, source, query, since)

    def _filter(self, filters: Mapping[str, Iterable[str]], since: str | None, until: str | None) -> Filter:
        from Medical_KG_rev.index.filters import make_filter

        values = {field: [wanted] if isinstance(wanted, str) else list(wanted) for field, wanted in filters.items()}
        for source in values.get("source", ()):
            self.parts.adapters.describe(source)
        return make_filter(values, since=since, until=until)

    @property
    def _searcher(self) -> Retriever:
        if self._retriever is None:
            self._retriever = self.parts.retriever()
        return self._retriever

    def _work(self, command: dict[str, Any]) -> Iterator[dict[str, Any]]:
        from Medical_KG_rev.worker_client import run_in_worker

        return run_in_worker(self.settings, command)


def _plain(request: AdapterRequest) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(request)
    return plain

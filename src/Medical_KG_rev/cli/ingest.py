"""``medkg ingest`` and ``medkg plan``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import F, Output, shared_options
from Medical_KG_rev.cli.progress import follow

if TYPE_CHECKING:
    from Medical_KG_rev.planning import Plan

FAILURES_SHOWN = 20
PRIORITIES = ("low", "normal", "high")


def _request_options(function: F) -> F:
    for option in reversed(
        (
            click.argument("source"),
            click.argument("ids", nargs=-1, metavar="[ID|PATH]..."),
            click.option("--query", help="Records that match, in the source's own syntax."),
            click.option("--since", metavar="DATE|last", help="Only what changed on or after this day, or since the last time."),
            click.option("--limit", type=click.IntRange(min=1), help="At most so many records."),
            click.option("--pipeline", metavar="NAME", help="Pipeline to use (default auto)."),
        )
    ):
        function = option(function)
    return function


@click.command()
@_request_options
@click.option("--idempotency-key", metavar="KEY", help="The same key never makes the same record a second job.")
@click.option("--no-wait", is_flag=True, help="Only submit; `medkg worker` runs what waits.")
@click.option(
    "--priority", type=click.Choice(PRIORITIES), default="normal", show_default=True, help="Which of several waiting goes first."
)
@click.option("--dry-run", is_flag=True, help="As `medkg plan`.")
@shared_options
def ingest(
    output: Output,
    source: str,
    ids: tuple[str, ...],
    query: str | None,
    since: str | None,
    limit: int | None,
    pipeline: str | None,
    idempotency_key: str | None,
    no_wait: bool,
    priority: str,
    dry_run: bool,
) -> int:
    """Brings documents from SOURCE and runs them through a pipeline.

    SOURCE is clinicaltrials, openalex, pmc-fulltext, unpaywall, core or local. For local, give files and folders:
    ClinicalTrials.gov v2 JSON, OpenAlex JSON, JATS XML, PDF, text, and JSON Lines of {"_id", "title", "text"}.
    """
    asked = {"query": query, "since": since, "limit": limit, **_named(source, ids)}
    if dry_run:
        return _plan(output, source, asked, pipeline)
    with output.platform() as platform:
        events = platform.ingest(
            source,
            **asked,
            pipeline=pipeline,
            idempotency_key=idempotency_key,
            wait=not no_wait,
            priority=PRIORITIES.index(priority),
        )
        return report(output, follow(events, output))


@click.command()
@_request_options
@shared_options
def plan(
    output: Output,
    source: str,
    ids: tuple[str, ...],
    query: str | None,
    since: str | None,
    limit: int | None,
    pipeline: str | None,
) -> int:
    """Says what an ingest would do: documents, stages, what is done already, time, bytes and model cost."""
    return _plan(output, source, {"query": query, "since": since, "limit": limit, **_named(source, ids)}, pipeline)


def report(output: Output, result: dict[str, Any]) -> int:
    """Prints an ingest's result; the exit code says whether documents failed."""
    if output.json:
        output.data(result)
    else:
        _summarise(output, result)
    return 1 if result["failed"] else 0


def _named(source: str, ids: Iterable[str]) -> dict[str, Any]:
    return {"paths": ids} if source == "local" else {"ids": ids}


def _plan(output: Output, source: str, asked: dict[str, Any], pipeline: str | None) -> int:
    with output.platform() as platform:
        planned = platform.plan(source, **asked, pipeline=pipeline)
    if output.json:
        output.data(planned.to_dict())
        return 0
    seconds = planned.estimated_seconds
    lines = [
        ("documents", f"{planned.documents:,}" + (f" (the source counts {planned.total:,})" if planned.total else "")),
        ("unchanged", f"{planned.unchanged:,}"),
        ("cannot be read", f"{len(planned.invalid):,}"),
        ("to fetch", f"{planned.to_fetch:,}"),
        ("to run", f"{planned.to_run:,}"),
        ("bytes", f"{planned.bytes:,}"),
        ("pipeline", f"{planned.pipeline} {planned.pipeline_version}: {' → '.join(planned.stages)}"),
        ("models", f"{', '.join(filter(None, (planned.model, planned.sparse_model)))} (cost {planned.model_cost:g})"),
        ("time", f"about {seconds:,.0f} s" if seconds is not None else "not known"),
        ("of it extract", _told_extract(planned)),
        ("estimated from", planned.estimate_basis),
    ]
    for name, value in lines:
        click.echo(f"{name:>15}  {value}")
    for fault in planned.invalid[:FAILURES_SHOWN]:
        output.say(f"  {fault['source_id']}: {fault['message']}")
    return 0


def _told_extract(planned: Plan) -> str:
    seconds = f"about {planned.extract_seconds:,.0f} s" if planned.extract_seconds is not None else "not known"
    return f"{seconds} ({f'texts are read, tagger {planned.tagger}' if planned.tagger else 'texts are not read'})"


def _summarise(output: Output, result: dict[str, Any]) -> None:
    documents = result["documents"]
    superseded = [document for document in documents if document.get("superseded_by")]
    click.echo(
        f"{result['completed']:,} of {result['submitted']:,} documents completed"
        f" ({result['unchanged']:,} unchanged) in {result['seconds']:.1f} s;"
        f" {sum(d['chunks'] for d in documents):,} chunks, {sum(d['entities'] for d in documents):,} entities,"
        f" {sum(d['claims'] for d in documents):,} claims."
    )
    for document in superseded[:FAILURES_SHOWN]:
        output.say(f"  {document['doc_id']}: {document['source_id']} was replaced by a later record of the same document.")
    failed = [document for document in documents if document["error"]]
    for document in failed[:FAILURES_SHOWN]:
        message = document["error"]["message"]
        named = "" if document["source_id"] in message else f"{document['source_id']}: "
        output.say(f"  failed in {document['stage']}: {named}{message}")
    if len(failed) > FAILURES_SHOWN:
        output.say(f"  … and {len(failed) - FAILURES_SHOWN:,} more: `medkg jobs list --status failed`.")
    queued = sum(document["status"] == "queued" for document in documents)
    if queued:
        output.say(f"{queued:,} queued. `medkg worker --once` or `medkg jobs retry --queued` runs them.")
    elif result["completed"]:
        output.say('Next: `medkg search "your question"`, `medkg graph stats`.')

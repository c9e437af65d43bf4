"""``medkg search``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.platform import Platform

EXCERPT_CHARACTERS = 320


@click.command()
@click.argument("query", required=False)
@click.option("-k", "count", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Hits, or documents in a batch.")
@click.option("--legs", default="bm25,dense", show_default=True, help="Which legs, separated by commas.")
@click.option("--explain", is_flag=True, help="Say how each hit came to its place.")
@click.option("--batch", type=click.Path(exists=True, dir_okay=False, path_type=Path), help='JSON Lines of {"_id", "text"}.')
@click.option("--run-file", type=click.Path(dir_okay=False, path_type=Path), help="Where the batch's TREC run goes.")
@shared_options
def search(
    output: Output, query: str | None, count: int, legs: str, explain: bool, batch: Path | None, run_file: Path | None
) -> None:
    """Hybrid search: the passages that answer QUERY best.

    With --batch, writes a TREC run (qid Q0 doc_id rank score tag) of the best documents for each query.
    """
    chosen = tuple(leg.strip() for leg in legs.split(",") if leg.strip())
    if (query is None) == (batch is None):
        raise click.UsageError("Give a QUERY, or --batch FILE with --run-file OUT.")
    with output.platform() as platform:
        if batch is not None:
            if run_file is None:
                raise click.UsageError("--batch needs --run-file OUT.")
            _run_batch(output, platform, batch, run_file, count, chosen)
            return
        result = platform.search(query or "", k=count, legs=chosen, explain=explain)
    if output.json:
        output.data(result.to_dict())
        return
    _print_hits(output, result.to_dict())


def _run_batch(output: Output, platform: Platform, batch: Path, run_file: Path, count: int, legs: tuple[str, ...]) -> None:
    from Medical_KG_rev.index.evaluation import write_run

    queries = _queries(batch)
    try:
        opened = run_file.open("w", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--run-file {run_file} cannot be written: {error.strerror}.") from error
    with opened as file:
        for query_id, text in queries:
            found = platform.search_documents(text, k=count, legs=legs)
            write_run(file, query_id, [(hit.doc_id, hit.score) for hit in found.hits])
    summary = {"queries": len(queries), "k": count, "legs": list(legs), "run_file": str(run_file)}
    if output.json:
        output.data(summary)
    else:
        output.say(f"{len(queries):,} queries written to {run_file}. Measure it with `medkg eval {run_file} QRELS`.")


def _queries(path: Path) -> list[tuple[str, str]]:
    queries: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
                queries.append((str(row["_id"]), str(row["text"])))
            except (ValueError, KeyError, TypeError) as error:
                raise click.UsageError(f'{path}:{number} is not a JSON object with "_id" and "text".') from error
    return queries


def _print_hits(output: Output, result: dict[str, Any]) -> None:
    for hit in result["hits"]:
        legs = ", ".join(f"{leg} {rank}" for leg, rank in hit["ranks"].items())
        click.echo(click.style(f"{hit['rank']:>2}. {hit['title']}", bold=True))
        section = f" · {hit['section']}" if hit["section"] else ""
        click.echo(f"    {hit['doc_id']}:{hit['start']}-{hit['end']}{section} · score {hit['score']:.4f} ({legs})")
        text = " ".join(hit["text"].split())
        click.echo(f"    {text[:EXCERPT_CHARACTERS]}{'…' if len(text) > EXCERPT_CHARACTERS else ''}\n")
        if "explanation" in hit:
            click.echo(f"    {json.dumps(hit['explanation'])}\n")
    if not result["hits"]:
        output.say("No passage fits. `medkg jobs list` shows what was ingested.")
    else:
        legs = ", ".join(f"{name} {leg['took_ms']:.0f} ms" for name, leg in result["legs"].items())
        output.say(f"{len(result['hits'])} hits in {result['took_ms']:.0f} ms ({legs}).")

"""``medkg search``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.platform import Platform

EXCERPT_CHARACTERS = 320
ENTITIES_SHOWN = 5
_BEFORE_THE_FIRST_MATCH = 80


def _by_field(_ctx: click.Context, _param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in pairs:
        field, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not FIELD=VALUE.")
        values.setdefault(field.strip(), []).append(value)
    return values


def _by_comma(_ctx: click.Context, _param: click.Parameter, legs: str | None) -> list[str] | None:
    return [leg.strip() for leg in legs.split(",") if leg.strip()] if legs is not None else None


@click.command()
@click.argument("query", required=False)
@click.option("-k", "count", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Hits, or documents in a batch.")
@click.option(
    "--legs",
    callback=_by_comma,
    help="Which of bm25, sparse and dense, separated by commas (default: those the index has).",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE",
    callback=_by_field,
    help="Only passages with this value: source, section, mesh, phase, has_results, language, retracted or doc_id. Again for "
    "another value of the field, or another field.",
)
@click.option(
    "--entity", metavar="ID|NAME", help="Only passages that name this entity, or something narrower: MESH:D008687, metformin."
)
@click.option("--since", metavar="DATE", help="Only documents of this date (2021, 2021-03, 2021-03-15) or later.")
@click.option("--until", metavar="DATE", help="Only documents of this date or earlier.")
@click.option("--offset", type=click.IntRange(0), help="Leave out so many of the first hits; --json has `generation` then.")
@click.option("--generation", type=click.IntRange(0), help="Refuse if the index is no longer the one of that `generation`.")
@click.option("--collapse", is_flag=True, help="One hit a document: its best passage.")
@click.option("--highlights", is_flag=True, help="With --json: where each text has words of the query.")
@click.option("--explain", is_flag=True, help="Say how each hit came to its place.")
@click.option(
    "--rerank",
    type=click.IntRange(0, 1000),
    help="So many of the first hits are ordered anew by the reranker, if one is configured (default: MK_RERANK__CANDIDATES).",
)
@click.option("--batch", type=click.Path(exists=True, dir_okay=False, path_type=Path), help='JSON Lines of {"_id", "text"}.')
@click.option("--run-file", type=click.Path(dir_okay=False, path_type=Path), help="Where the batch's TREC run goes.")
@shared_options
def search(
    output: Output,
    query: str | None,
    count: int,
    legs: list[str] | None,
    filters: dict[str, list[str]],
    entity: str | None,
    since: str | None,
    until: str | None,
    offset: int | None,
    generation: int | None,
    collapse: bool,
    highlights: bool,
    explain: bool,
    rerank: int | None,
    batch: Path | None,
    run_file: Path | None,
) -> None:
    """Hybrid search: the passages that answer QUERY best.

    A leg that fails or is late is left out and named. With --batch, writes a TREC run (qid Q0 doc_id rank score tag) of the best
    documents for each query.
    """
    query = query if query is not None or batch is not None else entity
    if (query is None) == (batch is None):
        raise click.UsageError("Give a QUERY, an --entity, or --batch FILE with --run-file OUT.")
    if entity is not None and batch is not None:
        raise click.UsageError("--entity and --batch exclude each other.")
    narrowed: dict[str, Any] = {"legs": legs, "filters": filters, "since": since, "until": until, "rerank": rerank}
    with output.platform() as platform:
        if batch is not None:
            if run_file is None:
                raise click.UsageError("--batch needs --run-file OUT.")
            _run_batch(output, platform, batch, run_file, count, narrowed)
            return
        result = platform.search(
            query or "",
            k=count,
            offset=offset or 0,
            generation=generation,
            collapse=collapse,
            highlight=highlights or not output.json,
            explain=explain,
            entity=entity,
            **narrowed,
        ).to_dict()
    if offset is None:
        del result["generation"]
    if output.json:
        output.data(result)
    else:
        _print_hits(result)
    _say_how_it_went(output, result)


def _run_batch(output: Output, platform: Platform, batch: Path, run_file: Path, count: int, narrowed: Mapping[str, Any]) -> None:
    from Medical_KG_rev.index.evaluation import write_run

    queries = _queries(batch)
    try:
        opened = run_file.open("w", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--run-file {run_file} cannot be written: {error.strerror}.") from error
    legs: dict[str, None] = {}
    partial = 0
    with opened as file:
        for query_id, text in queries:
            found = platform.search(text, k=count, collapse=True, entities=False, **narrowed)
            write_run(file, query_id, [(hit.doc_id, hit.score) for hit in found.hits])
            legs |= dict.fromkeys(found.legs)
            partial += found.partial
    if output.json:
        output.data({"queries": len(queries), "k": count, "legs": list(legs), "run_file": str(run_file), "partial": partial})
    else:
        output.say(f"{len(queries):,} queries written to {run_file}. Measure it with `medkg eval {run_file} QRELS`.")
    if partial:
        output.say(f"{partial:,} of them without all legs: a leg failed or was late. Run it again for a complete run.")
        click.get_current_context().exit(1)


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


def _print_hits(result: dict[str, Any]) -> None:
    for hit in result["hits"]:
        legs = ", ".join(f"{leg} {rank}" for leg, rank in hit["ranks"].items())
        click.echo(click.style(f"{hit['rank']:>2}. {hit['title']}", bold=True))
        section = f" · {hit['section']}" if hit["section"] else ""
        click.echo(f"    {hit['doc_id']}:{hit['start']}-{hit['end']}{section} · score {hit['score']:.4f} ({legs})")
        click.echo(f"    {_excerpt(hit['text'], hit['highlights'])}")
        if hit.get("entities"):
            named = [f"{each['name']} ({each['id']})" for each in hit["entities"][:ENTITIES_SHOWN]]
            more = len(hit["entities"]) - len(named)
            click.echo(click.style(f"    names {'; '.join(named)}{f'; and {more} more' if more else ''}", dim=True))
        click.echo()
        if "explanation" in hit:
            click.echo(f"    {json.dumps(hit['explanation'])}\n")


def _excerpt(text: str, ranges: Sequence[Sequence[int]]) -> str:
    """The text on one line from shortly before its first matched word, matched words underlined."""
    first = ranges[0][0] if ranges else 0
    start = 0 if first <= EXCERPT_CHARACTERS // 2 else text.rfind(" ", 0, first - _BEFORE_THE_FIRST_MATCH) + 1
    end = min(len(text), start + EXCERPT_CHARACTERS)
    parts, done = [], start
    for begin, stop in ranges:
        if begin >= end:
            break
        parts += [text[done:begin], click.style(text[begin:stop], underline=True)]
        done = stop
    parts.append(text[done:end])
    return f"{'… ' if start else ''}{' '.join(''.join(parts).split())}{'…' if max(done, end) < len(text) else ''}"


def _say_how_it_went(output: Output, result: dict[str, Any]) -> None:
    for name, leg in result["legs"].items():
        if "error" in leg:
            output.say(f"Without the leg {name}: {leg['error']['message']}")
    if "entities_error" in result:
        output.say(f"Without entities: {result['entities_error']['message']}")
    if "error" in result.get("reranker", {}):
        output.say(f"Not ordered anew: {result['reranker']['error']['message']}")
    if not result["hits"]:
        output.say("No passage fits. `medkg jobs list` shows what was ingested.")
    else:
        legs = ", ".join(f"{name} {leg['took_ms']:.0f} ms" for name, leg in result["legs"].items())
        output.say(f"{len(result['hits'])} hits in {result['took_ms']:.0f} ms ({legs}).")

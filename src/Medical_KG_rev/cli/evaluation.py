"""``medkg eval``."""

from __future__ import annotations

from pathlib import Path

import click

from Medical_KG_rev.cli.context import Output, shared_options


@click.command("eval")
@click.argument("run", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("qrels", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--k", "depths", default="10,100", show_default=True, help="Depths, separated by commas.")
@shared_options
def evaluate(output: Output, run: Path, qrels: Path, depths: str) -> None:
    """nDCG, recall and MRR of a TREC RUN against QRELS (qid 0 doc_id rel, or BEIR's three columns)."""
    from Medical_KG_rev.index import evaluation

    if not all(part.strip().isdigit() and int(part) > 0 for part in depths.split(",")):
        raise click.UsageError(f"--k {depths!r} must be numbers like 10,100.")
    measured = evaluation.evaluate(
        evaluation.read_run(run), evaluation.read_judgements(qrels), [int(part) for part in depths.split(",")]
    )
    if output.json:
        output.data(measured.to_dict())
        return
    for name, value in measured.measures.items():
        click.echo(f"{name:>14}  {value:.4f}")
    output.say(f"{measured.queries:,} queries, {measured.unanswered:,} of them not in the run.")

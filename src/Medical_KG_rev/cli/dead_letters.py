"""``medkg dlq``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.ledger.records import DeadLetter
    from Medical_KG_rev.platform import Platform

STATES = ("open", "replayed", "discarded", "all")
MOST_LETTERS = 10_000

_limit = click.option("--limit", type=click.IntRange(1, MOST_LETTERS), default=100, show_default=True, help="At most so many.")
_reason = click.option("--reason", default="", metavar="TEXT", help="Why; the audit trail keeps it.")
_code = click.option("--code", metavar="CODE", help="Only those with this error code.")


@click.group(cls=CommandGroup)
def dlq() -> None:
    """Dead letters: jobs that failed for good, with their causes."""


@dlq.command("list")
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True, help="Only those in this state.")
@click.option("--stage", metavar="STAGE", help="Only those that failed in this stage.")
@_code
@_limit
@shared_options
def list_letters(output: Output, state: str, stage: str | None, code: str | None, limit: int) -> None:
    """Dead letters, the latest first."""
    with output.platform() as platform:
        letters = platform.dead_letters(state=None if state == "all" else state, stage=stage, code=code, limit=limit)
    if output.json:
        output.data([letter.to_dict() for letter in letters])
        return
    _print_letters(output, letters)
    if not letters:
        output.say("No dead letters." if state == "all" else f"No dead letters that are {state}.")


@dlq.command()
@click.argument("job")
@shared_options
def show(output: Output, job: str) -> None:
    """One dead letter with the chain of its causes."""
    with output.platform() as platform:
        letter = platform.dead_letter(job).to_dict()
    if output.json:
        output.data(letter)
        return
    for name in ("job_id", "doc_id", "source", "source_id", "pipeline_name", "stage", "state", "count", "replays"):
        click.echo(f"{name:>14}  {letter[name]}")
    click.echo(f"{'first':>14}  {letter['first_at']}\n{'last':>14}  {letter['last_at']}")
    click.echo(f"{'error':>14}  {letter['error_code']}: {letter['error_message']}")
    for cause in letter["causes"]:
        click.echo(f"{'cause':>14}  {cause['type']}: {cause['message']}")
    if letter["artifact"]:
        click.echo(f"{'input':>14}  {' '.join(f'{name}={value}' for name, value in letter['artifact'].items())}")


@dlq.command()
@click.argument("job_ids", nargs=-1, metavar="JOB...")
@click.option("--all", "every", is_flag=True, help="All open ones, up to --limit.")
@_code
@_limit
@_reason
@click.option("--no-wait", is_flag=True, help="Only queue them; a worker or `medkg jobs retry --queued` runs them.")
@shared_options
def replay(
    output: Output, job_ids: tuple[str, ...], every: bool, code: str | None, limit: int, reason: str, no_wait: bool
) -> int:
    """Queues jobs again from the stage that failed, and runs them. Cure the cause first."""
    from Medical_KG_rev.cli.ingest import report
    from Medical_KG_rev.cli.progress import follow

    if bool(job_ids) == every:
        raise click.UsageError("Name jobs, or give --all.")
    with output.platform() as platform:
        wanted = list(dict.fromkeys(job_ids)) or _replayable(output, platform, code, limit)
        queued = [job.job_id for job in platform.replay(wanted, reason=reason)]
        if no_wait or not queued:
            _tell(output, "replayed", queued)
            return 0
        return report(output, follow(platform.retry(queued), output))


@dlq.command()
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...")
@_reason
@shared_options
def discard(output: Output, job_ids: tuple[str, ...], reason: str) -> None:
    """Gives jobs up: they are dead, and only `medkg jobs retry` moves them again."""
    with output.platform() as platform:
        done = platform.discard(list(dict.fromkeys(job_ids)), reason=reason)
    _tell(output, "discarded", [job.job_id for job in done])


def _replayable(output: Output, platform: Platform, code: str | None, limit: int) -> list[str]:
    """Open letters that have not come back too often; the others are named."""
    from Medical_KG_rev.orchestration.ledger.dead_letters import MAX_REPLAYS

    letters = platform.dead_letters(code=code, limit=limit)
    spent = [letter.job_id for letter in letters if letter.replays >= MAX_REPLAYS]
    if spent:
        output.say(f"Left alone, as they came back {MAX_REPLAYS} times: {', '.join(spent)}.")
    return [letter.job_id for letter in letters if letter.replays < MAX_REPLAYS]


def _tell(output: Output, done: str, job_ids: Sequence[str]) -> None:
    if output.json:
        output.data({done: list(job_ids)})
    else:
        click.echo(f"{len(job_ids):,} {done}.")


def _print_letters(output: Output, letters: Sequence[DeadLetter]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    for column in ("job", "document", "state", "stage", "code", "times", "last", "error"):
        table.add_column(column, overflow="fold")
    for letter in letters:
        table.add_row(*map(escape, _row(letter)))
    output.console().print(table)


def _row(letter: DeadLetter) -> tuple[str, ...]:
    plain: dict[str, Any] = letter.to_dict()
    named = (letter.job_id, letter.doc_id or letter.source_id, letter.state, letter.stage, letter.error_code)
    return (*named, str(letter.count), plain["last_at"], letter.error_message)

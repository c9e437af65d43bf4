"""``medkg models``."""

from __future__ import annotations

from pathlib import Path

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

MEGABYTE = 1_000_000


@click.group(cls=CommandGroup)
def models() -> None:
    """Model artefacts: list, fetch, verify."""


@models.command("list")
@shared_options
def list_models(output: Output) -> None:
    """What each is for, its size and licence, and whether it is there."""
    import msgspec

    with output.platform() as platform:
        found = platform.parts.models.list()
    if output.json:
        output.data(msgspec.to_builtins(list(found)))
        return
    for model in found:
        there = "installed" if model.installed else "not fetched"
        click.echo(f"{model.name:<12} {model.size_bytes / MEGABYTE:>6.0f} MB  {there:<12} {model.licence}")
        click.echo(f"{'':<12} {model.purpose}")


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--from", "source_dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Take the files from this folder."
)
@shared_options
def fetch(output: Output, names: tuple[str, ...], source_dir: Path | None) -> None:
    """Brings models (all of them, or those named) and checks every file."""
    with output.platform() as platform:
        store = platform.parts.models
        wanted = list(names) or [model.name for model in store.list()]
        store.fetch(wanted, source_dir=source_dir, progress=lambda *event: output.say(describe(*event)))
    if output.json:
        output.data({"fetched": wanted})


@models.command()
@shared_options
def verify(output: Output) -> int:
    """Checks the sha256 of every file that is there."""
    with output.platform() as platform:
        problems = platform.parts.models.verify()
    if output.json:
        output.data({"problems": list(problems)})
    elif not problems:
        click.echo("Every fetched model is as it should be.")
    for problem in problems if not output.json else ():
        click.echo(problem)
    return 3 if problems else 0


def describe(name: str, state: str, size_bytes: int) -> str:
    """One line about the progress of a fetch."""
    return f"{name}: {state} ({size_bytes / MEGABYTE:.0f} MB)" if size_bytes else f"{name}: {state}"

"""The ``medkg`` command: options that all commands share, and the one place where errors become exit codes."""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from Medical_KG_rev import __version__
from Medical_KG_rev.cli.context import CommandGroup
from Medical_KG_rev.errors import MedicalKGError

COMMANDS = {
    "demo": ("demo", "Ingest the sample corpus, search it and look at its graph."),
    "ingest": ("ingest", "Bring documents from a source and run them through a pipeline."),
    "plan": ("ingest", "Say what an ingest would do, without doing it."),
    "jobs": ("jobs", "The ledger: what became of every document."),
    "dlq": ("dead_letters", "Jobs that failed for good: look, replay, discard."),
    "gates": ("gates", "Jobs that wait at a gate: look, explain, open."),
    "search": ("search", "Hybrid search over what was ingested."),
    "eval": ("evaluation", "Measure a search run against relevance judgements."),
    "show": ("documents", "A document, chunk or span as it is stored."),
    "delete": ("documents", "Remove a document from every store."),
    "verify-deletion": ("documents", "Look in every store for what a receipt says is gone."),
    "index": ("index", "Verify, repair and compact the search index; change its models."),
    "extract": ("extract", "Entities and claims of a text, without storing anything."),
    "graph": ("graph", "The knowledge graph, read only."),
    "events": ("events", "What happened, as CloudEvents."),
    "pipelines": ("configuration", "The pipelines there are."),
    "policies": ("configuration", "The resilience policies there are."),
    "models": ("models", "Model artefacts: list, fetch, verify."),
    "doctor": ("doctor", "Check every part and say what is wrong and what to do."),
    "worker": ("worker", "Run the batches that wait, until told to stop."),
    "queue": ("queue", "Pause, resume and drain the queue."),
    "services": ("services", "Real servers for development and tests, on loopback."),
    "ledger": ("ledger", "The ledger's database: status and migration."),
    "gc": ("operations", "Remove what nothing refers to."),
    "storage": ("operations", "Room taken per part and per 1,000 documents, and growth."),
    "backup": ("operations", "Copy everything of one moment to a folder."),
    "restore": ("operations", "Put a backup in place."),
    "ui": ("ui", "The Dagster UI with this project's runs."),
}
"""Command → (module, summary): a module is imported when its command is used, so that ``--help`` is quick."""

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Imports make many objects and hardly any garbage: at Python's 700, looking for it takes a sixth of a short command."""


class _Commands(CommandGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"Medical_KG_rev.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, "evaluate" if cmd_name == "eval" else cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command. A reader that has gone away (`| head`) has seen enough; click would call that a failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_module, summary) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="medkg")
def medkg() -> None:
    """Biomedical records and articles as a hybrid search index and a traceable knowledge graph.

    `medkg demo` shows all of it in a few minutes. Exit codes: 0 done, 1 some documents failed, 2 wrong usage or
    configuration, 3 a needed part is unavailable, 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs a command line and exits with its code."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = medkg.main(args=arguments, prog_name="medkg", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; what was done so far is kept. The same command goes on from there.", err=True)
        code = 130
    except MedicalKGError as error:
        click.echo(f"Error: {error.message}", err=True)
        if error.remedy:
            click.echo(error.remedy, err=True)
        code = error.exit_code
    gc.freeze()  # the end of the process frees all: no search for cycles first
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

"""What all commands share: options, output on standard output, messages on standard error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from Medical_KG_rev.platform import Platform

PIPED_COLUMNS = 400
"""Tables are not folded where no screen bounds them."""

F = TypeVar("F", bound=Callable[..., Any])


class CommandGroup(click.Group):
    """A group that answers an unknown command with those it has."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ``args`` begin with."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message} Commands: {', '.join(self.list_commands(ctx))}.", ctx) from error


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's words go, and which platform it works on."""

    tenant: str
    profile: str | None
    data_dir: Path | None
    json: bool
    quiet: bool

    @contextmanager
    def platform(self, **overrides: Any) -> Iterator[Platform]:
        """The platform of the command's options."""
        from Medical_KG_rev.platform import Platform

        with Platform.open(profile=self.profile, data_dir=self.data_dir, tenant=self.tenant, **overrides) as platform:
            yield platform

    def data(self, value: Any) -> None:
        """One JSON document on standard output."""
        click.echo(json.dumps(value, ensure_ascii=False, indent=None))

    def say(self, text: str = "") -> None:
        """A message on standard error, unless quiet."""
        if not self.quiet:
            click.echo(text, err=True)

    def console(self, *, stderr: bool = False) -> Console:
        """A Rich console: tables on standard output, progress on standard error."""
        from rich.console import Console

        console = Console(stderr=stderr, quiet=self.quiet and stderr, highlight=False)
        if not console.is_terminal:
            console.width = PIPED_COLUMNS
        return console


def shared_options(function: F) -> F:
    """Adds ``--tenant``, ``--profile``, ``--data-dir``, ``--json`` and ``--quiet``; the command takes them as ``output``."""

    @click.option("--tenant", default="default", show_default=True, help="Whose documents.")
    @click.option("--profile", default=None, help="Set of parts to work with (default MK_PROFILE, else embedded).")
    @click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=None,
        help="Where everything is kept (default MK_DATA_DIR, else the user's data folder).",
    )
    @click.option("--json", "as_json", is_flag=True, help="Machine output on standard output.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress and no messages.")
    @wraps(function)
    def command(
        *args: Any, tenant: str, profile: str | None, data_dir: Path | None, as_json: bool, quiet: bool, **kwargs: Any
    ) -> Any:
        return function(*args, output=Output(tenant, profile, data_dir, as_json, quiet), **kwargs)

    return command  # type: ignore[return-value]

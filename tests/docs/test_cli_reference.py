"""docs/reference/cli.md is what click says. Run this module to write the page again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from Medical_KG_rev.cli.main import COMMANDS, medkg

pytestmark = pytest.mark.unit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"
SHARED = ("tenant", "profile", "data_dir", "as_json", "quiet")
HEAD = """# Commands

Every command takes `--tenant NAME` (whose documents; default `default`), `--profile NAME`, `--data-dir FOLDER`, `--json` (one
JSON document on standard output; progress and messages go to standard error) and `--quiet`.

Exit codes: 0 done; 1 some documents failed (they are listed); 2 wrong usage or configuration; 3 a needed part is unavailable;
130 interrupted (work done so far is kept, and the same command goes on from there).
"""


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for child in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), child)
            assert found is not None
            yield from commands(f"{name} {child}", found)
    else:
        yield name, command


def describe(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    options = [param for param in command.params if isinstance(param, click.Option) and param.name not in SHARED]
    usage = " ".join([name, *("[OPTIONS]" for _ in options[:1]), *(param.make_metavar(context) for param in arguments)])
    text = " ".join((command.help or "").split())
    lines = [f"## {name}", "", f"`{usage}`", "", text, ""]
    if options:
        lines += ["| option | does |", "| --- | --- |"]
        for option in options:
            names, help_text = option.get_help_record(context) or ("", "")
            lines.append(f"| `{names.replace('|', chr(92) + '|')}` | {help_text.replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


def page() -> str:
    return HEAD + "\n" + "\n".join(describe(name, command) for name, command in commands("medkg", medkg)).rstrip() + "\n"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run `python {Path(__file__).relative_to(PAGE.parents[2])}`"


def test_every_command_is_on_it() -> None:
    assert all(f"## medkg {name}" in page() for name in COMMANDS)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

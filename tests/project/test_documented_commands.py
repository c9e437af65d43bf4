"""What the readme and the pages tell people to type is what the commands take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from Medical_KG_rev.cli.main import COMMANDS, medkg

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def console_lines(page: Path) -> list[str]:
    """Commands after a prompt in the console blocks of a page, with backslash continuations joined."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return re.findall(r"^\$ (.+)$", joined, flags=re.MULTILINE)


def medkg_lines() -> list[str]:
    lines = {line for page in PAGES for line in console_lines(page) if re.match(r"(\S*/)?medkg\b", line)}
    return sorted(re.split(r"\s[|>]", line)[0] for line in lines)


def parse(arguments: list[str]) -> click.Context:
    """Goes down to the command that is meant and parses its options, without running it."""
    context = click.Context(medkg, info_name="medkg")
    while isinstance(context.command, click.Group) and arguments:
        name, command, arguments = context.command.resolve_command(context, arguments)
        assert command is not None
        group = isinstance(command, click.Group)
        parsed = [] if group else list(arguments)
        context = click.Context(command, parent=context, info_name=name)
        if not group:
            command.parse_args(context, parsed)
    return context


@pytest.mark.parametrize("line", medkg_lines())
def test_a_documented_command_parses(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    monkeypatch.chdir(tmp_path)
    for argument in arguments:
        if re.fullmatch(r"[./\w-]+\.(jsonl|txt|tsv|yaml|json|xml)|\./[\w/]+", argument):
            (tmp_path / argument).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / argument).touch()
    assert not isinstance(parse(arguments).command, click.Group)


def test_a_wrong_option_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(["search", "query", "--no-such-option"])


def test_the_readme_shows_every_command() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if not re.search(rf"(medkg|make) {name}\b", readme)] == []


def test_documented_make_verbs_exist() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    used = {
        verb
        for page in PAGES
        for line in console_lines(page)
        if line.startswith("make ")
        for verb in re.findall(r"\b[a-z-]+\b", line.partition("#")[0].removeprefix("make "))
    }
    assert {"demo", "test", "check"} <= used <= verbs

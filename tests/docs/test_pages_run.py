"""Every snippet of the pages runs, in the order of its page, in a folder of its own.

A fenced block is a file when its info string has ``title="…"``, otherwise it is run: ``console`` line by line after the prompt,
``python`` as a script. ``# exit code N`` at the end of a command says how it must end. A block below a comment
``<!-- not run: why -->`` is left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(str(page.relative_to(REPOSITORY)) for page in sorted((REPOSITORY / "docs").rglob("*.md"))),
]
FENCE = re.compile(
    r"^(?P<skip><!-- not run: \S.*? -->\n)?```(?P<language>[a-z]+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RUNNABLE = ("console", "python")


@dataclass(frozen=True)
class Block:
    language: str
    title: str | None
    body: str
    skipped: bool


def blocks(page: str) -> Iterator[Block]:
    for match in FENCE.finditer((REPOSITORY / page).read_text(encoding="utf-8")):
        yield Block(match["language"], match["title"], match["body"], bool(match["skip"]))


def run(command: str | list[str], folder: Path, environment: dict[str, str], expected: int = 0) -> None:
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expected, f"{command}\nended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


READING = ("README.md", "docs/quickstart.md", "docs/reference/graph.md", "docs/guides/export-the-graph.md")
"""Pages whose commands read texts."""


def run_console(body: str, folder: Path, environment: dict[str, str]) -> None:
    for line in re.findall(r"^\$ (.+)$", body.replace("\\\n", " "), flags=re.MULTILINE):
        command, _, comment = line.partition("  #")
        stated = re.search(r"exit code (\d+)", comment)
        if command.startswith("pip install -e "):  # the same without a network, and out of the environment of the tests
            command = command.replace(
                "pip install -e",
                f"{sys.executable} -m pip install --quiet --no-build-isolation --no-deps "
                f"--no-index --disable-pip-version-check --target {environment['PYTHONPATH']} --upgrade",
            )
        run(command, folder, environment, int(stated[1]) if stated else 0)


def runnable(page: str) -> bool:
    return any(block.language in RUNNABLE and not block.title and not block.skipped for block in blocks(page))


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)])
def test_a_page_runs_from_top_to_bottom(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    if page not in READING:
        environment |= {"MK_EXTRACTION__TEXT": "false"}  # reading takes seconds in each of the others
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("config", "src"):
        (checkout / name).symlink_to(REPOSITORY / name)
    for block in blocks(page):
        if block.title:
            target = checkout / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.body, encoding="utf-8")
        elif block.skipped or block.language not in RUNNABLE:
            continue
        elif block.language == "console":
            run_console(block.body, checkout, environment)
        else:
            run([sys.executable, "-c", block.body], checkout, environment)

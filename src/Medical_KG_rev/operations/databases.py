"""Consistent copies of databases that others are writing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from Medical_KG_rev.errors import BackupError

BUSY_SECONDS = 60.0


def copy_sqlite(source: Path, target: Path) -> None:
    """Copies a database as it is at one moment; writers go on meanwhile.

    Raises:
        BackupError: it is no database, is damaged, or was locked for a minute.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(_connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself; its next user turns the log on again
    except sqlite3.Error as error:
        raise BackupError(
            f"{source} cannot be copied: {error}.", remedy="`medkg doctor` says what is wrong with it.", path=str(source)
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_SECONDS)


def dump_postgres(url: URL, target: Path, snapshot: str | None = None) -> None:
    """Writes a dump in PostgreSQL's own format; ``snapshot`` is one that an open transaction has exported."""
    target.parent.mkdir(parents=True, exist_ok=True)
    arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
    _run("pg_dump", url, [*arguments, *([f"--snapshot={snapshot}"] if snapshot else [])])


def restore_postgres(url: URL, source: Path) -> None:
    """Replaces the database's tables by those of a dump, all or none."""
    arguments = ["--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", str(source)]
    _run("pg_restore", url, arguments)


def _run(program: str, url: URL, arguments: Sequence[str]) -> None:
    if shutil.which(program) is None:
        raise BackupError(
            f"{program} is not installed, and the database {_shown(url)} is copied with it.",
            remedy="Install PostgreSQL's client programs (Debian: `apt-get install postgresql-client`) and run again.",
            program=program,
        )
    where = [f"--host={url.host or 'localhost'}", f"--port={url.port or 5432}", f"--dbname={url.database or ''}"]
    login = [f"--username={url.username}"] if url.username else []
    ended = subprocess.run(  # noqa: S603 - PostgreSQL's own programs; no shell
        [program, "--no-password", *where, *login, *arguments],
        env=_environment(url),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise BackupError(
            f"{program} failed for {_shown(url)}: {ended.stderr.strip()[-500:]}",
            remedy="Check that the server runs and that this login may read and write every table.",
            program=program,
        )


def _environment(url: URL) -> Mapping[str, str]:
    """The password travels in the environment, where no list of processes shows it."""
    return {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)

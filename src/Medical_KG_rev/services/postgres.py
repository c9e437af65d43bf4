"""PostgreSQL, from the programs that the system's package manager installs."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from Medical_KG_rev.errors import ServiceStartError
from Medical_KG_rev.services.process import is_deserted, run_once
from Medical_KG_rev.services.programs import missing, require_module
from Medical_KG_rev.services.recipe import HOST, Place

__all__ = ["Postgres"]

USER = "medkg"
DATABASE = "medkg"
_ACCOUNT = "postgres"
_INSTALL = "apt-get install -y --no-install-recommends postgresql"
_INSTALLED = Path("/usr/lib/postgresql")
_CONNECT_SECONDS = 3
_ORPHANS_SECONDS = 10.0


class Postgres:
    """Durable (fsync on), TCP on loopback only, password login, UTF-8 with the C collation.

    PostgreSQL refuses to run as root: there it runs as the account ``postgres``.
    """

    name = "postgres"
    port_names = ("sql",)
    secret_names = ("password",)
    stop_signal = signal.SIGINT  # "fast" shutdown: SIGTERM would wait for every client to leave
    grace_seconds = 20.0

    def fetch(self, cache: Path) -> None:  # noqa: ARG002 - nothing is downloaded
        require_module("psycopg2", "postgres", self.name)
        _program("postgres")
        if os.geteuid() == 0:
            _account()

    def prepare(self, place: Place) -> None:
        place.data.mkdir()
        word = place.folder / ".password"
        word.touch(mode=0o600)
        word.write_text(place.secrets["password"], encoding="ascii")
        if os.geteuid() == 0:
            for path in (place.data, word):
                shutil.chown(path, _ACCOUNT)
        options = [
            "--username",
            USER,
            "--pwfile",
            str(word),
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
        ]
        try:
            command = [*_as_account(place), _program("initdb"), "--pgdata", str(place.data), *options, "--no-instructions"]
            if not run_once(command, place.folder, place.log):
                raise ServiceStartError("initdb failed.", remedy=f"Read {place.log}.", service=self.name, log=str(place.log))
        finally:
            word.unlink()

    def command(self, place: Place) -> list[str]:
        _remove_stale_lock(place)
        options = {
            "listen_addresses": HOST,
            "port": place.ports["sql"],
            "unix_socket_directories": "",  # the path of a deep folder is too long for a socket
            "fsync": "on",
            "max_connections": 200,
            "timezone": "UTC",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [*_as_account(place), _program("postgres"), "-D", str(place.data), *settings]

    def is_ready(self, place: Place) -> bool:
        import psycopg2

        try:
            _run(place, "postgres", "SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def furnish(self, place: Place) -> None:
        if not _run(place, "postgres", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):  # noqa: S608 - a constant
            _run(place, "postgres", f"CREATE DATABASE {DATABASE}")

    def tidy(self, place: Place) -> None:
        """Nothing: all that it writes is in its folder."""

    def environment(self, place: Place) -> dict[str, str]:
        login = f"{USER}:{place.secrets['password']}"
        return {"MK_DATABASE__URL": f"postgresql+psycopg2://{login}@{place.address('sql')}/{DATABASE}"}


def _remove_stale_lock(place: Place) -> None:
    """The lock file of a server that was killed.

    PostgreSQL looks whether the process that it names is gone, and takes one of which the system has not yet taken notice
    for a living one. That nothing works in the data folder any more is the same assurance, and holds at once.
    """
    if is_deserted(place.data, timeout_seconds=_ORPHANS_SECONDS):
        (place.data / "postmaster.pid").unlink(missing_ok=True)


def _run(place: Place, database: str, statement: str) -> list[tuple[object, ...]]:
    import psycopg2

    connection = psycopg2.connect(
        host=HOST,
        port=place.ports["sql"],
        user=USER,
        password=place.secrets["password"],
        dbname=database,
        connect_timeout=_CONNECT_SECONDS,
    )
    try:
        connection.autocommit = True  # CREATE DATABASE runs outside transactions
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def _program(name: str) -> str:
    """The newest installed version's program, else what the path has."""
    versions = [path for path in _INSTALLED.glob(f"*/bin/{name}") if re.fullmatch(r"\d+", path.parts[-3])]
    found = str(max(versions, key=lambda path: int(path.parts[-3]))) if versions else shutil.which(name)
    if found is None:
        raise missing("postgres", f"The program {name} of PostgreSQL is not installed", _INSTALL)
    return found


def _account() -> None:
    import pwd

    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError as error:
        raise missing("postgres", f"PostgreSQL does not run as root, and there is no account {_ACCOUNT}", _INSTALL) from error


def _as_account(place: Place) -> list[str]:
    """What runs a program as the account ``postgres`` in the same process, if we are root.

    Root's own folders are closed to that account; the capability lets it through to its data, and to nothing else that
    it would be asked to open.
    """
    if os.geteuid() != 0:
        return []
    prefix = ["setpriv", f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--init-groups"]
    if not all(folder.stat().st_mode & 0o001 for folder in (place.folder, *place.folder.parents)):
        prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return prefix

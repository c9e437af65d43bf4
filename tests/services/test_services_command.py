"""`medkg services` as it is typed: servers outlive the command, are found again, and end when told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from shipped_medkg import Medkg

from Medical_KG_rev.services import find_server

pytestmark = [pytest.mark.service, pytest.mark.e2e]


@pytest.fixture
def medkg(tmp_path: Path, models_dir: Path, postgres_server: object) -> Iterator[Medkg]:
    """On an empty data folder. Asks for the shared server only to be skipped where PostgreSQL is absent."""
    command = Medkg(tmp_path / "data", models_dir)
    yield command
    find_server("postgres", command.data_dir).kill()


def ask(url: str) -> object:
    with closing(psycopg2.connect(url.replace("postgresql+psycopg2", "postgresql"))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        return cursor.fetchone()


def test_up_status_env_down(medkg: Medkg) -> None:
    up = medkg("services", "up", "postgres").expect(0)
    name, _, url = up.out.strip().partition("=")
    assert name == "MK_DATABASE__URL"
    assert ask(url) == ("medkg",)
    assert "postgres: ready at 127.0.0.1:" in up.err

    (found,) = medkg("services", "status", "postgres", "--json").expect(0).json["services"]
    assert (found["name"], found["status"], found["ready"]) == ("postgres", "running", True)
    assert found["rss_bytes"] > 0
    assert Path(found["log"]).is_relative_to(medkg.data_dir)
    assert found["addresses"]["sql"] in url

    exported = medkg("services", "env").expect(0).out
    shell = subprocess.run(["sh", "-c", f"{exported}\nprintf %s $MK_DATABASE__URL"], capture_output=True, text=True, check=True)
    assert shell.stdout == url

    again = medkg("services", "up", "postgres", "--json").expect(0).json
    assert again["environment"] == {"MK_DATABASE__URL": url}
    assert again["services"][0]["pid"] == found["pid"]

    assert medkg("services", "down", "--json").expect(0).json == {"stopped": ["postgres"]}
    assert medkg("services", "env").expect(0).out == ""
    assert "stopped" in medkg("services", "status", "postgres").expect(3).out
    with pytest.raises(psycopg2.OperationalError):
        ask(url)


def test_two_ups_at_once_start_one_server(medkg: Medkg) -> None:
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda _: medkg("services", "up", "postgres", "--json", "--quiet").expect(0).json, range(2)))
    assert ended[0] == {**ended[1], "services": [{**ended[1]["services"][0], "rss_bytes": ended[0]["services"][0]["rss_bytes"]}]}


def test_a_crash_is_told_and_removal_forgets_the_server(medkg: Medkg) -> None:
    medkg("services", "up", "postgres").expect(0)
    find_server("postgres", medkg.data_dir).kill()
    status = medkg("services", "status", "postgres").expect(3)
    assert "crashed" in status.out
    assert "server.log" in status.out
    medkg("services", "down", "postgres", "--remove-data").expect(0)
    assert not (medkg.data_dir / "services" / "postgres").exists()
    assert {one["status"] for one in medkg("services", "status", "--json").expect(0).json["services"]} == {"stopped"}


def test_an_unknown_part_is_wrong_usage(medkg: Medkg) -> None:
    ended = medkg("services", "up", "mysql").expect(2)
    assert "postgres, kafka, s3, opensearch, neo4j" in ended.err


def test_a_server_that_does_not_start_ends_with_its_log(medkg: Medkg) -> None:
    medkg("services", "up", "postgres").expect(0)
    medkg("services", "down").expect(0)
    (medkg.data_dir / "services" / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
    ended = medkg("services", "up", "postgres").expect(3)
    assert "incompatible" in ended.err
    assert "server.log" in ended.err

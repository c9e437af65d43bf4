"""Format versions: newer folders are refused by name, older ones are stamped, and asking costs nothing."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from Medical_KG_rev import __version__
from Medical_KG_rev.errors import FormatVersionError
from Medical_KG_rev.storage import FilesystemObjectStore
from Medical_KG_rev.storage.formats import CURRENT, check_formats, format_versions, require_known

pytestmark = pytest.mark.component


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """As the first release leaves it: every store, no stamp."""
    for name in CURRENT:
        (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
    return tmp_path / "data"


def test_a_folder_of_the_first_release_is_stamped_at_once(data_dir: Path) -> None:
    assert format_versions(data_dir) == {}
    check_formats(data_dir)
    assert format_versions(data_dir) == {"data": 1, "objects": 1, "index": 1, "graph": 1, "events": 1, "dagster": 1}
    assert json.loads((data_dir / "index" / "FORMAT").read_text()) == {"version": 1, "created_by": __version__}


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    check_formats(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", sorted(CURRENT))
def test_a_newer_folder_is_refused_with_the_command_that_helps(data_dir: Path, name: str) -> None:
    check_formats(data_dir)
    stamp = next((data_dir / name).glob("*FORMAT"))
    newer = json.dumps({"version": CURRENT[name] + 1, "created_by": "9.0"})
    stamp.write_text(newer)
    with pytest.raises(FormatVersionError, match="newer release") as caught:
        check_formats(data_dir)
    assert "pip install --upgrade medical-kg-rev" in caught.value.remedy
    assert (caught.value.exit_code, caught.value.found, caught.value.expected) == (2, CURRENT[name] + 1, CURRENT[name])
    assert stamp.read_text() == newer, "a refused folder is not touched"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "1"}', '{"version": 0}', "\0" * 40])
def test_a_damaged_stamp_is_refused(data_dir: Path, content: str) -> None:
    (data_dir / "graph" / "FORMAT").write_text(content)
    with pytest.raises(FormatVersionError, match="damaged"):
        check_formats(data_dir)


def test_the_stamp_of_the_object_store_is_no_object(data_dir: Path) -> None:
    check_formats(data_dir)
    store = FilesystemObjectStore(data_dir / "objects")
    assert list(store.keys()) == list(store.entries()) == list(store.unfinished()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_library_that_may_only_be_read_opens(data_dir: Path) -> None:
    for folder in [data_dir, *data_dir.iterdir()]:
        folder.chmod(0o555)
    check_formats(data_dir)
    assert format_versions(data_dir) == {}
    for folder in [data_dir, *data_dir.iterdir()]:
        folder.chmod(0o755)


def test_versions_of_a_backup_are_held_against_this_release(tmp_path: Path) -> None:
    require_known({"data": 1, "graph": 1}, tmp_path)
    for newer in ({"data": 2}, {"graph": 7}, {"unheard-of": 1}, {"data": "1"}):
        with pytest.raises(FormatVersionError):
            require_known(newer, tmp_path)


def test_asking_takes_less_than_a_millisecond(data_dir: Path) -> None:
    check_formats(data_dir)
    best = min(_seconds(data_dir) for _ in range(50))
    assert best < 0.001


def _seconds(data_dir: Path) -> float:
    started = time.perf_counter()
    check_formats(data_dir)
    return time.perf_counter() - started

"""The environment of the MinerU server: made once, made again when its lock changes, never used half made."""

from __future__ import annotations

from pathlib import Path

import pytest

from Medical_KG_rev.errors import ServiceStartError
from Medical_KG_rev.services import CATALOGUE, mineru
from Medical_KG_rev.services.recipe import Place

pytestmark = pytest.mark.component


def test_an_environment_is_made_once_and_only_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # a machine without a network
    lock = tmp_path / "lock.txt"
    monkeypatch.setattr(mineru, "_LOCK", lock)
    recipe, python = CATALOGUE["mineru"], tmp_path / "cache" / "mineru" / "bin" / "python"

    lock.write_text(f"absent-package==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ServiceStartError, match=r"absent-package.*medkg services fetch mineru") as caught:
        recipe.fetch(tmp_path / "cache")
    assert caught.value.service == "mineru"
    assert python.exists()  # half an environment …

    lock.write_text("# nothing\n")
    recipe.fetch(tmp_path / "cache")
    made = python.lstat().st_ino
    recipe.fetch(tmp_path / "cache")
    assert python.lstat().st_ino == made
    lock.write_text("# something else\n")
    assert not mineru._is_complete(tmp_path / "cache" / "mineru")


def test_the_server_keeps_to_its_folder_and_to_loopback(tmp_path: Path) -> None:
    place = Place(tmp_path / "server", tmp_path / "cache", {"http": 18999}, {})
    command = CATALOGUE["mineru"].command(place)
    assert {"--host=127.0.0.1", "--port=18999", "--tier=flash", f"--upload-dir={place.data}/files"} <= set(command)
    assert f"MINERU_HOME={place.data}/home" in command
    assert f"TMPDIR={place.scratch}" in command
    assert CATALOGUE["mineru"].environment(place) == {"MK_MINERU__URL": "http://127.0.0.1:18999", "MK_MINERU__TIER": "flash"}
    assert not CATALOGUE["mineru"].is_ready(place)


def test_the_lock_has_a_hash_for_every_package() -> None:
    lines = [line for line in mineru._LOCK.read_text(encoding="utf-8").splitlines() if "==" in line and not line.startswith("#")]
    text = mineru._LOCK.read_text(encoding="utf-8")
    assert any(line.startswith("mineru==4.") for line in lines)
    assert text.count("--hash=sha256:") >= len(lines) > 50

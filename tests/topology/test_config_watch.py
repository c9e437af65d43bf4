"""Configuration that changes while the system runs: seen, checked, taken; what runs keeps what it pinned."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.stages import StageRegistry
from Medical_KG_rev.orchestration.topology import (
    ConfigWatch,
    PipelineLoader,
    PolicySnapshot,
    ResiliencePolicyLoader,
    WatchThread,
    order,
)

pytestmark = pytest.mark.component

AUDIT = "\n  - name: audit\n    type: ir_validation\n    policy: default\n    depends_on: [parse]\n"
SOURCES = ("clinicaltrials", "openalex", "pmc-fulltext", "unpaywall", "core", "local")


class Archive:
    """A TopologyArchive in memory."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], str] = {}

    def put(self, name: str, pin: str, text: str) -> None:
        self.texts.setdefault((name, pin), text)

    def get(self, name: str, pin: str) -> str | None:
        return self.texts.get((name, pin))


class System:
    """A process that has read a folder of configuration, with a clock of its own."""

    def __init__(self, folder: Path, archive: Archive | None = None, required: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.now = 0.0
        self.reloads: list[tuple[str, str, str | None, str | None]] = []
        self.rejections: list[tuple[Path, DagsterPipelineConfigError]] = []
        self.policies = ResiliencePolicyLoader(folder, archive=archive)
        self.pipelines = PipelineLoader(
            folder,
            policies=self.policies.names,
            stage_types=StageRegistry.builtin().names(),
            sources=SOURCES,
            archive=archive,
        )
        self.watch = ConfigWatch(
            self.pipelines,
            self.policies,
            on_reload=lambda *change: self.reloads.append(change),
            on_rejected=lambda *what: self.rejections.append(what),
            required_policies=required,
            clock=lambda: self.now,
        )
        self.watch.check()

    def after(self, seconds: float) -> bool:
        self.now += seconds
        return self.watch.check()

    def stages(self, name: str, version: str | None = None) -> set[str]:
        return {stage.name for stage in order(self.pipelines.load(name, version))}


@pytest.fixture
def folder(shipped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped, tmp_path / "orchestration"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def add_stage(folder: Path) -> None:
    auto = folder / "pipelines" / "auto.yaml"
    edit(auto, 'version: "1.0"', 'version: "1.1"')
    auto.write_text(auto.read_text(encoding="utf-8").rstrip() + AUDIT, encoding="utf-8")


def test_c7_a_new_stage_is_seen_within_5_s_and_running_jobs_keep_the_old_topology(folder: Path) -> None:
    system = System(folder)
    old = system.pipelines.pin("auto")
    add_stage(folder)

    assert not system.after(1)
    assert system.stages("auto") == system.stages("auto", old)
    assert system.after(4)

    new = system.pipelines.pin("auto")
    assert system.stages("auto") - system.stages("auto", old) == {"audit"}
    assert system.stages("auto", new) == system.stages("auto")
    assert system.reloads == [("pipeline", "auto", old, new)]
    assert system.rejections == []
    assert not system.after(60)


@pytest.mark.parametrize("broken", ["stages: [", "", "version: 7\n", "\x00"])
def test_c8_a_broken_file_is_reported_once_and_the_last_good_content_stays(folder: Path, broken: str) -> None:
    system = System(folder)
    good = system.pipelines.pin("auto")
    auto = folder / "pipelines" / "auto.yaml"
    text = auto.read_text(encoding="utf-8")
    auto.write_text(broken, encoding="utf-8")

    assert not system.after(3)
    assert not system.after(3)

    assert system.pipelines.pin("auto") == good
    assert [path for path, _ in system.rejections] == [auto]
    assert str(system.rejections[0][1]).startswith(f"{auto}:")
    auto.write_text(text, encoding="utf-8")
    assert not system.after(3)
    add_stage(folder)
    assert system.after(3)
    assert len(system.rejections) == 1


def test_c8_broken_policies_keep_the_last_good_ones(folder: Path) -> None:
    system = System(folder)
    digest = system.policies.policies_digest
    edit(folder / "resilience.yaml", "timeout_seconds: 30.0", "timeout_seconds: 0")

    assert not system.after(3)

    assert system.policies.load("default").timeout_seconds == 30.0
    assert system.policies.policies_digest == digest
    ((path, error),) = system.rejections
    assert path == folder / "resilience.yaml"
    assert error.valid == ("1 to 600",)
    (folder / "resilience.yaml").unlink()
    system.after(3)
    assert system.policies.load("default").timeout_seconds == 30.0
    assert "cannot be read" in str(system.rejections[1][1])


def test_new_policies_are_in_use_within_5_s_and_a_pinned_batch_keeps_its_own(folder: Path) -> None:
    system = System(folder)
    pinned = system.policies.pin()
    edit(folder / "resilience.yaml", "max_attempts: 4", "max_attempts: 6")

    assert system.after(5)

    assert system.policies.load("default").max_attempts == 6
    assert system.policies.at(pinned).load("default").max_attempts == 4
    assert system.reloads == [("policies", "resilience", pinned, system.policies.policies_digest)]


def test_a_comment_is_no_new_version(folder: Path) -> None:
    system = System(folder)
    for path in (folder / "resilience.yaml", folder / "pipelines" / "auto.yaml"):
        path.write_text("# a remark\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert not system.after(3)
    assert (system.reloads, system.rejections) == ([], [])


def test_a_change_is_seen_though_size_and_time_are_as_before(folder: Path) -> None:
    system = System(folder)
    path = folder / "resilience.yaml"
    before = path.stat()
    edit(path, "max_attempts: 4", "max_attempts: 5")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert system.after(3)
    assert system.policies.load("default").max_attempts == 5


def test_a_policy_that_is_in_use_cannot_be_left_out(folder: Path) -> None:
    system = System(folder, required=("polite-api",))
    path = folder / "resilience.yaml"
    for name, user in (("polite-api", "the settings"), ("gpu-bound", "pipeline auto, stage embed")):
        text = path.read_text(encoding="utf-8")
        edit(path, f"  {name}:", f"  {name}-2:")
        assert not system.after(3)
        assert f"there is no policy '{name}', which {user} names" in str(system.rejections[-1][1])
        assert system.policies.load(name)
        path.write_text(text, encoding="utf-8")
        assert not system.after(3)


def test_a_policy_may_be_renamed_together_with_its_users(folder: Path) -> None:
    """Neither file is valid without the other being taken first, so a policy is added, its users moved, the old one dropped."""
    system = System(folder)
    for path in (folder / "pipelines").glob("*.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace("gpu-bound", "accelerated"), encoding="utf-8")
    assert not system.after(3)
    assert {path.stem for path, _ in system.rejections} == {"auto", "clinical-trials", "pdf-two-phase", "pmc-fulltext"}

    edit(
        folder / "resilience.yaml",
        "  gpu-bound:",
        "  accelerated: {max_attempts: 1, backoff_strategy: none, timeout_seconds: 9}\n\n  gpu-bound:",
    )
    assert system.after(3)
    assert system.pipelines.load("auto").stage("embed").policy == "accelerated"
    assert len(system.rejections) == 4

    text = (folder / "resilience.yaml").read_text(encoding="utf-8")
    start, end = text.index("  gpu-bound:"), text.index("  # Public APIs")
    (folder / "resilience.yaml").write_text(text[:start] + text[end:], encoding="utf-8")
    assert system.after(3)
    assert "gpu-bound" not in system.policies.names()


def test_pipelines_come_and_go(folder: Path) -> None:
    system = System(folder)
    auto = folder / "pipelines" / "auto.yaml"
    (folder / "pipelines" / "mine.yaml").write_text(auto.read_text(encoding="utf-8").replace("name: auto", "name: mine"))
    assert system.after(3)
    mine = system.pipelines.pin("mine")
    (folder / "pipelines" / "mine.yaml").unlink()
    assert system.after(3)
    assert system.reloads == [("pipeline", "mine", None, mine), ("pipeline", "mine", mine, None)]
    assert "embed" in system.stages("mine", mine)
    with pytest.raises(DagsterPipelineConfigError, match="no pipeline 'mine'"):
        system.pipelines.load("mine")


def test_an_old_jobs_topology_outlives_the_process_in_the_archive(folder: Path) -> None:
    """Where neither this process nor versions/ has it: after a restart, on another machine."""
    archive = Archive()
    shutil.rmtree(folder / "versions")
    first = System(folder, archive)
    topology, policies = first.pipelines.pin("auto"), first.policies.pin()
    old_stages = first.stages("auto")
    add_stage(folder)
    edit(folder / "resilience.yaml", "max_attempts: 4", "max_attempts: 6")

    second = System(folder, archive)

    assert second.stages("auto", topology) == old_stages != second.stages("auto")
    assert second.pipelines.load("auto", topology).pin == topology
    assert second.policies.at(policies).load("default").max_attempts == 4
    without = System(folder)
    with pytest.raises(DagsterPipelineConfigError, match="no version"):
        without.pipelines.load("auto", topology)
    with pytest.raises(DagsterPipelineConfigError, match=f"no version '{policies}'"):
        without.policies.at(policies)


def test_an_archived_topology_is_found_while_the_file_is_broken_and_its_policy_is_gone(folder: Path) -> None:
    archive = Archive()
    shutil.rmtree(folder / "versions")
    pin = System(folder, archive).pipelines.pin("auto")
    (folder / "pipelines" / "auto.yaml").write_text("stages: [")
    edit(folder / "resilience.yaml", "  gpu-bound:", "  accelerated:")
    for other in ("clinical-trials", "pdf-two-phase", "pmc-fulltext"):
        (folder / "pipelines" / f"{other}.yaml").unlink()
    assert System(folder, archive).pipelines.load("auto", pin).stage("embed").policy == "gpu-bound"


def test_a_system_that_starts_on_a_broken_file_says_so_and_takes_it_once_it_is_right(folder: Path) -> None:
    auto = folder / "pipelines" / "auto.yaml"
    text = auto.read_text(encoding="utf-8")
    auto.write_text("stages: [", encoding="utf-8")
    system = System(folder)
    assert [path for path, _ in system.rejections] == [auto]
    with pytest.raises(DagsterPipelineConfigError):
        system.pipelines.load("auto")
    auto.write_text(text, encoding="utf-8")
    assert system.after(3)
    assert system.reloads == [("pipeline", "auto", None, system.pipelines.pin("auto"))]


def test_digests_follow_content_alone(folder: Path) -> None:
    loader = ResiliencePolicyLoader(folder)
    one = loader.read()
    path = folder / "resilience.yaml"
    edit(path, "    max_attempts: 4\n", "    max_attempts:   4   # attempts\n")
    assert loader.read().digest == one.digest
    edit(path, "max_attempts:   4", "max_attempts:   3")
    assert loader.read().digest != one.digest
    assert isinstance(one, PolicySnapshot)
    assert loader.use(loader.read()) is loader.snapshot


def test_a_thread_looks_beside_the_work(folder: Path, make_loader: Callable[[Path], PipelineLoader]) -> None:
    seen: list[str] = []
    loader = make_loader(folder)
    watch = ConfigWatch(
        loader,
        ResiliencePolicyLoader(folder),
        on_reload=lambda kind, name, old, new: seen.append(name),
        on_rejected=lambda path, error: None,
        interval_seconds=0.02,
    )
    with WatchThread(watch):
        pin = loader.pin("auto")
        time.sleep(0.1)
        add_stage(folder)
        end = time.monotonic() + 5
        while not seen and time.monotonic() < end:
            time.sleep(0.01)
    assert seen == ["auto"]
    assert loader.pin("auto") != pin

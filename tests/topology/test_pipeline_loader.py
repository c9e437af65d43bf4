"""Pipelines from YAML: the scenarios of configuration, cross-checks, versions and what is shipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.pipeline import stages_behind
from Medical_KG_rev.orchestration.topology import (
    PipelineLoader,
    PipelineTopologyConfig,
    as_mermaid,
    as_text,
    downstream,
    order,
)

pytestmark = pytest.mark.component

AUTO_STAGES = ("ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg")
Load = Callable[..., PipelineTopologyConfig]
MakeLoader = Callable[[Path], PipelineLoader]


def stage(name: str, *depends_on: str, kind: str = "chunk", policy: str = "default") -> str:
    return f"- {{name: {name}, type: {kind}, policy: {policy}, depends_on: [{', '.join(depends_on)}]}}\n"


def test_c1_auto_is_validated_acyclic_and_cached(shipped: Path, make_loader: MakeLoader) -> None:
    loader = make_loader(shipped)

    auto = loader.load("auto")

    assert tuple(item.name for item in order(auto)) == AUTO_STAGES
    assert loader.load("auto") is auto


def test_c2_cycle_names_the_stages(load_text: Load) -> None:
    with pytest.raises(DagsterPipelineConfigError, match="Cycle detected: a → b → a") as caught:
        load_text(stages="stages:\n" + stage("a", "b") + stage("b", "a"))
    assert (caught.value.line, caught.value.field) == (6, "stages[0].depends_on")


def test_c5_a_chain_is_accepted(load_text: Load) -> None:
    topology = load_text(stages="stages:\n" + stage("c", "b") + stage("b", "a") + stage("a"))
    assert [item.name for item in order(topology)] == ["a", "b", "c"]


def test_c6_cycle_prints_its_path(load_text: Load) -> None:
    stages = stage("a", "c") + stage("b", "a") + stage("c", "b") + stage("beside")
    with pytest.raises(DagsterPipelineConfigError, match="Cycle detected: a → b → c → a"):
        load_text(stages="stages:\n" + stages)


def test_a_stage_that_depends_on_itself_is_a_cycle(load_text: Load) -> None:
    with pytest.raises(DagsterPipelineConfigError, match="Cycle detected: a → a"):
        load_text(stages="stages:\n" + stage("a", "a"))


def test_o1_auto_has_eight_stages_and_known_policies(shipped: Path, make_loader: MakeLoader) -> None:
    auto = make_loader(shipped).load("auto")
    assert {item.name: item.depends_on for item in auto.stages} == {
        "ingest": (),
        "parse": ("ingest",),
        "ir_validation": ("parse",),
        "chunk": ("ir_validation",),
        "embed": ("chunk",),
        "index": ("embed",),
        "extract": ("ir_validation",),
        "kg": ("extract",),
    }
    assert auto.stage("embed").policy == "gpu-bound"
    assert set(auto.applicable_sources) == {"clinicaltrials", "openalex", "pmc-fulltext", "local"}


def test_o2_gate_knows_its_condition_and_resume_stage(load_text: Load) -> None:
    topology = load_text(
        stages="stages:\n"
        + stage("download", kind="download")
        + stage("chunk", "download")
        + stage("embed", "chunk", kind="embed")
        + "gates:\n- name: pdf_ir_ready\n  condition: {ledger_field: pdf_ir_ready, equals: true}\n  resume_stage: chunk\n"
    )
    (gate,) = topology.gates
    assert [(item.ledger_field, item.equals) for item in gate.condition] == [("pdf_ir_ready", True)]
    assert downstream(topology, gate.resume_stage) == {"chunk", "embed"}
    assert "gate_pdf_ir_ready --> chunk" in as_mermaid(topology)
    assert "pdf_ir_ready = true" in as_text(topology)


def test_gate_with_several_predicates(load_text: Load) -> None:
    condition = "[{ledger_field: pdf_downloaded, equals: true}, {ledger_field: pdf_ir_ready, equals: true}]"
    gate = f"gates:\n- {{name: g, condition: {condition}, resume_stage: a}}\n"
    assert len(load_text(stages="stages:\n" + stage("a") + gate).gates[0].condition) == 2


@pytest.mark.parametrize(
    ("stages", "field", "line", "valid", "message"),
    [
        ("stages:\n" + stage("a", kind="chonk"), "stages[0].type", 6, "chunk", "stage type 'chonk' is unknown"),
        ("stages:\n" + stage("a", policy="fast"), "stages[0].policy", 6, "gpu-bound", "policy 'fast' is unknown"),
        ("stages:\n" + stage("a") + stage("b", "z"), "stages[1].depends_on[0]", 7, "a", "depends on 'z', which is unknown"),
        ("stages:\n" + stage("a") + stage("a"), "stages[1].name", 7, None, "'a' stands twice"),
        ("stages:\n" + stage("a") + stage("b", "a", "a"), "stages[1].depends_on[1]", 7, None, "'a' stands twice"),
        ("stages: []\n", "stages", 5, None, "at least 1 item"),
        ("stages: 7\n", "stages", 5, None, "should be a valid list"),
        ("stages:\n- 7\n", "stages[0]", 6, None, "should be a valid mapping"),
        ("stages:\n- {name: a, type: chunk}\n", "stages[0].policy", 6, None, "is missing"),
        ("stages:\n- {name: A1, type: chunk, policy: default}\n", "stages[0].name", 6, None, "should match pattern"),
        ("stages:\n- {name: a, type: chunk, polcy: default}\n", "stages[0].policy", 6, None, "is missing"),
        ("retries: 3\nstages:\n" + stage("a"), "retries", 5, "applicable_sources", "is not a known key"),
        (
            "stages:\n" + stage("a") + "gates:\n- {name: g, condition: {ledger_field: x, equals: true}, resume_stage: a}\n",
            "gates[0].condition[0].ledger_field",
            8,
            "pdf_ir_ready",
            "'x' is unknown",
        ),
        (
            "stages:\n" + stage("a") + "gates:\n- name: g\n  condition: {ledger_field: pdf_ir_ready, equals: true}\n"
            "  resume_stage: b\n",
            "gates[0].resume_stage",
            10,
            "a",
            "'b' is not a stage",
        ),
    ],
)
def test_what_is_wrong_is_said_with_line_field_and_valid_values(
    load_text: Load, stages: str, field: str, line: int, valid: str | None, message: str
) -> None:
    with pytest.raises(DagsterPipelineConfigError) as caught:
        load_text(stages=stages)
    error = caught.value
    assert (error.field, error.line) == (field, line)
    assert error.file.endswith("pipelines/test.yaml")
    assert f"test.yaml:{line}: {field}: " in str(error)
    assert message in str(error)
    assert error.exit_code == 2
    if valid is None:
        assert error.valid == ()
    else:
        assert valid in error.valid
        assert valid in str(error)


def test_all_problems_are_named_at_once(load_text: Load) -> None:
    with pytest.raises(DagsterPipelineConfigError) as caught:
        load_text(stages="stages:\n" + stage("a", kind="x") + stage("b", policy="y"))
    assert "stages[0].type" in str(caught.value)
    assert "stages[1].policy" in str(caught.value)


def test_unregistered_source(load_text: Load) -> None:
    head = 'version: "1.0"\nname: test\ndescription: x\napplicable_sources:\n- local\n- nowhere\nstages:\n'
    with pytest.raises(DagsterPipelineConfigError, match="source 'nowhere' is not registered") as caught:
        load_text(head + stage("a"))
    assert (caught.value.line, caught.value.field) == (6, "applicable_sources[1]")
    assert "openalex" in caught.value.valid


def test_a_source_that_stands_twice(load_text: Load) -> None:
    with pytest.raises(DagsterPipelineConfigError, match="'local' stands 2 times"):
        load_text('version: "1.0"\nname: test\ndescription: x\napplicable_sources: [local, local]\nstages:\n' + stage("a"))


def test_a_stage_by_name(load_text: Load) -> None:
    topology = load_text(stages="stages:\n" + stage("a"))
    assert topology.stage("a") is topology.stages[0]
    with pytest.raises(KeyError):
        topology.stage("b")


def test_version_without_quotes_gets_a_hint(load_text: Load) -> None:
    with pytest.raises(DagsterPipelineConfigError, match="put it in quotes"):
        load_text("version: 1.0\nname: test\ndescription: x\napplicable_sources: [local]\nstages:\n" + stage("a"))


def test_name_differs_from_file(load_text: Load) -> None:
    with pytest.raises(DagsterPipelineConfigError, match="differs from the file's name"):
        load_text('version: "1.0"\nname: other\ndescription: x\napplicable_sources: [local]\nstages:\n' + stage("a"))


@pytest.mark.parametrize("name", ["nothing", "../resilience", "", "auto.yaml"])
def test_unknown_pipeline_lists_those_there_are(shipped: Path, make_loader: MakeLoader, name: str) -> None:
    with pytest.raises(DagsterPipelineConfigError, match="auto, clinical-trials") as caught:
        make_loader(shipped).load(name)
    assert caught.value.valid == ("auto", "clinical-trials", "pdf-two-phase", "pmc-fulltext")


def test_every_shipped_pipeline_loads_and_draws(shipped: Path, make_loader: MakeLoader) -> None:
    loader = make_loader(shipped)
    pipelines = [*shipped.glob("pipelines/*.yaml"), *shipped.glob("versions/*/*.yaml")]
    assert {path.stem for path in pipelines} == set(loader.names())
    for path in pipelines:
        topology = loader.load_file(path)
        assert topology.description
        for item in topology.stages:
            assert item.name in as_text(topology)
            assert f"{item.name}[" in as_mermaid(topology)


def test_a_gate_is_drawn_where_the_pipeline_halts(shipped: Path, make_loader: MakeLoader) -> None:
    topology = make_loader(shipped).load("pdf-two-phase")
    waiting = stages_behind(topology)
    assert waiting == {"ir_validation", "chunk", "embed", "index", "extract", "kg"}
    mermaid = as_mermaid(topology, waiting).splitlines()
    around = [line.strip() for line in mermaid if "gate_pdf_ir_ready" in line and "-->" in line]
    assert around == ["gate_pdf_ir_ready --> ir_validation", "download --> gate_pdf_ir_ready"]
    assert "  ir_validation --> chunk" in mermaid
    lines = [line.strip() for line in as_text(topology, waiting).splitlines()]
    [gate] = [index for index, line in enumerate(lines) if line.startswith("◇")]
    assert lines[gate + 1].startswith("└ ir_validation")
    assert stages_behind(make_loader(shipped).load("auto")) == frozenset()


def test_every_current_pipeline_is_archived_unchanged(shipped: Path, make_loader: MakeLoader) -> None:
    loader = make_loader(shipped)
    for name in loader.names():
        archived = {loader.load_file(path).pin for path in (shipped / "versions").glob(f"*/{name}.yaml")}
        assert loader.pin(name) in archived, f"copy pipelines/{name}.yaml to versions/YYYY-MM-DD/ of today"


def test_a_pinned_job_gets_the_old_topology(shipped: Path, tmp_path: Path, make_loader: MakeLoader) -> None:
    shutil.copytree(shipped, tmp_path / "o")
    current = tmp_path / "o" / "pipelines" / "auto.yaml"
    loader = make_loader(tmp_path / "o")
    pin = loader.pin("auto")
    current.write_text(current.read_text().replace('version: "1.0"', 'version: "1.1"').replace("gpu-bound", "default"))

    changed = make_loader(tmp_path / "o")

    assert changed.load("auto").version == "1.1"
    assert changed.pin("auto") != pin
    assert changed.load("auto", pin).stage("embed").policy == "gpu-bound"
    assert changed.load("auto", "1.0").pin == pin
    assert changed.load("auto", "2026-11-28").pin == pin
    current.unlink()
    assert make_loader(tmp_path / "o").load("auto", pin).pin == pin


def test_a_pinned_job_runs_while_the_current_file_is_broken(shipped: Path, tmp_path: Path, make_loader: MakeLoader) -> None:
    shutil.copytree(shipped, tmp_path / "o")
    pin = make_loader(tmp_path / "o").pin("auto")
    (tmp_path / "o" / "pipelines" / "auto.yaml").write_text("stages: [")
    broken = make_loader(tmp_path / "o")
    assert broken.load("auto", pin).pin == pin
    for version in (None, "9.9"):
        with pytest.raises(DagsterPipelineConfigError, match=r"pipelines/auto.yaml:1: "):
            broken.load("auto", version)


def test_pin_says_the_same_for_a_default_stated_and_left_out(load_text: Load) -> None:
    """So that a key that models gain later leaves the pins of queued jobs as they are."""
    one = load_text(stages="stages:\n- {name: a, type: chunk, policy: default}\n")
    two = load_text(stages="gates: []\nstages:\n- {name: a, type: chunk, policy: default, depends_on: [], config: {}}\n")
    assert one.pin == two.pin


def test_pin_ignores_comments_and_formatting(load_text: Load) -> None:
    one = load_text(stages="stages:\n" + stage("a"))
    two = load_text(stages="# moved\nstages:\n- name: a\n  type: chunk\n  policy: default\n")
    other = load_text(stages="stages:\n- {name: a, type: chunk, policy: default, config: {x: 1}}\n")
    assert one.pin == two.pin != other.pin


def test_a_version_that_is_gone_lists_those_there_are(shipped: Path, make_loader: MakeLoader) -> None:
    loader = make_loader(shipped)
    with pytest.raises(DagsterPipelineConfigError, match=r"no version of pipeline 'auto' '9\.9'") as caught:
        loader.load("auto", "9.9")
    assert loader.pin("auto") in caught.value.valid


def test_loading_writes_nothing(shipped: Path, tmp_path: Path, make_loader: MakeLoader) -> None:
    shutil.copytree(shipped, tmp_path / "o")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "o").rglob("*")}
    loader = make_loader(tmp_path / "o")
    for name in loader.names():
        loader.load(name, loader.pin(name))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "o").rglob("*")} == before

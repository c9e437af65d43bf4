"""``medkg graph`` on a graph of a data folder: export, path, show, as a user types them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import networkx
import pytest
from click.testing import CliRunner, Result

from Medical_KG_rev import Platform
from Medical_KG_rev.cli.main import medkg
from Medical_KG_rev.errors import RecordNotFoundError, UsageError
from Medical_KG_rev.graph import LadybugGraphStore
from Medical_KG_rev.graph.exports import export_records
from Medical_KG_rev.models import Claim, Entity, EntityType, Evidence
from Medical_KG_rev.tenant_graph import TenantGraph

pytestmark = pytest.mark.component

DRUG = Entity(id="MESH:D008687", type=EntityType.CHEMICAL, name="Metformin", aliases=("Glucophage",))
ACIDOSIS = Entity(id="MESH:D000140", type=EntityType.DISEASE, name="Acidosis, Lactic", aliases=("lactic acidosis",))
KIDNEY = Entity(id="MESH:D051437", type=EntityType.DISEASE, name="Renal insufficiency", aliases=("twin",))
GENE = Entity(id="NCBIGene:1", type=EntityType.GENE, name="A1BG", aliases=("twin",))
ARM = Entity(id="clinicaltrials:NCT1:arm:1", type=EntityType.STUDY_ARM, name="Metformin")
SPELLED = Entity(id="MK:chemical:0123456789ab", type=EntityType.CHEMICAL, name="LA-1000", aliases=("METFORMIN",))
ALONE = Entity(id="MESH:D000001", type=EntityType.DISEASE, name="Alone")
ENTITIES = [DRUG, ACIDOSIS, KIDNEY, GENE]
NAMESAKES = [ARM, SPELLED]


def claim(number: int, doc_id: str, subject: Entity, predicate: str, end: Entity, text: str, **more: object) -> Claim:
    return Claim(
        id=f"{doc_id}#{number}",
        doc_id=doc_id,
        subject_id=subject.id,
        predicate=predicate,
        object_id=end.id,
        evidence=(Evidence(doc_id=doc_id, start=10, end=10 + len(text), text=text, section="Results"),),
        method="relations",
        score=0.9,
        **more,  # type: ignore[arg-type]
    )


def study(doc_id: str, word: str, **attributes: object) -> tuple[str, list[Entity], list[Claim]]:
    own = Entity(id=doc_id, type=EntityType.PUBLICATION, name=f"Article {word}", attributes={"title": word, **attributes})
    return (
        doc_id,
        [own, *ENTITIES],
        [
            claim(1, doc_id, DRUG, "biolink:causes", KIDNEY, f"Metformin {word} kidneys."),
            claim(2, doc_id, KIDNEY, "biolink:causes", ACIDOSIS, f"Failing kidneys {word} acidosis."),
            claim(3, doc_id, DRUG, "biolink:affects", GENE, f"Metformin {word} A1BG.", negated=word == "spares"),
        ],
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graph") / "data"
    content = {
        "default": [study("PMID:1", "harms"), study("PMID:2", "spares"), study("PMID:3", "ruins", retracted=True)],
        "other": [study("PMID:9", "austral")],
    }
    for tenant, documents in content.items():
        with Platform.open(data_dir=folder, tenant=tenant) as platform:
            for doc_id, entities, claims in documents:
                lone = [] if doc_id != "PMID:1" else [ALONE, *NAMESAKES]
                stated = [claim(n, doc_id, one, "biolink:related_to", one, f"Alone {n}.") for n, one in enumerate(lone, start=4)]
                platform.parts.graph.write(tenant, [doc_id], {doc_id: "1"}, [*entities, *lone], [*claims, *stated])
    return folder


@pytest.fixture
def graph(data_dir: Path) -> Callable[..., Result]:
    def run(*arguments: object, tenant: str = "default") -> Result:
        return CliRunner().invoke(
            medkg, ["graph", *map(str, arguments), "--data-dir", str(data_dir), "--tenant", tenant], standalone_mode=False
        )

    return run


def code(result: Result) -> int:
    """As ``main`` makes it of what the command returns."""
    assert result.exception is None, result.exception
    return result.return_value if isinstance(result.return_value, int) else 0


def test_a_path_tells_its_steps_with_their_sentences(graph: Callable[..., Result]) -> None:
    told = graph("path", "glucophage", "LACTIC acidosis")
    assert code(told) == 0
    for words in (
        "1. 2 steps, belief",
        "Metformin  [chemical]  MESH:D008687",
        "— causes (",
        "“Metformin harms kidneys.”  PMID:1:10-34",
    ):
        assert words in told.stdout
    assert "[retracted]" in told.stdout
    found = json.loads(graph("path", "mesh:d008687", "Acidosis, Lactic", "--json").stdout)
    assert (found["from"]["id"], found["to"]["id"]) == (DRUG.id, ACIDOSIS.id)
    (way,) = found["paths"]
    assert [entity["id"] for entity in way["entities"]] == [DRUG.id, KIDNEY.id, ACIDOSIS.id]
    assert [len(step["claims"]) for step in way["steps"]] == [3, 3]
    assert all(each["evidence"] for step in way["steps"] for each in step["claims"])


def test_a_path_goes_against_the_arrows_too(graph: Callable[..., Result]) -> None:
    told = graph("path", "lactic acidosis", "metformin")
    assert "← causes (" in told.stdout


def test_a_name_of_several_things_lists_them(graph: Callable[..., Result], tmp_path: Path) -> None:
    for arguments in (
        ("path", "twin", "metformin"),
        ("path", "metformin", "Twin"),
        ("export", "--format", "rdf", "--out", tmp_path / "x", "--entity", "twin"),
        ("show", "twin", "--html", tmp_path / "x"),
    ):
        told = graph(*arguments)
        assert code(told) == 2
        assert KIDNEY.id in told.stdout
        assert GENE.id in told.stdout
        listed = json.loads(graph(*arguments, "--json").stdout)
        assert [candidate["id"] for candidate in listed["candidates"]] == [KIDNEY.id, GENE.id]
    assert not (tmp_path / "x").exists()


def test_a_name_means_what_a_vocabulary_knows(graph: Callable[..., Result], data_dir: Path) -> None:
    assert graph("show", "metformin").stdout.startswith("Metformin  [chemical]  MESH:D008687")
    assert graph("show", "LA-1000").stdout.startswith("LA-1000  [chemical]  MK:chemical:")
    with Platform.open(data_dir=data_dir) as platform:
        assert [found.id for found in platform.graph.find("Metformin")] == [DRUG.id]
        assert platform.graph.show("METFORMIN").query == "METFORMIN"


def test_a_name_that_only_a_vocabulary_has_is_found(data_dir: Path) -> None:
    with Platform.open(data_dir=data_dir) as platform:
        called = {"dimethylbiguanide": [DRUG.id, "MESH:D999999"]}
        graph = TenantGraph(platform.parts.graph, "default", lambda name: called.get(name, ()))
        assert [found.id for found in graph.find("dimethylbiguanide")] == [DRUG.id]
        shown = graph.show("dimethylbiguanide", limit=1)
        assert shown.entity is not None
        assert (shown.query, shown.entity.id) == ("dimethylbiguanide", DRUG.id)
        assert [found.id for found in graph.show("twin", limit=1).candidates] == [KIDNEY.id, GENE.id]
        assert graph.find("nothing") == ()


def test_what_is_unknown_or_out_of_reach_is_said(graph: Callable[..., Result]) -> None:
    unknown = graph("path", "metformin", "nonsense")
    assert (code(unknown), "knows nothing of 'nonsense'" in unknown.stderr) == (1, True)
    for arguments in (("Alone",), ("lactic acidosis", "--max-hops", 1)):
        told = graph("path", "metformin", *arguments)
        assert code(told) == 1
        assert "No way of" in told.stderr
    assert json.loads(graph("path", "metformin", "alone", "--json").stdout)["paths"] == []


@pytest.mark.parametrize("format", ["kgx", "rdf", "jsonld", "fhir", "graphml", "parquet"])
def test_every_format_gives_a_receipt_that_is_true(graph: Callable[..., Result], tmp_path: Path, format: str) -> None:
    done = graph("export", "--format", format, "--out", tmp_path / "out", "--json")
    assert code(done) == 0
    receipt = json.loads(done.stdout)
    assert receipt["read"]["documents"] == 3
    assert receipt["read"]["claims"] == 12
    for file in receipt["files"]:
        assert hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest() == file["sha256"]
    text = graph("export", "--format", format, "--out", tmp_path / "out")
    assert receipt["files"][0]["sha256"] in text.stdout


def test_an_export_around_an_entity_is_smaller(graph: Callable[..., Result], tmp_path: Path) -> None:
    graph("export", "--format", "graphml", "--out", tmp_path / "near", "--entity", "acidosis, lactic")
    near = networkx.read_graphml(tmp_path / "near", force_multigraph=True)
    assert set(near.nodes) >= {ACIDOSIS.id, KIDNEY.id}
    assert GENE.id not in near.nodes
    graph("export", "--format", "graphml", "--out", tmp_path / "far", "--entity", ACIDOSIS.id, "--hops", 3)
    assert GENE.id in networkx.read_graphml(tmp_path / "far", force_multigraph=True).nodes


def test_beliefs_stand_side_by_side_and_retracted_claims_weigh_nothing(graph: Callable[..., Result], tmp_path: Path) -> None:
    graph("export", "--format", "graphml", "--out", tmp_path / "out")
    found = networkx.read_graphml(tmp_path / "out", force_multigraph=True)
    (affects,) = found[DRUG.id][GENE.id].values()
    assert (affects["claims_for"], affects["claims_against"], affects["claims_retracted"]) == (1, 1, 1)
    assert affects["belief"] == affects["belief_against"] > 0
    assert found.nodes["PMID:3"]["status"] == "retracted"


def test_the_order_of_writing_leaves_no_trace(tmp_path: Path) -> None:
    documents = [study("PMID:1", "harms"), study("PMID:2", "spares"), study("PMID:3", "ruins", retracted=True)]
    digests = []
    for name, order in (("forth", documents), ("back", documents[::-1])):
        store = LadybugGraphStore(tmp_path / name)
        for doc_id, entities, claims in order:
            store.write("t", [doc_id], {doc_id: "1"}, entities, claims)
        receipts = [export_records(store.dump("t"), each, tmp_path / name / each) for each in ("kgx", "rdf")]
        digests.append([file.sha256 for receipt in receipts for file in receipt.files])
    assert digests[0] == digests[1]


def test_tenants_are_apart(graph: Callable[..., Result], tmp_path: Path) -> None:
    for name in ("rdf", "jsonld", "fhir", "graphml"):
        graph("export", "--format", name, "--out", tmp_path / name, tenant="other")
        content = (tmp_path / name).read_text()
        assert "austral" in content
        assert not any(word in content for word in ("harms", "spares", "ruins", "PMID:1", "Alone"))
    nobody = graph("export", "--format", "rdf", "--out", tmp_path / "nobody", tenant="third")
    assert (code(nobody), (tmp_path / "nobody").read_bytes()) == (0, b"")
    assert "The graph is empty." in nobody.stdout


def test_a_place_that_cannot_be_written_is_wrong_usage(graph: Callable[..., Result], tmp_path: Path) -> None:
    told = graph("export", "--format", "rdf", "--out", tmp_path)
    assert isinstance(told.exception, UsageError)
    assert str(tmp_path) in told.exception.message
    assert graph("export", "--format", "csv", "--out", tmp_path / "x").exception is not None


def test_a_page_shows_what_is_near(graph: Callable[..., Result], tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    done = graph("show", "metformin", "--html", place, "--hops", 2, "--json")
    assert code(done) == 0
    shown = json.loads(done.stdout)
    assert (shown["entity"]["id"], shown["file"]["size_bytes"]) == (DRUG.id, place.stat().st_size)
    page = place.read_text()
    for words in ("Metformin harms kidneys.", "Failing kidneys harms acidosis.", "Acidosis, Lactic"):
        assert words in page
    assert "Alone" not in page
    fewer = tmp_path / "fewer.html"
    graph("show", DRUG.id, "--html", fewer, "--entities", 2)
    assert fewer.read_text().count('<g class="node') == 2


def test_show_tells_assertions_with_their_beliefs(graph: Callable[..., Result]) -> None:
    told = graph("show", "metformin").stdout
    assert "Metformin — affects → A1BG" in told
    assert "against" in told
    assert "claims: 1 for, 1 against, 1 retracted; 2 documents" in told
    stats = graph("stats").stdout
    assert "assertions" in stats


def test_what_the_graph_does_not_hold_cannot_be_drawn(data_dir: Path, tmp_path: Path) -> None:
    with Platform.open(data_dir=data_dir) as platform:
        with pytest.raises(RecordNotFoundError, match="MESH:D999999"):
            platform.graph.draw("MESH:D999999", tmp_path / "x.html")
        with pytest.raises(UsageError, match="csv"):
            platform.graph.export("csv", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []

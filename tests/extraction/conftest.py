"""Term files of every source, in its form but with few terms, and the lexicon that is built of them."""

from __future__ import annotations

import bz2
import json
import pickle
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.lexicon.builder import build_lexicon

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MESH = (
    ("D009369", "Neoplasms", "Neoplasm|Tumors|Cancer", "C04", ""),
    ("D001943", "Breast Neoplasms", "Breast Cancer|Tumors, Breast", "C04.588.180", ""),
    ("D001171", "Arthritis, Juvenile", "Juvenile Chronic Arthritis", "C05.550.114.122", ""),
    ("D010300", "Parkinson Disease", "Paralysis Agitans", "C10.228.140.079.862.500", ""),
    ("D007938", "Leukemia", "Leukemias", "C04.557", ""),
    ("D004194", "Disease", "", "C23.550.288", ""),
    ("D003643", "Death", "", "C23.550.260", ""),
    ("D008687", "Metformin", "Dimethylbiguanidine", "D02.078.370.141.450", ""),
    ("D007328", "Insulin", "", "D06.472.699.587.200.500.625|D12.644.548.586.200.500.625", ""),
    ("D014409", "Tumor Necrosis Factor-alpha", "TNF-alpha", "D12.776.467.374.500.800|D12.644.276.374.500.800", ""),
    ("D000911", "Antibodies, Monoclonal", "", "D12.776.124.486.485.114.224", ""),
    ("D051379", "Mice", "Mouse|Mus musculus", "B01.050.150.900.649.313.992.635.505.500", "10090|10092"),
    ("D004926", "Escherichia coli", "", "B03.440.450.425.325.300", "562"),
    ("D008168", "Lung", "Lungs", "A04.411", ""),
    ("D001706", "Biopsy", "Biopsies", "E01.370.225.500.384.100", ""),
    ("D005843", "Geography", "", "Z01", ""),
)
SUPPLEMENTARY = (
    ("C582435", "pembrolizumab", "Keytruda|lambrolizumab", "D000911"),
    ("C512478", "EGFR protein, human", "wise protein, human|epidermal growth factor receptor, human", "D014409"),
    ("C541485", "Egfr protein, mouse", "", "D014409"),
    ("C536408", "Chronic small cell thing", "", "D007938"),
    ("C000724410", "Czechs", "", "D005843"),
    ("C483025", "Ackr1 protein, mouse", '"quoted\tname, mouse|other name"', "D014409"),
)
HGNC_COLUMNS = 13
HGNC = (
    ("HGNC:3236", "EGFR", "epidermal growth factor receptor", "Approved", "ERBB1, HER1", "1956", "P00533", "", "", "ERBB"),
    ("HGNC:11998", "TP53", "tumor protein p53", "Approved", "p53, LFS1", "7157", "P04637", "", "", ""),
    ("HGNC:1516", "CAT", "catalase", "Approved", "", "847", "", "", "", ""),
    ("HGNC:391", "AKT1", "AKT serine/threonine kinase 1", "Approved", "RAC", "207", "", "", "", ""),
    ("HGNC:6018", "IL6", "interleukin 6", "Approved", "IL-6", "3569", "", "", "", ""),
    ("HGNC:1", "OLD", "withdrawn", "Entry Withdrawn", "", "", "", "", "", ""),
)
MONDO = (
    ("0000001", "disease", (), (), ()),
    ("0021136", "rare", ("0021125",), (), ()),
    ("0004992", "cancer", ("0000001",), ("malignant neoplasm",), (("MESH", "D009369"), ("UMLS", "C0006826"))),
    ("0007254", "breast cancer", ("0004992",), ("mammary cancer", "child"), (("MESH", "D001943"), ("OMIM", "114480"))),
    ("0005180", "Parkinson disease", ("0000001",), (), (("MESH", "D010300"), ("DOID", "14330"))),
    ("0009999", "juvenile parkinsonism", ("0000001",), (), (("MESH", "D010300"),)),
)


def _tab(path: Path, rows: Iterable[Iterable[str]], header: str = "") -> None:
    lines = ["\t".join(row) for row in rows]
    path.write_text("\n".join([header, *lines] if header else lines) + "\n", encoding="utf-8")


def _record(vocabulary: str, local: str, name: str, parents: Iterable[str], synonyms: Iterable[str], xrefs: Iterable[Any]) -> Any:
    return {
        "id": local,
        "name": name,
        "namespace": vocabulary,
        "synonyms": list(synonyms),
        "relations": {"is_a": list(parents)},
        "xrefs": [{"namespace": namespace, "id": number} for namespace, number in xrefs],
    }


def _atlas(path: Path, terms: dict[str, dict[str, Any]]) -> None:
    path.write_bytes(zstd.compress(json.dumps(terms).encode()))


def _pickled(path: Path, word: str, names: dict[str, list[str]], about: dict[str, Any], details: dict[str, Any]) -> None:
    parts = {"variant_to_canonical": names, "canonical_to_data": about, "variant_to_variant_data": details}
    collection = {f"{word}_{part}": content for part, content in parts.items()}
    path.write_bytes(bz2.compress(pickle.dumps(collection)))


def write_term_files(folder: Path) -> dict[str, Path]:
    """Role → file, as the lexicon's builder wants them."""
    roles = (
        "mesh mesh-supplementary mesh-mappings mesh-cas pubchem-mesh hgnc mondo-mappings doid hp go chebi cas-chebi "
        "chebi-pubchem drugbank families families-names families-relations mondo uberon cl cell-lines drugs diseases"
    )
    files = {role: folder / role for role in roles.split()}
    _tab(files["mesh"], MESH)
    _tab(files["mesh-supplementary"], SUPPLEMENTARY)
    _tab(
        files["mesh-mappings"],
        [("MESH", "C512478", "EGFR protein, human", "HGNC", "3236", "EGFR"), ("MESH", "D008687", "", "X", "1", "")],
    )
    _tab(files["mesh-cas"], [("D008687", "657-24-9")])
    _tab(files["cas-chebi"], [("657-24-9", "6801")], "CAS\tCHEBI")
    _tab(files["pubchem-mesh"], [("4091", "D008687")])
    _tab(files["chebi-pubchem"], [("6801", "4091", "")], "CHEBI\tPUBCHEM\tIK_MATCH")
    _tab(files["hgnc"], [(*gene, *[""] * (HGNC_COLUMNS - len(gene))) for gene in HGNC], "header")
    files["mondo-mappings"].write_text(json.dumps([_record("mondo", *term) for term in MONDO]))
    files["doid"].write_text(
        json.dumps([_record("doid", "DOID:14330", "Parkinson's disease", [], ["Parkinsons"], [("MESH", "D010300")])])
    )
    phenotypes = [
        _record("hp", "HP:0000118", "Phenotypic abnormality", [], [], []),
        _record("hp", "HP:0001337", "Tremor", ["HP:0000118"], ["Tremors", "SHAKES"], []),
        _record("hp", "HP:0040283", "Occasional", ["HP:0040279"], [], []),
    ]
    files["hp"].write_text(json.dumps(phenotypes))
    components = [
        _record("cellular_component", "GO:0005739", "mitochondrion", [], ["mitochondria"], []),
        _record("biological_process", "GO:0006915", "apoptosis", [], [], []),
    ]
    files["go"].write_text(json.dumps(components))
    chemicals = [
        _record("chebi", "CHEBI:24431", "chemical entity", [], [], []),
        _record("chebi", "CHEBI:6801", "metformin", ["CHEBI:24431"], [], []),
        _record("chebi", "CHEBI:50906", "role", [], [], []),
        _record("chebi", "CHEBI:35222", "inhibitor", ["CHEBI:50906"], [], []),
    ]
    files["chebi"].write_text(json.dumps(chemicals))
    drugs = [
        ("DB00331", "NAME", "Metformin", "drugbank"),
        ("DB00331", "CHEBI", "6801", "chebi"),
        ("DB99999", "NAME", "Newdrugumab", "drugbank"),
    ]
    _tab(files["drugbank"], drugs, "DRUGBANK_ID\tNAMESPACE\tID\tSOURCE")
    files["families"].write_text("AKT\n")
    files["families-names"].write_text("Akt,FPLX,AKT,,,,\nprotein kinase B,FPLX,AKT,,,,\nAKT1,UP,P31749,,,,\n")
    files["families-relations"].write_text("HGNC,AKT1,isa,FPLX,AKT\n")
    diseases = {
        "MONDO:0000001": {"label": "disease", "ancestors": {}, "deprecated": False},
        "MONDO:0007254": {
            "label": "breast cancer",
            "ancestors": {"MONDO:0004992": 1, "MONDO:0000001": 2},
            "synonyms": ["mamma carcinoma"],
        },
        "MONDO:0100001": {"label": "", "deprecated": True, "replaced_by": "MONDO:0007254"},
        "MONDO:0021136": {"label": "rare", "ancestors": {"MONDO:0021125": 1}},
    }
    _atlas(files["mondo"], diseases)
    _atlas(files["uberon"], {"UBERON:0002048": {"label": "lung", "ancestors": {}, "synonyms": ["pulmo"]}})
    _atlas(files["cl"], {"CL:0000084": {"label": "T cell", "ancestors": {}, "synonyms": ["T-lymphocyte"]}})
    lines = {
        "CVCL_0030": {"label": "HeLa"},
        "CVCL_M787": {"label": "RARE"},
        "CVCL_0063": {"label": "293"},
        "CVCL_X": {"label": "4.8"},
    }
    _atlas(files["cell-lines"], lines)
    names = {
        "metformin hydrochloride": ["metformin"],
        "glucophage": ["metformin"],
        "met": ["metformin"],
        "orphan drug": ["orphan drug"],
    }
    about = {
        "metformin": {"name": "Metformin", "mesh_id": "D007004", "drugbank_id": "DB00331"},
        "orphan drug": {"name": "Orphan drug"},
    }
    names |= {"keytrudia": ["pembrolizumab"], "newdrug": ["newdrugumab"]}
    about["pembrolizumab"] = {"name": "Pembrolizumab", "drugbank_id": "DB1"}
    about["newdrugumab"] = {"name": "X", "drugbank_id": "DB99999"}
    _pickled(files["drugs"], "drug", names, about, {"glucophage": {"is_brand": True}})
    heading = {
        "breast neoplasms": {"name": "Breast Neoplasms", "mesh_id": "D000000"},
        "lung": {"name": "Lung", "mesh_id": "D008168"},
    }
    _pickled(files["diseases"], "disease", {"mammary carcinomas": ["breast neoplasms"], "lungs of men": ["lung"]}, heading, {})
    return files


@pytest.fixture(scope="session")
def term_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_term_files(tmp_path_factory.mktemp("terms"))


@pytest.fixture(scope="session")
def tiny_lexicon_file(term_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("lexicon") / "lexicon.bin"
    build_lexicon(term_files, target)
    return target


@pytest.fixture(scope="session")
def tiny_lexicon(tiny_lexicon_file: Path) -> Lexicon:
    return Lexicon.open(tiny_lexicon_file)

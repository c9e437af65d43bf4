"""The open corpora of annotated abstracts, read in place: BC5CDR, NCBI Disease and BioRED in PubTator form.

Offsets are those of the files: a title, one character (a line break here), the abstract. An abstract that is in the development
part of any corpus is in the training part of none: the corpora share abstracts, and a tagger must not have seen what it is
scored on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from measuring import TEST_DATA

from Medical_KG_rev.models import EntityType

Part = Literal["train", "dev"]

CORPORA: tuple[str, ...] = ("bc5cdr", "ncbi", "biored")

TYPES: dict[str, tuple[EntityType, ...]] = {
    "bc5cdr": (EntityType.CHEMICAL, EntityType.DISEASE),
    "ncbi": (EntityType.DISEASE,),
    "biored": (
        EntityType.CHEMICAL,
        EntityType.DISEASE,
        EntityType.GENE,
        EntityType.VARIANT,
        EntityType.SPECIES,
        EntityType.CELL_LINE,
    ),
}
"""What each corpus annotates; a text of it that names something of another type is silent about it."""

_FILES: dict[tuple[str, Part], str] = {
    ("bc5cdr", "train"): "relations/BC5CDR/CDR_TrainingSet.PubTator.txt",
    ("bc5cdr", "dev"): "relations/BC5CDR/CDR_DevelopmentSet.PubTator.txt",
    ("ncbi", "train"): "ner/NCBI-disease/train.pubtator.txt",
    ("ncbi", "dev"): "ner/NCBI-disease/devel.pubtator.txt",
    ("biored", "train"): "relations/BioRED/Train.PubTator",
    ("biored", "dev"): "relations/BioRED/Dev.PubTator",
}

_TYPES_BY_LABEL: dict[str, EntityType] = {
    "Chemical": EntityType.CHEMICAL,
    "Disease": EntityType.DISEASE,
    "SpecificDisease": EntityType.DISEASE,
    "DiseaseClass": EntityType.DISEASE,
    "Modifier": EntityType.DISEASE,
    "CompositeMention": EntityType.DISEASE,
    "ChemicalEntity": EntityType.CHEMICAL,
    "DiseaseOrPhenotypicFeature": EntityType.DISEASE,
    "GeneOrGeneProduct": EntityType.GENE,
    "SequenceVariant": EntityType.VARIANT,
    "OrganismTaxon": EntityType.SPECIES,
    "CellLine": EntityType.CELL_LINE,
}

_PREFIXES: dict[EntityType, str] = {
    EntityType.CHEMICAL: "MESH",
    EntityType.DISEASE: "MESH",
    EntityType.GENE: "NCBIGene",
    EntityType.SPECIES: "NCBITaxon",
    EntityType.CELL_LINE: "cellosaurus",
}


@dataclass(frozen=True, slots=True)
class GoldMention:
    """``text[start:end]`` names something of ``type``. ``ids`` are CURIEs, none where the annotators found no concept.

    More than one id: a composite ("breast and ovarian cancer"), or a name of several things. A variant's id is the corpus' own
    notation.
    """

    start: int
    end: int
    type: EntityType
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoldRelation:
    """``type`` as the corpus names it (``CID``, ``Bind`` …) between two ids as mentions carry them, in the order of the file."""

    type: str
    subject: str
    object: str
    novel: bool | None = None


@dataclass(frozen=True, slots=True)
class GoldDocument:
    """An annotated abstract: title, line break, abstract. Mentions in order of their start, the longer first."""

    corpus: str
    part: Part
    id: str
    title: str
    text: str
    mentions: tuple[GoldMention, ...]
    relations: tuple[GoldRelation, ...]


def corpora_are_there() -> bool:
    """Whether every file of the corpora is in the folder of real data (``MK_TEST_DATA``)."""
    return all((TEST_DATA / file).is_file() for file in _FILES.values())


@cache
def read_corpus(corpus: str, part: Part) -> tuple[GoldDocument, ...]:
    """The abstracts of one part of ``bc5cdr``, ``ncbi`` or ``biored``, each once.

    From ``train`` those are left out that are in the development part of any corpus.
    """
    documents = _read(corpus, part)
    if part == "dev":
        return documents
    held_out = {document.id for other in CORPORA for document in _read(other, "dev")}
    return tuple(document for document in documents if document.id not in held_out)


@cache
def _read(corpus: str, part: Part) -> tuple[GoldDocument, ...]:
    documents = {document.id: document for document in _documents(corpus, part, _blocks(TEST_DATA / _FILES[corpus, part]))}
    return tuple(documents.values())


def _blocks(path: Path) -> Iterator[list[str]]:
    block: list[str] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                block.append(line.rstrip("\n"))
            elif block:
                yield block
                block = []
    if block:
        yield block


def _documents(corpus: str, part: Part, blocks: Iterable[list[str]]) -> Iterator[GoldDocument]:
    for title_line, abstract_line, *rows in blocks:
        document_id, _, title = title_line.split("|", 2)
        text = title + "\n" + abstract_line.split("|", 2)[2]
        mentions: set[GoldMention] = set()
        relations: list[GoldRelation] = []
        for row in rows:
            fields = row.split("\t")
            if fields[1].isdigit():
                mentions.add(_mention(document_id, text, fields))
        kinds = {curie.split(":", 1)[1]: curie for mention in mentions for curie in mention.ids}
        for row in rows:
            fields = row.split("\t")
            if not fields[1].isdigit():
                novel = fields[4] == "Novel" if len(fields) > 4 else None
                subject, object_ = (kinds.get(given, given) for given in fields[2:4])
                relations.append(GoldRelation(fields[1], subject, object_, novel))
        ordered = tuple(sorted(mentions, key=lambda mention: (mention.start, -mention.end, mention.type)))
        yield GoldDocument(corpus, part, document_id, title, text, ordered, tuple(relations))


def _mention(document_id: str, text: str, fields: list[str]) -> GoldMention:
    start, end, quote, label = int(fields[1]), int(fields[2]), fields[3], fields[4]
    if text[start:end].split() != quote.split():
        raise ValueError(f"document {document_id}: {start}-{end} is {text[start:end]!r}, not {quote!r}; restore the file")
    kind = _TYPES_BY_LABEL[label]
    given = fields[5].strip() if len(fields) > 5 else ""
    if kind is EntityType.VARIANT:
        return GoldMention(start, end, kind, (f"variant:{given}",) if given not in ("", "-") else ())
    ids = dict.fromkeys(part.strip() for part in given.replace("+", "|").replace(",", "|").replace(";", "|").split("|"))
    return GoldMention(start, end, kind, tuple(_curie(part, kind) for part in ids if part not in ("", "-1", "-")))


def _curie(given: str, kind: EntityType) -> str:
    return given if ":" in given else f"{_PREFIXES[kind]}:{given}"

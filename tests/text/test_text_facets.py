"""What documents state of themselves, in whatever form their source gives it."""

from __future__ import annotations

import msgspec
import pytest

from Medical_KG_rev.models import Document, Section, StageContext
from Medical_KG_rev.settings import ChunkingSettings
from Medical_KG_rev.text import HaystackChunker
from Medical_KG_rev.text.facets import document_facets

pytestmark = pytest.mark.unit


def document(language="en", **metadata):
    text = "Metformin lowers glucose."
    return Document(
        doc_id="local:1",
        source="local",
        title="Metformin",
        text=text,
        sections=(Section("s0", "", 0, len(text), ()),),
        metadata=metadata,
        language=language,
    )


def test_every_field_is_taken_as_stated():
    stated = document(
        date="2021-03-15", mesh=["D008687", "D008687", "D003924"], phase=["PHASE2", "PHASE3"], has_results=True, retracted=True
    )
    assert document_facets(stated) == {
        "date": ("2021-03-15",),
        "mesh": ("D008687", "D003924"),
        "phase": ("PHASE2", "PHASE3"),
        "has_results": ("true",),
        "language": ("en",),
        "retracted": ("true",),
    }


def test_what_is_not_stated_is_absent_but_a_retraction_is_always_stated():
    assert document_facets(document(kind="text")) == {"language": ("en",), "retracted": ("false",)}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"date": "2021-03"}, ("2021-03",)),
        ({"date": "2021-03-15T10:00:00"}, ("2021-03-15",)),
        ({"date": "spring", "year": 2021}, ("2021",)),
        ({"year": 2021}, ("2021",)),
        ({"date": "March 2021"}, None),
        ({"date": ["2021"]}, None),
    ],
)
def test_dates_are_as_exact_as_their_source(metadata, expected):
    assert document_facets(document(**metadata)).get("date") == expected


@pytest.mark.parametrize("metadata", [{"mesh": None}, {"mesh": [1, None, ""]}, {"phase": {}}, {"has_results": "maybe"}])
def test_what_is_of_another_shape_states_nothing(metadata):
    assert document_facets(document(**metadata)).keys() == {"language", "retracted"}


def test_the_language_of_the_record_goes_before_the_document_s():
    assert document_facets(document("de"))["language"] == ("de",)
    stated = msgspec.structs.replace(document("de"), metadata={"language": "fr"})
    assert document_facets(stated)["language"] == ("fr",)


def test_chunks_carry_them_on_both_ways_through_the_chunker():
    chunker = HaystackChunker(ChunkingSettings(), lambda texts: [len(text.split()) for text in texts], 512, "words")
    ctx, stated = StageContext("default"), document(mesh=["D008687"], date="2021")
    (chunk,) = chunker.execute(ctx, stated)
    (same,) = chunker.run(documents=chunker.to_haystack(ctx, stated))["documents"]
    assert chunk.facets == document_facets(stated)
    assert {field: tuple(values) for field, values in same.meta["facets"].items()} == chunk.facets

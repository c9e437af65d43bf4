"""Documents and models for the tests of the text room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from Medical_KG_rev.models import Document, StageContext
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.settings import ChunkingSettings
from Medical_KG_rev.text import HaystackChunker, ModelStore

SENTENCES = {
    "Eligibility": (
        "Adults between eighteen and seventy years of age with type 2 diabetes were eligible for this invented study.",
        "Women who were pregnant or breastfeeding at the first visit could not take part in any of the groups.",
        "All participants had to take a stable dose of metformin for at least three months before the screening visit.",
        "People with an estimated glomerular filtration rate below thirty were excluded by the investigators on safety grounds.",
    ),
    "Interventions": (
        "Participants in the first group received the invented compound once a day by mouth for twenty four weeks.",
        "Participants in the second group received a placebo tablet of the same colour, taste and weight every morning.",
        "Dose reduction was allowed when nausea lasted for more than three days in spite of antiemetic medication.",
        "Rescue therapy with insulin was offered to everybody whose fasting glucose stayed above fifteen for two weeks.",
    ),
    "Outcomes": (
        "The primary outcome was the change of glycated haemoglobin from the first visit to the end of week twenty four.",
        "Secondary outcomes were body weight, systolic blood pressure and the share of people with any hypoglycaemia.",
        "Quality of life was measured with a questionnaire that had been validated in people with metabolic disease.",
        "Adverse events were coded by two physicians who did not know to which group the participant had belonged.",
    ),
}


def count_words(texts: Sequence[str]) -> list[int]:
    """A tokenizer whose tokens are words."""
    return [len(text.split()) for text in texts]


class DigestBackend:
    """A model that makes a vector of a text's characters; it has no meaning, but equal texts have equal vectors."""

    name = "digest"
    dimension = 16
    fingerprint = "digest-1"
    max_tokens = 512

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.ones((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for place, character in enumerate(text):
                vectors[row, (place * 7 + ord(character)) % self.dimension] += 1
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def encode_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.encode([text])[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return count_words(texts)

    def close(self) -> None:
        """There is nothing to free."""


@pytest.fixture
def digest_backend() -> DigestBackend:
    return DigestBackend()


@pytest.fixture
def trial() -> Document:
    """An invented trial: three sections of four sentences."""
    builder = DocumentBuilder(doc_id="clinicaltrials:NCT00000001", source="clinicaltrials", title="An invented trial")
    for title, sentences in SENTENCES.items():
        with builder.section(title):
            builder.block(" ".join(sentences))
    return builder.build()


@pytest.fixture
def context() -> StageContext:
    return StageContext(tenant_id="lab", doc_id="clinicaltrials:NCT00000001")


@pytest.fixture(scope="session")
def make_chunker() -> Callable[..., HaystackChunker]:
    """A chunker that counts words; keyword arguments are its settings."""

    def make(**settings: object) -> HaystackChunker:
        return HaystackChunker(ChunkingSettings(**settings), count_words, 8192, "words-1")  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def model_store(models_dir: Path) -> ModelStore:
    """The models that set-up has fetched."""
    store = ModelStore(models_dir)
    missing = [model.name for model in store.list() if not model.installed]
    if missing:
        pytest.skip(f"models {', '.join(missing)} are not in {models_dir}; run `medkg models fetch`")
    return store

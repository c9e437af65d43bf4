"""A real small model behind llama.cpp's server: slow on a CPU, so only where MK_REAL_LLM asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from Medical_KG_rev.errors import RequestRejectedError, UnexpectedContentError
from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.llm import ChatEndpoint, ChatLimits, LlmClaims, LlmUse
from Medical_KG_rev.extraction.llm.answers import read_answer
from Medical_KG_rev.extraction.llm.prompt import RELATIONS, SCHEMA, messages
from Medical_KG_rev.extraction.spans import Candidate, FoundMention
from Medical_KG_rev.extraction.text import Findings
from Medical_KG_rev.models import Document, EntityType, StageContext
from Medical_KG_rev.services import Server
from Medical_KG_rev.services.llm import MODEL

WANTED = os.environ.get("MK_REAL_LLM") == "1"  # before the environment of the tests is emptied

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(not WANTED, reason="MK_REAL_LLM=1 asks a real model on the CPU, for a minute or so"),
]

TEXT = "Metformin reduced HbA1c in patients with type 2 diabetes. Aspirin did not cause lactic acidosis."
NAMES = {
    "Metformin": "MESH:D008687",
    "type 2 diabetes": "MESH:D003924",
    "Aspirin": "MESH:D001241",
    "lactic acidosis": "MESH:D000140",
}


class Nothing:
    """Keeps no answer."""

    def get(self, tenant_id: str, doc_id: str, key: str) -> bytes | None:
        return None

    def put(self, tenant_id: str, doc_id: str, key: str, answer: bytes) -> None:
        """Forgets it."""


def test_a_real_model_keeps_to_the_schema_and_is_believed_only_where_it_quotes(own_server: Callable[[str], Server]) -> None:
    base = own_server("llm").environment["MK_LLM__BASE_URL"]
    chat = ChatEndpoint(base, MODEL, limits=ChatLimits(timeout_seconds=300, max_tokens=96))
    answer = chat.ask(messages(TEXT, list(NAMES)), SCHEMA)
    assert answer.prompt_tokens > 100
    assert answer.completion_tokens > 0
    if answer.finished:
        assert all(claim.relation in RELATIONS for claim in read_answer(answer.text))
    mentions = [
        FoundMention(start, start + len(name), EntityType.CHEMICAL, 1.0, "lexicon", (Candidate(curie, name, 1.0, "exact"),))
        for name, curie in NAMES.items()
        for start in [TEXT.index(name)]
    ]
    document = Document(doc_id="local:1", source="local", title="", text=TEXT, sections=())
    used: list[LlmUse] = []
    ask = LlmClaims(chat, Nothing(), record=used.append)
    try:
        claims = ask(StageContext("default"), document, Findings(analyse(TEXT), mentions, []))
    except UnexpectedContentError:
        claims = []  # so small a model does not always come to an end
    for claim in claims:
        assert {claim.subject, claim.object} <= set(NAMES.values())
        assert all(TEXT[start:end].strip() for start, end in claim.evidence)
    assert used[0].requests > 0
    other = ChatEndpoint(base, "another")
    with pytest.raises(RequestRejectedError, match=f"it serves {MODEL}"):
        other.probe()
    chat.close()
    other.close()

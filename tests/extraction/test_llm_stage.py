"""The language model within the platform: answers kept with the document, tokens counted, a deleted document forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.models import StageContext
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.parts.extraction import StoredAnswers
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.storage import FilesystemObjectStore

TEXT = "Carbamazepine caused Stevens-Johnson syndrome in two patients. Lactic acidosis was not seen with metformin."
QUOTE = "Carbamazepine caused Stevens-Johnson syndrome in two patients."


@pytest.mark.component
def test_answers_are_kept_by_tenant_and_document_and_checked(tmp_path: Path) -> None:
    answers = StoredAnswers(FilesystemObjectStore(tmp_path))
    answers.put("a", "local:1", "key", b"answer")
    assert answers.get("a", "local:1", "key") == b"answer"
    assert answers.get("b", "local:1", "key") is None
    assert answers.get("a", "local:2", "key") is None
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert answers.get("a", "local:1", "key") is None, "a broken answer is asked for again"


@pytest.mark.component
def test_the_stage_adds_what_the_model_quotes_and_counts_what_it_took(
    make_settings: Callable[..., Settings], models_dir: Path, chat_api: Any
) -> None:
    if not (models_dir / "lexicon").is_dir():
        pytest.skip(f"the lexicon is not in {models_dir}; `medkg models fetch lexicon` brings it")
    chat_api.reply = lambda _messages: json.dumps(
        {
            "claims": [
                {
                    "subject": "Carbamazepine",
                    "relation": "causes",
                    "object": "Stevens-Johnson syndrome",
                    "quote": QUOTE,
                    "negated": False,
                    "certainty": "stated",
                },
                {
                    "subject": "Carbamazepine",
                    "relation": "treats",
                    "object": "cancer",
                    "quote": "It cures cancer.",
                    "negated": False,
                    "certainty": "stated",
                },
            ]
        }
    )
    llm = {
        "server": "openai",
        "base_url": f"{chat_api.base_url}/v1",
        "api_model": chat_api.model,
        "prompt_price": 2.0,
        "completion_price": 4.0,
    }
    settings = make_settings(extraction={"text": True, "tagger": "none"}, llm=llm)
    parts = PlatformParts(settings)
    try:
        extractor = parts.stage_types.build("extract", {})
        builder = DocumentBuilder(doc_id="local:1", source="local", title="Two cases")
        with builder.section("Cases"):
            builder.block(TEXT)
        document = builder.build()
        ctx = StageContext("default", document.doc_id)
        _, claims = extractor.execute(ctx, document)
        (claim,) = [claim for claim in claims if claim.method == "llm"]
        assert (claim.subject_id, claim.predicate, claim.object_id) == ("MESH:D002220", "biolink:causes", "MESH:D013262")
        assert [evidence.text for evidence in claim.evidence] == [QUOTE]
        assert extractor.execute(ctx, document)[1] == claims
        assert len(chat_api.asked) == 1, "the second time its answer is kept"
        page = parts.metrics.render()
        assert 'medkg_llm_claims_total{outcome="kept"} 2.0' in page
        assert 'medkg_llm_claims_total{outcome="refused"} 2.0' in page
        assert 'medkg_llm_tokens_total{kind="prompt"}' in page
        assert "llm-1:chat-" in extractor.fingerprint
    finally:
        parts.close()

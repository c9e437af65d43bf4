"""Learned sparse vectors as the platform composes them: which model, what `medkg doctor` says of it, its gauges, its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Medical_KG_rev.errors import ModelNotInstalledError, RequestRejectedError
from Medical_KG_rev.health import _sparse, check_parts
from Medical_KG_rev.models import AdapterRequest, Chunk, StageContext
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.planning import make_plan
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.testing import check_stage

pytestmark = pytest.mark.component

Open = Callable[..., PlatformParts]


@pytest.fixture
def open_parts(make_settings: Callable[..., Settings]) -> Iterator[Open]:
    """Parts with static dense vectors; keyword arguments are the settings of sparse ones."""
    opened: list[PlatformParts] = []

    def make(**sparse: object) -> PlatformParts:
        opened.append(PlatformParts(make_settings(embedding={"model": "static"}, sparse=sparse)))
        return opened[-1]

    yield make
    for parts in opened:
        parts.close()


def chunk(text: str, number: int = 0) -> Chunk:
    return Chunk(
        chunk_id=f"local:1:chunk:{number}",
        doc_id="local:1",
        tenant_id="default",
        source="local",
        title="A note",
        text=text,
        start=0,
        end=len(text),
    )


def test_the_embed_stage_makes_both_kinds_of_vectors(open_parts: Open, model_store: object) -> None:
    parts = open_parts(model="splade-tiny", top_terms=8)
    stage = parts.stage_types.build("embed", {})
    check_stage("embed", stage)
    batch = stage.execute(StageContext("default"), [chunk("Metformin lowers glucose."), chunk("Aspirin prevents stroke.")])
    assert np.diff(batch.sparse.indptr).tolist() == [8, 8]
    assert stage.fingerprint == f"{parts.backend.fingerprint}+{batch.sparse.fingerprint}"
    assert stage.sparse_model == ("splade-tiny", batch.sparse.fingerprint)
    assert _sparse(parts).startswith("splade-tiny: ")


def test_what_the_stage_makes_is_indexed_and_found_by_terms_that_no_text_contains(open_parts: Open, model_store: object) -> None:
    parts = open_parts(model="splade-tiny")
    texts = ["Tumours of the lung were removed by a surgeon.", "The recipe needs two eggs and a cup of flour."]
    context = StageContext("default", documents=("local:1",), versions={"local:1": "v1"})
    batch = parts.components.embedder.execute(context, [chunk(text, number) for number, text in enumerate(texts)])
    parts.components.index_writer.execute(context, batch)
    retriever = parts.retriever()
    try:
        for number, query in enumerate(("cancer", "cooking")):
            [hit] = retriever.search("default", query, k=1, legs=("sparse",)).hits
            assert hit.text == texts[number]
            assert query not in hit.text.lower()
    finally:
        retriever.close()


def test_without_a_sparse_model_there_are_none(open_parts: Open, model_store: object) -> None:
    parts = open_parts()
    assert parts.components.expander is None
    assert parts.components.embedder.fingerprint == parts.backend.fingerprint
    assert parts.components.embedder.sparse_model is None
    assert _sparse(parts).startswith("none")


@pytest.mark.parametrize(("named", "sparse_model"), [("none", None), ("splade-tiny", "splade-tiny")])
def test_a_plan_names_both_models(
    open_parts: Open, model_store: object, tmp_path: Path, named: str, sparse_model: str | None
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("Metformin lowers glucose.")
    plan = make_plan(open_parts(model=named), AdapterRequest(source="local", tenant_id="default", paths=(str(note),)), "auto")
    assert (plan.documents, plan.model, plan.sparse_model) == (1, "static", sparse_model)


def test_a_model_that_is_missing_is_found_by_the_doctor(tmp_path: Any, make_settings: Callable[..., Settings]) -> None:
    parts = PlatformParts(make_settings(models_dir=tmp_path / "empty"))
    try:
        with pytest.raises(ModelNotInstalledError, match="splade-tiny"):
            _ = parts.sparse_backend
        [finding] = [finding for finding in check_parts(parts) if finding.part == "sparse"]
        assert (finding.ok, finding.remedy) == (False, "Run `medkg models fetch splade-tiny`.")
    finally:
        parts.close()


def test_an_endpoint_is_asked_by_the_doctor_and_its_gpu_is_seen(open_parts: Open, sparse_api: Any, model_store: object) -> None:
    sparse_api.metrics = lambda: 'DCGM_FI_DEV_FB_USED{gpu="0"} 2048\n'
    parts = open_parts(model="http")
    assert _sparse(parts) == "prithivida/Splade_PP_en_v2: 24 terms for a query of two words"
    parts.components.embedder.execute(StageContext("default"), [chunk("one text")])
    assert 'medkg_gpu_memory_used_bytes{probe="sparse_endpoint"} 2.147483648e+09' in parts.metrics.render()
    assert parts.components.embedder.uses_gpu
    backend = parts.sparse_backend
    parts.close()
    assert backend is not None
    with pytest.raises(RuntimeError, match="closed"):
        backend.encode(["one text"])


def test_an_endpoint_that_serves_dense_vectors_is_found_by_the_doctor(open_parts: Open, sparse_api: Any) -> None:
    sparse_api.pooling = "cls"
    with pytest.raises(RequestRejectedError, match="SPLADE pooling") as caught:
        _sparse(open_parts(model="http"))
    assert "--pooling splade" in caught.value.remedy

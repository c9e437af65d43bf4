"""OpenSearch, played, answers 503 in the middle of an ingest: nothing becomes visible, and a retry makes it good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from event_story import faults
from fault_proxy import Asked, FaultProxy, serving, spoiling
from ingests_here import Ingests
from played_opensearch import PlayedOpenSearch
from shipped_medkg import write_study

from Medical_KG_rev.index.opensearch import OpenSearchStore
from Medical_KG_rev.index.opensearch_client import OpenSearchConnection
from Medical_KG_rev.index.opensearch_schema import Layout
from Medical_KG_rev.index.ports import LexicalStore
from Medical_KG_rev.index.stores import EmbeddedStores
from Medical_KG_rev.settings import OpenSearchSettings

pytestmark = [pytest.mark.chaos, pytest.mark.component]

ATTEMPTS = 3
"""Of the shipped policy `search-store`."""


class Stores(EmbeddedStores):
    """Catalogue and segments in a folder, lexicons on the server."""

    lexicon_on_server = True

    def __init__(self, root: Path, server: OpenSearchConnection) -> None:
        super().__init__(root)
        self._server = server

    def lexical(self, tenant_id: str, sparse: str = "") -> LexicalStore:
        return OpenSearchStore(self._server, Layout(tenant_id, sparse=sparse))


@dataclass(frozen=True)
class Searched:
    """An ingest whose lexicons lie behind the proxy."""

    ingest: Ingests
    proxy: FaultProxy
    server: PlayedOpenSearch
    stores: Stores
    folder: Path

    def study(self, number: int) -> Path:
        nct = f"NCT{number:08d}"
        return write_study(self.folder, nct, f"Study {nct}", "An invented study of quiet words.")

    def contents(self) -> tuple[object, ...]:
        """The newest generation, how many documents and chunks it has, its segment files, and the rows on the server."""
        with self.stores.reading("default") as catalogue:
            head, counts = (catalogue.head()[1], catalogue.counts()) if catalogue is not None else (0, (0, 0))
        files = sorted(path.name for path in self.stores.paths("default").segments.glob("*"))
        return head, counts, files, {name: set(rows) for name, rows in self.server.rows.items() if rows}

    def retries_counted(self) -> float:
        labels = {"stage": "index", "reason": "store_unavailable"}
        return self.ingest.platform.parts.metrics.registry.get_sample_value("dagster_retry_attempts_total", labels) or 0.0


@pytest.fixture(scope="module")
def searched(open_ingests: Callable[..., Ingests], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    server = PlayedOpenSearch()
    with serving(server) as url, spoiling(url) as proxy:
        ingest = open_ingests(opensearch=OpenSearchSettings(url=proxy.url))
        parts = ingest.platform.parts
        assert parts.search_server is not None
        parts.index_stores = stores = Stores(parts.data_dir / "index", parts.search_server)
        yield Searched(ingest, proxy, server, stores, tmp_path_factory.mktemp("studies"))
        parts.search_server.close()


def is_any(_asked: Asked) -> bool:
    return True


def writes(asked: Asked) -> bool:
    return asked.target.partition("?")[0].endswith("/_bulk")


@pytest.mark.parametrize("is_refused", [is_any, writes], ids=["away", "overloaded"])
def test_r8_a_server_that_answers_503_leaves_nothing_visible_and_a_retry_completes(
    searched: Searched, is_refused: Callable[[Asked], bool]
) -> None:
    """Each request has its three tries and then fails the stage, which is not tried again. The undoing is a request, too."""
    ingest, proxy = searched.ingest, searched.proxy
    study = searched.study(1 + (is_refused is writes))
    doc_id = f"clinicaltrials:{study.stem}"
    proxy.mend()
    before, counted = searched.contents(), searched.retries_counted()
    proxy.spoil("unavailable", where=is_refused)

    assert ingest.local(study) == {study.stem: ("failed", "index", "retries_exhausted")}

    job = ingest.job(study.stem)
    assert job["failure_mark"] == "index_failed"
    (failed,) = ingest.events(job["job_id"], "stage.failed")
    assert (failed["source"], failed["data"]["reason"]) == ("orchestration/index", "opensearch_unavailable")
    assert ingest.retries(study.stem) == {"opensearch_unavailable"}
    refused = [asked.target for _, asked in proxy.spoiled]
    requests = 1 if is_refused is writes else 2
    assert len(refused) == requests * ATTEMPTS
    assert refused[:ATTEMPTS] == [refused[0]] * ATTEMPTS
    assert searched.retries_counted() - counted == requests * (ATTEMPTS - 1), "metrics go by the code of the last error"
    proxy.mend()
    assert searched.contents() == before
    assert ingest.platform.chunks(doc_id) == []
    assert doc_id not in {hit.doc_id for hit in ingest.platform.search(study.stem, legs=("bm25", "dense")).hits}

    assert ingest.retry(study.stem) == {("completed", "", "")}
    assert ingest.is_whole(doc_id)
    assert faults(ingest.events()) == []

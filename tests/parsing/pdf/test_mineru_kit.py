"""MinerU's engine against the kit of its port: on a played server of each version, and, where asked for, on a real one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import respx
from fault_proxy import serving
from mineru_samples import sample
from played_mineru import PlayedMineru

from Medical_KG_rev.models import PdfAsset, StoredPdf
from Medical_KG_rev.parsing.pdf.document import document_from_layout
from Medical_KG_rev.parsing.pdf.layout import LayoutKind
from Medical_KG_rev.parsing.pdf.mineru import MineruEngine
from Medical_KG_rev.services import Server
from Medical_KG_rev.settings_mineru import MineruSettings
from Medical_KG_rev.testing.pdf import CHECKS, check_layout

URL = "http://mineru.test"
FILES = int(os.environ.get("MK_REAL_MINERU_FILES", "3"))
WANTED = os.environ.get("MK_REAL_MINERU") == "1"  # before the environment of the tests is emptied


def real(test: Callable[..., None]) -> Callable[..., None]:
    """Its environment takes 850 MB, so it is made only where that is asked for."""
    reason = "MK_REAL_MINERU=1 reads with a real MinerU server"
    return pytest.mark.service(pytest.mark.skipif(not WANTED, reason=reason)(test))


@pytest.mark.component
@pytest.mark.parametrize(("api", "answer"), [("4", "zip"), ("4", "json"), ("3", "zip"), ("2", "json")])
def test_a_played_server_of_each_version_passes_the_kit(api: str, answer: str, tmp_path: Path) -> None:
    played = PlayedMineru(api)  # type: ignore[arg-type]
    with respx.mock(base_url=URL) as router:
        router.route().mock(side_effect=played.handle)
        for check in CHECKS:
            check(lambda: MineruEngine(MineruSettings(url=URL, answer=answer)), tmp_path)  # type: ignore[arg-type]
    assert played.submissions > 0


@pytest.mark.component
def test_the_kit_passes_over_a_real_connection(tmp_path: Path) -> None:
    played = PlayedMineru()
    played.pending = 1
    with serving(played) as url:
        CHECKS[1](lambda: MineruEngine(MineruSettings(url=url)), tmp_path)
    assert ("POST", "/v1/tasks") in played.asked


@pytest.fixture(scope="module")
def real_engine(own_server: Callable[[str], Server]) -> Iterator[MineruEngine]:
    """On a server of tier `flash`, as `medkg services up mineru` starts it."""
    server = own_server("mineru")
    engine = MineruEngine(MineruSettings(url=server.environment["MK_MINERU__URL"]))
    yield engine
    engine.close()


@real
def test_a_real_server_passes_the_kit(real_engine: MineruEngine, tmp_path: Path) -> None:
    settings = real_engine._settings
    for check in CHECKS:
        check(lambda: MineruEngine(settings), tmp_path)


@real
def test_a_real_server_reads_what_was_recorded(real_engine: MineruEngine, tmp_path: Path) -> None:
    (tmp_path / "sample.pdf").write_bytes(sample())
    layout = real_engine.read(tmp_path / "sample.pdf")
    check_layout(layout)
    assert [block.kind for block in layout.blocks][:2] == [LayoutKind.TITLE, LayoutKind.AUTHORS]
    (table,) = [block for block in layout.blocks if block.kind is LayoutKind.TABLE]
    assert (table.label, table.cells[4].text) == ("Table 1", "20")


@real
def test_articles_of_publishers_become_documents(real_engine: MineruEngine, test_data: Path) -> None:
    """All of them: `MK_REAL_MINERU_FILES=40`; a few by default."""
    for path in sorted((test_data / "pdf").glob("*.pdf"), key=lambda path: path.stat().st_size)[:FILES]:
        layout = real_engine.read(path)
        check_layout(layout)
        stored = StoredPdf(object_key="k", sha256="0" * 64, size_bytes=1, asset=PdfAsset(url=path.as_uri()))
        document = document_from_layout(layout, stored, doc_id=f"local:{path.stem}", source="local", parsed_at=datetime.now(UTC))
        assert document.metadata["pdf"]["engine"] == "mineru"
        assert len(document.text.split()) > 1000, path.name
        assert len(document.sections) > 3, path.name

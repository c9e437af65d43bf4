"""The settings name the engine that reads PDFs, and what one file may cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import PdfLimitError
from Medical_KG_rev.models import Caller
from Medical_KG_rev.parsing.pdf.engines import limits_of, local_engine, open_pdf_engine
from Medical_KG_rev.parsing.pdf.isolation import IsolatedEngine
from Medical_KG_rev.parsing.pdf.limits import PdfLimits
from Medical_KG_rev.parsing.pdf.mineru import MineruEngine
from Medical_KG_rev.settings import Settings, settings_from
from Medical_KG_rev.settings_pdf import PdfSettings
from Medical_KG_rev.testing.pdf import PASSWORD, article
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.component


class Direct:
    def call(self, request: Callable[[], Any]) -> Any:
        return request()


def no_caller(policy: str) -> Caller:
    raise AssertionError(f"an engine of this machine asks nobody; got {policy}")


def test_settings_and_limits_have_the_same_defaults() -> None:
    assert limits_of(PdfSettings()) == PdfLimits()


def test_the_engine_of_this_machine_reads_in_a_process_of_its_own(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "article.pdf"
    path.write_bytes(article()[0])
    engine = open_pdf_engine(settings, no_caller)
    layout = engine.read(path)
    assert isinstance(engine, IsolatedEngine)
    assert layout.engine == engine.name == "local"
    assert layout.engine_version == engine.version
    assert layout == local_engine({}).read(path)
    engine.close()


def test_passwords_and_limits_of_the_settings_reach_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MK_PDF__PASSWORDS", f'["open", "{PASSWORD}"]')
    monkeypatch.setenv("MK_PDF__MAX_PAGES", "2")
    settings = settings_from({"data_dir": tmp_path})
    hidden, long = tmp_path / "hidden.pdf", tmp_path / "long.pdf"
    hidden.write_bytes(text_pdf([Page([Line(50, 700, "A line that was hidden.")])], password=PASSWORD))
    long.write_bytes(text_pdf([Page()] * 3))
    engine = open_pdf_engine(settings, no_caller)
    assert "was hidden" in engine.read(hidden).blocks[0].text
    with pytest.raises(PdfLimitError, match="has 3 pages; at most 2"):
        engine.read(long)
    engine.close()


def test_passwords_travel_to_a_process_of_ours_and_into_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MK_PDF__PASSWORDS", '["sesame-1", "sesame-2"]')
    settings = Settings()
    assert settings.plain()["pdf"]["passwords"] == ["sesame-1", "sesame-2"]
    assert {"sesame-1", "sesame-2"} <= set(settings.secrets())
    assert "sesame" not in repr(settings)


def test_recognition_is_part_of_what_tells_parses_apart(make_settings: Callable[..., Settings]) -> None:
    pytest.importorskip("rapidocr")
    plain, recognising = (open_pdf_engine(make_settings(pdf=PdfSettings(ocr=ocr)), no_caller) for ocr in ("off", "rapidocr"))
    assert recognising.fingerprint.startswith(f"{plain.fingerprint}+rapidocr-")
    plain.close()
    recognising.close()


def test_a_server_is_asked_under_its_policy() -> None:
    asked: list[str] = []

    def caller_for(policy: str) -> Caller:
        asked.append(policy)
        return Direct()

    settings = settings_from({"pdf": {"engine": "mineru"}, "mineru": {"url": "http://127.0.0.1:1"}})
    engine = open_pdf_engine(settings, caller_for)
    assert isinstance(engine, MineruEngine)
    assert asked == [settings.mineru.policy]
    engine.close()

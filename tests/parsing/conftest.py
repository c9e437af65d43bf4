"""Invented articles for the JATS tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from Medical_KG_rev.models import Document, RawPayload
from Medical_KG_rev.parsing.jats import parse

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
SAMPLE = Path(__file__).with_name("jats_sample.xml")
ARTICLE = (
    '<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>'
    '<article-id pub-id-type="pmcid">PMC9900002</article-id>'
    "<title-group><article-title>Invented</article-title></title-group>{meta}</article-meta></front>"
    "<body>{body}</body><back>{back}</back></article>"
)


def jats(content: bytes | str, source_id: str = "sample.xml", source: str = "local") -> RawPayload:
    body = content.encode() if isinstance(content, str) else content
    return RawPayload(
        source=source, source_id=source_id, format="jats-xml", content=body, uri=f"file:///{source_id}", adapter_version="local-9"
    )


@pytest.fixture
def jats_payload() -> Callable[..., RawPayload]:
    """Builds a payload from XML."""
    return jats


@pytest.fixture(scope="session")
def sample_xml() -> bytes:
    return SAMPLE.read_bytes()


@pytest.fixture(scope="session")
def sample(sample_xml: bytes) -> Document:
    return parse(jats(sample_xml), parsed_at=PARSED_AT)


@pytest.fixture(scope="session")
def sample_words(sample_xml: bytes) -> list[str]:
    """Words of the sample's running text, found without an XML parser; TeX, ORCIDs (annotated)
    and words with markup inside are left out."""
    text = re.sub(
        r"<tex-math>.*?</tex-math>|<contrib-id.*?</contrib-id>|<!.*?>|<\?.*?\?>|<fn\b|wild<italic>type|<bold>com</bold>mon",
        " ",
        sample_xml.decode(),
    )
    return re.findall(r"[^\W\d_]{4,}", re.sub(r"<[^>]+>", " ", text))


@pytest.fixture
def wrap_meta() -> Callable[[str], Document]:
    """An article with more front matter."""
    return lambda meta: parse(jats(ARTICLE.format(meta=meta, body="<p>x</p>", back="")), parsed_at=PARSED_AT)


@pytest.fixture
def wrap_body() -> Callable[[str], Document]:
    return lambda body: parse(jats(ARTICLE.format(meta="", body=body, back="")), parsed_at=PARSED_AT)


@pytest.fixture
def wrap_back() -> Callable[[str], Document]:
    return lambda back: parse(jats(ARTICLE.format(meta="", body="<p>x</p>", back=back)), parsed_at=PARSED_AT)

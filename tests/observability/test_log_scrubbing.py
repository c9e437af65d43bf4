"""What must never come out of a log, in the shapes in which it gets in."""

from __future__ import annotations

import io
import json
import logging
import string
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.observability import Scrubber, configure_logging

pytestmark = pytest.mark.unit

UNQUOTED = st.text(string.ascii_letters + string.digits + "!#$%*+-./:;<=>?@^_~,()[]{}", min_size=8, max_size=40).map("Zq".__add__)
ENCODED = st.text(string.ascii_letters + string.digits + "-._~%", min_size=8, max_size=40).map("Zq".__add__)
QUOTED = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), min_size=8, max_size=40).map("Zq".__add__)

NAMES = (
    "api_key",
    "X-Api-Key",
    "token",
    "access_token",
    "password",
    "client_secret",
    "AWS_SECRET_ACCESS_KEY",
    "db.passwd",
    "Cookie",
)

UNQUOTED_SHAPES = (
    "Authorization: Bearer {}",
    "Proxy-Authorization: Basic {}",
    "authorization={} and more",
    "{name}={}",
    "{name}: {}",
    "call with --{name} {} now",
    "the password is {}",
    "POST failed (Bearer {})",
)
ENCODED_SHAPES = (
    "GET https://host.example/v1?x=1&{name}={}&y=2 answered 500",
    "https://user:{}@host.example:8443/path",
    "postgresql+psycopg2://medkg:{}@127.0.0.1:5432/ledger",
    "amqp://{}@host",
    "https://host.example/?key={}",
)


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Logs go to a buffer as JSON; calling gives what is in it."""
    stream = io.StringIO()
    handler = configure_logging(stream, json=True)
    yield stream.getvalue
    logging.getLogger().removeHandler(handler)


def pieces(secret: str) -> Iterator[str]:
    """The secret, its halves, and how JSON and Python write it."""
    for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
        yield from (form, form[: len(form) // 2 + 1], form[len(form) // 2 - 1 :])


def own_record(stream: io.StringIO) -> dict[str, Any]:
    """The one record of this test: threads of other tests may log to the same root."""
    (record,) = (each for each in map(json.loads, stream.getvalue().splitlines()) if each["logger"] == "Medical_KG_rev.test")
    return record


def assert_gone(secret: str, written: str, given: str = "") -> None:
    """A piece may stand in the line only if it also stands in what the line says besides the secret."""
    written = written.replace("[redacted]", "").replace("[email]", "")
    for piece in pieces(secret):
        assert len(piece) < 4 or piece in given or piece not in written, (piece, written)


@given(secret=UNQUOTED, name=st.sampled_from(NAMES), shape=st.sampled_from(UNQUOTED_SHAPES))
def test_a_planted_secret_never_comes_out(secret: str, name: str, shape: str) -> None:
    if "Bearer {})" in shape:
        secret = secret.replace(",", "").replace(";", "")
    if shape.startswith(("{name}", "call")):
        secret = secret.replace("&", "")
    assert_gone(secret, Scrubber().text(shape.format(secret, name=name)), shape.format("", name=name))


@given(secret=ENCODED, name=st.sampled_from(NAMES[:-1]), shape=st.sampled_from(ENCODED_SHAPES))
def test_a_planted_secret_never_comes_out_of_an_address(secret: str, name: str, shape: str) -> None:
    assert_gone(secret, Scrubber().text(shape.format(secret, name=name)), shape.format("", name=name))


@given(secret=QUOTED, name=st.sampled_from(NAMES), cut=st.booleans())
def test_a_planted_secret_never_comes_out_of_quotes(secret: str, name: str, cut: bool) -> None:
    as_json = json.dumps({"id": 1, name: secret, "after": "kept"})
    as_repr = repr({"id": 1, name: secret})
    headers = repr([(name, secret), ("Accept", "text")])
    for text in (as_json, as_repr, headers, f"body {as_repr}"):
        shortened = text[: text.index("Zq") + len(secret) - 2] if cut else text
        assert_gone(
            secret, Scrubber().text(shortened), text.replace(json.dumps(secret)[1:-1], "").replace(repr(secret)[1:-1], "")
        )


@given(secret=QUOTED)
def test_a_known_secret_never_comes_out_whatever_its_shape(secret: str) -> None:
    stream = io.StringIO()
    handler = configure_logging(stream, json=True, secrets=[secret])
    try:
        logging.getLogger("Medical_KG_rev.test").info("left %s right", secret, extra={"seen": [secret, {"deep": secret}]})
        assert own_record(stream)["message"] == "left [redacted] right"
        assert_gone(secret, stream.getvalue(), "left [redacted] right")
    finally:
        logging.getLogger().removeHandler(handler)


@given(secret=UNQUOTED.map(lambda text: text.replace("&", "")))
def test_a_planted_secret_never_comes_out_of_an_exception(secret: str) -> None:
    stream = io.StringIO()
    handler = configure_logging(stream, json=True)
    try:
        try:
            try:
                raise ConnectionError(f"401 for Authorization: Bearer {secret}")
            except ConnectionError as error:
                raise ExceptionGroup("both", [ValueError(f"token={secret}"), KeyError(f"password={secret}")]) from error
        except ExceptionGroup:
            logging.getLogger("Medical_KG_rev.test").exception("failed")
        described = own_record(stream)["exception"]
        assert described["cause"]["type"] == "ConnectionError"
        assert [each["type"] for each in described["exceptions"]] == ["ValueError", "KeyError"]
        assert secret not in stream.getvalue()
    finally:
        logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[redacted]"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_1 end", "jwt [redacted] end"),
        ("glpat-" + "x1" * 10 + " and sk-" + "y2" * 12, "[redacted] and [redacted]"),
        ("postgresql://medkg:pa/ss@db:5432/ledger", "postgresql://[redacted]@db:5432/ledger"),
        ("sent by jane.doe+trial@clinic.example.org, today", "sent by [email], today"),
        ("?mailto=jane%40clinic.org&x=1", "?mailto=[email]&x=1"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n-----END RSA PRIVATE KEY----- after", "[redacted] after"),
    ],
)
def test_keys_and_addresses_are_known_by_their_shape(text: str, scrubbed: str) -> None:
    assert Scrubber().text(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "stage chunk of batch 01JD finished: 500 documents, max_tokens=384, tokens: 256",
        "artifact da39a3ee5e6b4b0d3255bfef95601890afd80709 key=tenants/default/x",
        "https://host.example:8443/studies?query=aspirin&page=2",
        "clinicaltrials:NCT04267848 has 12 sections; the tokenizer is bge-small",
        "basic characteristics of bearer-free text at 5 mg/kg",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert Scrubber().text(text) == text


def test_values_under_a_secret_name_are_replaced_whole(logged: Callable[[], str]) -> None:
    extra = {"request": {"headers": {"x-api-key": ["a", "b"], "accept": "json"}, "password": None}, "tokens": 12}
    logging.getLogger("Medical_KG_rev.test").info("sent", extra=extra)
    line = json.loads(logged())
    assert line["request"] == {"headers": {"x-api-key": "[redacted]", "accept": "json"}, "password": "[redacted]"}
    assert line["tokens"] == 12


@pytest.mark.parametrize(
    "hostile",
    ["secret" * 20_000, "://:x" * 20_000, "a." * 50_000, "a@" * 50_000, "token " * 20_000, "\\" * 100_000, "'" * 100_000],
)
def test_hostile_text_is_scrubbed_in_linear_time(hostile: str) -> None:
    started = time.perf_counter()
    Scrubber().text(hostile)
    assert time.perf_counter() - started < 5

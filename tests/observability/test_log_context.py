"""Log lines carry the fields of what is going on, are whole, and never break what they report."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest

from Medical_KG_rev.errors import RateLimitedError
from Medical_KG_rev.observability import configure_logging, current_log_context, log_context

pytestmark = pytest.mark.unit

logger = logging.getLogger("Medical_KG_rev.orchestration.stages")


@pytest.fixture
def stream() -> io.StringIO:
    """Where JSON logs go during the test."""
    return io.StringIO()


@pytest.fixture(autouse=True)
def handler(stream: io.StringIO) -> Iterator[logging.Handler]:
    """The one that writes there."""
    handler = configure_logging(stream, json=True)
    yield handler
    logging.getLogger().removeHandler(handler)


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    """For the handler alone: those of pytest raise what a record raises."""
    return logging.makeLogRecord({"name": logger.name, "msg": message, "args": args, **extra})


@pytest.fixture
def lines(stream: io.StringIO) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [json.loads(line) for line in stream.getvalue().split("\n") if line]


def test_b9_a_stage_logs_json_with_its_job_tenant_stage_pipeline_and_run(lines: Callable[[], list[dict[str, Any]]]) -> None:
    fields = {
        "correlation_id": "sub-1",
        "job_id": "job-1",
        "tenant_id": "default",
        "stage": "chunk",
        "pipeline": "auto",
        "dagster_run_id": "run-1",
    }
    with log_context(batch_id="batch-1", **fields):
        logger.info("made %d chunks", 42)
    (line,) = lines()
    assert fields.items() <= line.items()
    assert (line["message"], line["level"], line["logger"], line["batch_id"]) == (
        "made 42 chunks",
        "info",
        logger.name,
        "batch-1",
    )
    assert line["time"].endswith("Z")


def test_contexts_nest_and_end(lines: Callable[[], list[dict[str, Any]]]) -> None:
    with log_context(tenant_id="a", stage="parse"):
        with log_context(stage="chunk", tenant_id=None):
            assert current_log_context() == {"stage": "chunk"}
            logger.info("inside")
        logger.info("outside")
    logger.info("after")
    inside, outside, after = lines()
    assert (inside["stage"], inside.get("tenant_id")) == ("chunk", None)
    assert (outside["stage"], outside["tenant_id"]) == ("parse", "a")
    assert "stage" not in after


def test_the_context_ends_with_an_error() -> None:
    with pytest.raises(ValueError, match="x"), log_context(stage="chunk"):
        raise ValueError("x")
    assert current_log_context() == {}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match=r"stge.*correlation_id"), log_context(stge="chunk"):
        pass


def test_a_thread_with_a_copy_of_the_context_has_the_fields(lines: Callable[[], list[dict[str, Any]]]) -> None:
    with log_context(job_id="job-7"):
        context = copy_context()
        threads = [
            threading.Thread(target=context.run, args=(logger.info, "with")),
            threading.Thread(target=logger.info, args=("without",)),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    with_copy, without = lines()
    assert with_copy["job_id"] == "job-7"
    assert "job_id" not in without


def test_an_exception_is_structured_with_its_code_stack_and_causes(lines: Callable[[], list[dict[str, Any]]]) -> None:
    def ask() -> None:
        raise RateLimitedError("Too many requests.", source="openalex")

    try:
        try:
            ask()
        except RateLimitedError as error:
            raise RuntimeError("the stage failed") from error
    except RuntimeError:
        logger.exception("failed")
    described = lines()[0]["exception"]
    assert (described["type"], described["message"]) == ("RuntimeError", "the stage failed")
    cause = described["cause"]
    assert (cause["type"], cause["code"]) == ("Medical_KG_rev.errors.RateLimitedError", "rate_limited")
    assert cause["stack"][-1]["function"] == "ask"
    assert cause["stack"][-1]["line"] > 0


def test_causes_in_a_circle_end(lines: Callable[[], list[dict[str, Any]]]) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    logger.error("failed", exc_info=first)
    assert lines()[0]["exception"]["cause"]["message"] == "second"


def test_every_record_is_one_line_of_valid_json(handler: logging.Handler, lines: Callable[[], list[dict[str, Any]]]) -> None:
    odd: dict[str, Any] = {"not_a_number": float("nan"), "bytes": b"\xff", "deep": [[[[[[[["end"]]]]]]]], "self": None}
    odd["self"] = odd
    handler.handle(record("two\nlines \u2028 and \x00", **odd))
    handler.handle(record("too few %s %s", "arguments"))
    first, second = lines()
    assert first["message"] == "two\nlines \u2028 and \x00"
    assert first["not_a_number"] == "nan"
    assert second["message"] == "too few %s %s ('arguments',)"


def test_a_record_that_cannot_be_written_shows_nothing_of_itself(
    handler: logging.Handler, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    class Secretive:
        def __str__(self) -> str:
            raise RuntimeError("token=abcdef")

    handler.handle(record("value %s", Secretive()))
    assert stream.getvalue() == ""
    assert capsys.readouterr().err == f"A log record of {logger.name} could not be written: RuntimeError.\n"


def test_text_for_people_has_the_fields_and_is_scrubbed() -> None:
    stream = io.StringIO()
    handler = configure_logging(stream, json=False)
    try:
        with log_context(stage="embed", job_id="job-1"):
            try:
                raise ValueError("password=hunter2")
            except ValueError:
                logger.exception("sent by a@b.org\nforged line")
        text = stream.getvalue()
        assert "ERROR Medical_KG_rev.orchestration.stages: sent by [email]" in text
        assert "[stage=embed job_id=job-1]" in text
        assert "ValueError: password=[redacted]" in text
        assert all(line.startswith("  ") for line in text.splitlines()[1:])
    finally:
        logging.getLogger().removeHandler(handler)


def test_a_second_call_replaces_the_first_and_keeps_foreign_handlers() -> None:
    foreign = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(foreign)
    first, second = io.StringIO(), io.StringIO()
    configure_logging(first, json=True)
    handler = configure_logging(second, json=True, level="WARNING")
    try:
        logger.info("too quiet")
        logger.warning("heard")
        assert first.getvalue() == ""
        assert [json.loads(line)["message"] for line in second.getvalue().splitlines()] == ["heard"]
        assert foreign in root.handlers
    finally:
        root.removeHandler(handler)
        root.removeHandler(foreign)
        logging.getLogger("Medical_KG_rev").setLevel(logging.NOTSET)

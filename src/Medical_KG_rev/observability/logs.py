"""Log lines that say which job, stage and run they belong to, and give no secret away.

The fields travel in a context variable: a thread or task that starts with a copy of the context has them too.
"""

from __future__ import annotations

import json as json_module
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from Medical_KG_rev.observability.scrub import Scrubber

__all__ = ["CONTEXT_FIELDS", "JsonFormatter", "TextFormatter", "configure_logging", "current_log_context", "log_context"]

CONTEXT_FIELDS = ("correlation_id", "job_id", "tenant_id", "stage", "pipeline", "batch_id", "dagster_run_id")
PACKAGE = "Medical_KG_rev"
MAX_CAUSES = 10
"""Of a chain of causes."""
MAX_FRAMES = 50
"""Of one stack: the innermost."""

_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 - never changed in place
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextmanager
def log_context(**fields: str | None) -> Iterator[None]:
    """Adds fields to every line that is logged inside; None takes a field away.

    Raises:
        TypeError: not one of ``CONTEXT_FIELDS``.
    """
    unknown = fields.keys() - set(CONTEXT_FIELDS)
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))}: not a field of the log context; those are {', '.join(CONTEXT_FIELDS)}")
    merged = {**_context.get(), **fields}
    token = _context.set({name: value for name, value in merged.items() if value is not None})
    try:
        yield
    finally:
        _context.reset(token)


def current_log_context() -> Mapping[str, str]:
    """The fields of this moment, for events and errors that are to carry the same."""
    return _context.get()


class JsonFormatter(logging.Formatter):
    """One line of JSON a record: time, level, logger, message, context fields, extras, exception."""

    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__()
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._scrubber.text(_message(record)),
            **self._scrubber.value(_context.get()),
        }
        extras = {name: value for name, value in vars(record).items() if name not in _RESERVED}
        line.update({name: value for name, value in self._scrubber.value(extras).items() if name not in line})
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = self._exception(record.exc_info[1], set())
        if record.stack_info:
            line["stack"] = self._scrubber.text(record.stack_info)
        return json_module.dumps(line, ensure_ascii=False, allow_nan=False, default=str)

    def _exception(self, error: BaseException, seen: set[int]) -> dict[str, Any]:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        described: dict[str, Any] = {
            "type": f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
            "message": self._scrubber.text(_text_of(error)),
            "stack": [{"file": frame.filename, "line": frame.lineno, "function": frame.name} for frame in frames],
        }
        if isinstance(code := getattr(type(error), "code", None), str):
            described["code"] = code
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None and id(cause) not in seen and len(seen) < MAX_CAUSES:
            described["cause"] = self._exception(cause, seen)
        if isinstance(error, BaseExceptionGroup):
            inner = [each for each in error.exceptions if id(each) not in seen][: max(0, MAX_CAUSES - len(seen))]
            described["exceptions"] = [self._exception(each, seen) for each in inner]
        return described


class TextFormatter(logging.Formatter):
    """Lines for people: time, level, logger, message, then the context fields in brackets."""

    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__()
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _context.get().items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_message(record)}{f' [{fields}]' if fields else ''}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            line += "\n" + record.stack_info
        return self._scrubber.text(line).replace("\r", "\\r").replace("\n", "\n  ")


class _ScrubbedHandler(logging.StreamHandler[TextIO]):
    """A handler that says so when a record cannot be written, without showing what was in it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        error = sys.exc_info()[0]
        try:
            sys.stderr.write(f"A log record of {record.name} could not be written: {error.__name__ if error else 'unknown'}.\n")
        except (OSError, ValueError):
            return  # stderr is gone as well


def configure_logging(
    stream: TextIO, *, json: bool, level: int | str = logging.INFO, secrets: Iterable[str] = ()
) -> logging.Handler:
    """Sends the logs of this process to the stream, scrubbed; a second call replaces the first.

    Args:
        stream: takes one record a line.
        json: lines of JSON for machines, else text for people.
        level: of our own loggers; those of libraries report from WARNING on.
        secrets: values of the configuration that must never be written, in whatever shape they turn up.
    """
    scrubber = Scrubber(secrets)
    handler = _ScrubbedHandler(stream)
    handler.setFormatter(JsonFormatter(scrubber) if json else TextFormatter(scrubber))
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, _ScrubbedHandler):
            root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger(PACKAGE).setLevel(level)
    return handler


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    """The message, also where its arguments do not fit it."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError, IndexError):
        return f"{record.msg} {record.args!r}"


def _text_of(error: BaseException) -> str:
    """What the error says. Of a key error, the bare message instead of its quoted form."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)

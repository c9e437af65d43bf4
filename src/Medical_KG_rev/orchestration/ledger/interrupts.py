"""Interrupts that strike in a transaction on SQLite."""

from __future__ import annotations

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext


def outlive_interrupts(engine: Engine) -> None:
    """A connection that KeyboardInterrupt strikes is rolled back and kept.

    SQLAlchemy would take it for lost and close it. SQLite, however, keeps a closed connection with its transaction, and so the
    write lock of the file, until its last statement has ended (https://www.sqlite.org/c3ref/close.html), and the traceback of the
    interrupt holds on to that: this process would wait for itself, and others for it.
    """

    @event.listens_for(engine, "handle_error")
    def _keep(context: ExceptionContext) -> None:
        if not isinstance(context.original_exception, Exception):
            context.is_disconnect = False

"""What the errors of database drivers mean for the ledger."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from Medical_KG_rev.errors import LedgerAccessError, LedgerUnavailableError, MedicalKGError, StorageFullError, StoreCorruptError

PASSING_CODES = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300"})
"""SQLSTATE of serialisation failures, deadlocks, lock timeouts, shutdown, crash, start-up and too many connections
(PostgreSQL documentation, appendix A)."""
REFUSED_CODES = frozenset({"28000", "28P01", "3D000", "42501"})
REFUSED_WORDS = ("authentication failed", "no pg_hba.conf entry", "permission denied", "no password supplied")
"""psycopg2 gives no SQLSTATE where the connection itself is refused."""
CORRUPT_WORDS = ("file is not a database", "database disk image is malformed")
FULL_WORDS = ("database or disk is full", "no space left on device")


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed a moment later."""
    if not isinstance(error, DBAPIError) or is_refusal(error):
        return False
    if _code(error) in PASSING_CODES or error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError):
        return False
    words = str(error.orig)
    return "psycopg2" in type(error.orig).__module__ and not _code(error) and "does not exist" not in words


def is_refusal(error: DBAPIError) -> bool:
    """Whether the server will not have this user, or not let them do that."""
    words = str(error.orig)
    return _code(error) in REFUSED_CODES or any(word in words for word in REFUSED_WORDS)


def as_ledger_error(error: DBAPIError, url: URL) -> MedicalKGError:
    """The named error. The address in it has no password."""
    where = url.render_as_string(hide_password=True)
    words = " ".join(str(error.orig).split())
    if is_refusal(error) or "does not exist" in words:
        return LedgerAccessError(
            f"The ledger's database {where} refuses: {words}",
            remedy="Check user, password, database and rights (MK_DATABASE__URL).",
        )
    if any(word in words for word in CORRUPT_WORDS):
        return StoreCorruptError(
            f"{url.database} is no ledger: {words}.", remedy="Move the file away, or restore it from a backup.", path=url.database
        )
    if any(word in words.lower() for word in FULL_WORDS):
        return StorageFullError(f"The ledger cannot write: {words}.", remedy="Make room and give the same command again.")
    return LedgerUnavailableError(
        f"The ledger's database {where} does not answer: {words}",
        remedy="`medkg doctor` checks it; the same command goes on later.",
    )


def _code(error: DBAPIError) -> str | None:
    code: str | None = getattr(error.orig, "pgcode", None)
    return code

"""What an error of Dagster's own storage means: the border at which it becomes one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from Medical_KG_rev.errors import LedgerAccessError, MedicalKGError, StoreUnavailableError
from Medical_KG_rev.orchestration.ledger.faults import is_passing, is_refusal


@contextmanager
def named_faults() -> Iterator[None]:
    """Raises what the database behind Dagster's history has done as a named error; other errors pass.

    Raises:
        StoreUnavailableError: it is away, or too busy to answer: the same call may succeed later.
        LedgerAccessError: it refuses the login, or the right to write.
    """
    try:
        yield
    except MedicalKGError:
        raise
    except Exception as error:
        named = as_store_error(error)
        if named is None:
            raise
        raise named from error


def as_store_error(error: BaseException) -> MedicalKGError | None:
    """The named error, None where the database has nothing to do with it. Dagster wraps what it met, so causes are looked at."""
    fault = _database_fault(error)
    if fault is None:
        return None
    words = " ".join(str(fault.orig if isinstance(fault, DBAPIError) else fault).split())
    if isinstance(fault, DBAPIError) and is_refusal(fault):
        return LedgerAccessError(
            f"The database of Dagster's history refuses: {words}",
            remedy="Check user, password, database and rights (MK_DAGSTER__POSTGRES_URL, or else MK_DATABASE__URL).",
        )
    return StoreUnavailableError(
        f"Dagster's history cannot be reached: {words}", remedy="`medkg doctor` checks it; nothing is lost, the batch waits."
    )


def _database_fault(error: BaseException) -> SQLAlchemyError | None:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, PoolTimeoutError | OperationalError):
            return current
        if isinstance(current, DBAPIError) and (is_passing(current) or is_refusal(current)):
            return current
        current = current.__cause__ or current.__context__
    return None

"""Whether new work is taken, and whether workers may take batches."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from Medical_KG_rev.errors import QueueSaturatedError
from Medical_KG_rev.orchestration.ledger.audit import AuditTrail
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.records import AuditEntry
from Medical_KG_rev.orchestration.ledger.rows import upsert
from Medical_KG_rev.orchestration.ledger.schema import gates

ADMISSION, LEASING = "admission", "leasing"


class QueueGate(msgspec.Struct, frozen=True):
    """One of the two switches of the queue, closed since ``changed_at`` for ``reason``."""

    name: str
    closed: bool
    reason: str
    changed_at: float


class QueueGates:
    """``admission``: new submissions are taken. ``leasing``: workers take batches. Both are open unless somebody closed them."""

    def __init__(self, database: Database, audit: AuditTrail) -> None:
        self._database = database
        self._audit = audit

    def set(self, name: str, *, closed: bool, actor: str, reason: str = "") -> None:
        """Closes or opens a switch, for all workers and until it is set again."""

        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            values = {"closed": closed, "reason": reason, "changed_at": now}
            statement = upsert(gates, postgres=self._database.is_postgres).values(name=name, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
            action = f"queue.{name}.{'close' if closed else 'open'}"
            self._audit.append(
                connection, AuditEntry(at=now, tenant_id="", actor=actor, action=action, subject="queue", reason=reason)
            )

        self._database.write(work)

    def closed(self) -> dict[str, QueueGate]:
        """The switches that are closed."""
        return self._database.read(closed_gates)

    def admit(self, tenant_id: str, waiting: int, limit: int) -> None:
        """Lets a submission in.

        Raises:
            QueueSaturatedError: admission is paused, or the tenant has ``limit`` jobs waiting already.
        """
        gate = self.closed().get(ADMISSION)
        if gate is not None:
            raise QueueSaturatedError(
                f"New work is not taken at the moment{': ' + gate.reason if gate.reason else ''}.",
                remedy="`medkg queue resume` opens it again.",
                tenant_id=tenant_id,
            )
        if waiting >= limit:
            raise QueueSaturatedError(
                f"The queue is saturated: {waiting:,} jobs of tenant {tenant_id} wait already, and {limit:,} may.",
                remedy="Give the same command again when some are done, start more workers, or raise MK_QUEUE__MAX_WAITING.",
                tenant_id=tenant_id,
                waiting=waiting,
                limit=limit,
            )


def closed_gates(connection: Connection) -> dict[str, QueueGate]:
    """Inside a transaction: the switches that are closed."""
    rows = connection.execute(select(gates).where(gates.c.closed.is_(True))).mappings()
    return {row["name"]: QueueGate(**row) for row in rows}

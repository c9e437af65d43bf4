"""What was done by hand, for ever."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, insert, select

from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.records import AuditEntry
from Medical_KG_rev.orchestration.ledger.schema import audit


class AuditTrail:
    """Appends and reads; nothing is ever changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, connection: Connection, entry: AuditEntry) -> None:
        """Part of the transaction that does what the entry says."""
        connection.execute(insert(audit), [msgspec.structs.asdict(entry)])

    def write(self, entry: AuditEntry) -> None:
        """An entry that comes with no other change of the ledger."""
        self._database.write(lambda connection: self.append(connection, entry))

    def entries(self, tenant_id: str, *, subject: str | None = None, limit: int = 100) -> list[AuditEntry]:
        """Newest first."""
        columns = [audit.c[name] for name in AuditEntry.__struct_fields__]
        query = select(*columns).where(audit.c.tenant_id == tenant_id)
        if subject is not None:
            query = query.where(audit.c.subject == subject)
        query = query.order_by(audit.c.audit_id.desc()).limit(limit)
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [AuditEntry(**row) for row in rows]

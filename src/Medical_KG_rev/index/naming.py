"""What a tenant is called where folders, indexes and keys are named after it."""

from __future__ import annotations

import hashlib
import re


def tenant_name(tenant_id: str) -> str:
    """Readable, and never that of another tenant: the digest tells ``A.B`` from ``a-b``. Lower case, at most 53 characters."""
    slug = re.sub(r"[^a-z0-9]+", "-", tenant_id.lower()).strip("-")[:40] or "tenant"
    return f"{slug}-{tenant_digest(tenant_id)}"


def tenant_digest(tenant_id: str) -> str:
    """Twelve hexadecimal digits of the tenant's id."""
    return hashlib.sha256(tenant_id.encode()).hexdigest()[:12]

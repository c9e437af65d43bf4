"""One query as it is asked of a retriever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index.filters import Filter
from Medical_KG_rev.index.legs import LEGS
from Medical_KG_rev.index.ranking import DEEPEST

MAX_CHARACTERS = 100_000
"""What follows in a longer query is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """See :meth:`Retriever.search` for what the fields mean. ``legs`` are in the order of :data:`LEGS`; None: what there is."""

    tenant_id: str
    text: str
    k: int
    legs: tuple[str, ...] | None
    wanted: Filter
    offset: int
    generation: int | None
    collapse: bool
    highlight: bool
    explain: bool
    rerank: int

    @classmethod
    def checked(
        cls,
        tenant_id: str,
        text: str,
        *,
        k: int,
        legs: Sequence[str] | None,
        wanted: Filter,
        offset: int,
        generation: int | None,
        collapse: bool,
        highlight: bool,
        explain: bool,
        rerank: int,
    ) -> Query:
        """A query that makes sense. Its text is cut at :data:`MAX_CHARACTERS`, and can be written in UTF-8.

        Raises:
            UsageError: an unknown leg, no leg, or a page that cannot be had.
        """
        readable = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
        _check_page(k, offset)
        return cls(
            tenant_id=tenant_id,
            text=readable,
            k=k,
            legs=_checked(legs),
            wanted=wanted,
            offset=offset,
            generation=generation,
            collapse=collapse,
            highlight=highlight,
            explain=explain,
            rerank=rerank,
        )

    @property
    def depth(self) -> int:
        """The last place of the page."""
        return self.offset + self.k


def _checked(legs: Sequence[str] | None) -> tuple[str, ...] | None:
    if legs is None:
        return None
    unknown = [leg for leg in legs if leg not in LEGS]
    if unknown or not legs:
        raise UsageError(
            f"{unknown[0]!r} is not a search leg." if unknown else "No search leg is named.",
            remedy=f"Valid legs: {', '.join(LEGS)}.",
            valid=LEGS,
        )
    return tuple(leg for leg in LEGS if leg in legs)


def _check_page(k: int, offset: int) -> None:
    if k < 1:
        raise UsageError(f"The number of hits must be at least 1; got {k}.", remedy="Give -k 1 or more.")
    if offset < 0 or offset + k > DEEPEST:
        raise UsageError(
            f"Hits {offset + 1:,} to {offset + k:,} cannot be had: no search goes beyond {DEEPEST:,}.",
            remedy="A narrower query or a filter brings more to the front.",
        )

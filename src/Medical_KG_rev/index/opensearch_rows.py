"""The rows of one tenant in an OpenSearch index: every request that reads, counts, writes or removes some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from Medical_KG_rev.index.filters import NO_DAY, Filter
from Medical_KG_rev.index.naming import tenant_digest
from Medical_KG_rev.index.opensearch_client import LONG_SECONDS, Body, OpenSearchConnection, complete
from Medical_KG_rev.index.ports import Row, Scored

_PAGE = 10_000
"""Hits that the server gives at once."""
_LEXICONS = 10_000


@dataclass(frozen=True)
class TenantRows:
    """Rows of one lexicon, or with None of all lexicons, of one tenant. No request leaves here without the tenant.

    Attributes:
        is_alone: no other rows lie in the index.
    """

    connection: OpenSearchConnection
    index: str
    tenant_id: str
    lexicon: str | None
    is_alone: bool = False

    def query(self, scoring: Body | None = None, *filters: Body) -> Body:
        """A query for these rows alone, scored by ``scoring``. The only place where queries are made."""
        own = [{"term": {"tenant": self.tenant_id}}]
        if self.lexicon is not None:
            own.append({"term": {"lexicon": self.lexicon}})
        return {"bool": {"filter": [*own, *filters]} | ({"must": [scoring]} if scoring is not None else {})}

    # --- reading -----------------------------------------------------------------------------------------------------

    def best(self, scoring: Body, wanted: Filter, limit: int) -> Scored:
        """The best ``limit`` of the wanted rows; equal scores by vid.

        Where no others lie in the index, whose rows they are is asked of those that are found, and not of all that is scored: a
        filter that everything passes costs the sparse leg two fifths of its time.
        """
        body = {"query": self.query(scoring, *_clauses(wanted))}
        if self.is_alone:
            body = {"query": {"bool": {"must": [scoring], "filter": _clauses(wanted)}}, "post_filter": self.query()}
        hits = self._hits(body, [{"_score": "desc"}, {"vid": "asc"}], limit)
        return [(int(vid), float(score)) for score, vid in islice(hits, limit)]

    def vids(self) -> list[int]:
        """The vids of all rows, ascending."""
        return [int(vid) for (vid,) in self._hits({"query": self.query()}, [{"vid": "asc"}], _PAGE)]

    def count(self, generation: int) -> int:
        """How many rows a generation has, as of the last refresh."""
        query = self.query(None, {"term": {"generation": generation}})
        answer = self.connection.insist(
            lambda client: client.count(index=self.index, body={"query": query}, params={"routing": self.tenant_id})
        )
        return int(complete(answer, self.connection.url)["count"])

    def lexicons(self) -> list[str]:
        """The lexicons that have a row, as of the last refresh."""
        groups = {"lexicons": {"terms": {"field": "lexicon", "size": _LEXICONS}}}
        body = {"size": 0, "query": self.query(), "aggs": groups}
        answer = self._search(body, self.connection.insist)
        return sorted(bucket["key"] for bucket in answer["aggregations"]["lexicons"]["buckets"])

    def _hits(self, asked: Body, sort: list[Body], limit: int) -> Iterator[list[Any]]:
        """The sort values of the hits, page by page."""
        size = min(limit, _PAGE)
        body = asked | {"sort": sort, "size": size, "_source": False, "track_total_hits": False}
        while True:
            hits = self._search(body)["hits"]["hits"]
            yield from (hit["sort"] for hit in hits)
            if len(hits) < size:
                return
            body = body | {"search_after": hits[-1]["sort"]}

    def _search(self, body: Body, request: Callable[[Callable[[Any], Body]], Body] | None = None) -> Body:
        """The answer to a search, asked once unless ``request`` repeats it."""
        where = {"routing": self.tenant_id, "allow_partial_search_results": "false"}
        request = request or self.connection.ask
        answer = request(lambda client: client.search(index=self.index, body=body, params=where))
        return complete(answer, self.connection.url)

    # --- writing -----------------------------------------------------------------------------------------------------

    def add(self, generation: int, rows: Iterable[Row]) -> None:
        """Stores rows; raises as :meth:`OpenSearchConnection.bulk` does."""
        self.connection.bulk(self.index, (self._document(generation, row) for row in rows))

    def remove(self, vids: Iterable[int]) -> None:
        """Removes rows; those that are not there are no failure."""
        self.connection.bulk(
            self.index, ({"_op_type": "delete", "_id": self._key(vid), "routing": self.tenant_id} for vid in vids)
        )

    def remove_all(self, *filters: Body) -> None:
        """Removes the rows that meet the filters, staged ones included."""
        self.refresh()
        where = {"routing": self.tenant_id, "refresh": "true", "conflicts": "proceed", "request_timeout": LONG_SECONDS}
        answer = self.connection.insist(
            lambda client: client.delete_by_query(index=self.index, body={"query": self.query(None, *filters)}, params=where)
        )
        complete(answer, self.connection.url)

    def refresh(self) -> None:
        """Lets searches see what was written."""
        answer = self.connection.insist(
            lambda client: client.indices.refresh(index=self.index, params={"request_timeout": LONG_SECONDS})
        )
        complete(answer, self.connection.url)

    def _key(self, vid: int) -> str:
        """The ``_id`` of a row, unique over tenants and lexicons."""
        return f"{tenant_digest(self.tenant_id)}.{self.lexicon}.{vid}"

    def _document(self, generation: int, row: Row) -> Body:
        fields: Body = {
            "tenant": self.tenant_id,
            "lexicon": self.lexicon,
            "vid": row.vid,
            "generation": generation,
            "tokens": row.tokens,
            "facets": list(row.facets),
            "day": row.day,
        }
        if row.sparse is not None and len(row.sparse.terms):
            weights = zip(row.sparse.terms.tolist(), row.sparse.weights.tolist(), strict=True)
            fields["sparse"] = {str(term): weight for term, weight in weights}
        return {"_op_type": "index", "_id": self._key(row.vid), "routing": self.tenant_id, "_source": fields}


def _clauses(wanted: Filter) -> list[Body]:
    """The clauses of a filter; a row without a day is in no range of days."""
    clauses: list[Body] = [{"terms": {"facets": list(group)}} for group in wanted.facets]
    if wanted.first_day is not None or wanted.last_day is not None:
        ends = {"gte": max(wanted.first_day or 0, NO_DAY + 1)} | ({"lte": wanted.last_day} if wanted.last_day is not None else {})
        clauses.append({"range": {"day": ends}})
    return clauses

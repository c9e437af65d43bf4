"""An OpenAlex work, as far as it is read: both generations of the schema (`grants` of 2025, `funders` and `awards` of 2026).

Source: https://docs.openalex.org/api-entities/works/work-object. OpenAlex writes null for what it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Named(msgspec.Struct, frozen=True):
    """A thing of OpenAlex with its address as id."""

    id: str | None = None
    display_name: str | None = None


class Ids(msgspec.Struct, frozen=True):
    openalex: str | None = None
    doi: str | None = None
    pmid: str | None = None
    pmcid: str | None = None


class Author(Named, frozen=True):
    orcid: str | None = None


class Institution(Named, frozen=True):
    ror: str | None = None
    country_code: str | None = None


class Authorship(msgspec.Struct, frozen=True):
    author: Author | None = None
    institutions: list[Institution] | None = None
    raw_author_name: str | None = None
    raw_affiliation_strings: list[str] | None = None
    raw_orcid: str | None = None


class Venue(Named, frozen=True):
    host_organization_name: str | None = None


class Location(msgspec.Struct, frozen=True):
    source: Venue | None = None
    raw_source_name: str | None = None
    landing_page_url: str | None = None
    pdf_url: str | None = None
    license: str | None = None
    version: str | None = None


class OpenAccess(msgspec.Struct, frozen=True):
    is_oa: bool | None = None
    oa_status: str | None = None


class Biblio(msgspec.Struct, frozen=True):
    volume: str | None = None
    issue: str | None = None
    first_page: str | None = None
    last_page: str | None = None


class Scored(Named, frozen=True):
    score: float | None = None


class Topic(Scored, frozen=True):
    subfield: Named | None = None
    field: Named | None = None
    domain: Named | None = None


class MeshHeading(msgspec.Struct, frozen=True):
    descriptor_ui: str | None = None
    descriptor_name: str | None = None
    qualifier_name: str | None = None
    is_major_topic: bool | None = None


class Funder(Named, frozen=True):
    ror: str | None = None


class Award(msgspec.Struct, frozen=True):
    display_name: str | None = None
    funder_award_id: str | None = None
    funder_id: str | None = None
    funder_display_name: str | None = None


class Grant(msgspec.Struct, frozen=True):
    funder: str | None = None
    funder_display_name: str | None = None
    award_id: str | None = None


class Work(msgspec.Struct, frozen=True):
    id: str | None = None
    doi: str | None = None
    title: str | None = None
    display_name: str | None = None
    publication_year: Number | None = None
    publication_date: str | None = None
    ids: Ids | None = None
    language: str | None = None
    type: str | None = None
    primary_location: Location | None = None
    best_oa_location: Location | None = None
    open_access: OpenAccess | None = None
    authorships: list[Authorship] | None = None
    cited_by_count: Number | None = None
    biblio: Biblio | None = None
    is_retracted: bool | None = None
    topics: list[Topic] | None = None
    keywords: list[Scored] | None = None
    concepts: list[Scored] | None = None
    mesh: list[MeshHeading] | None = None
    sustainable_development_goals: list[Named] | None = None
    funders: list[Funder] | None = None
    awards: list[Award] | None = None
    grants: list[Grant] | None = None
    referenced_works: list[str] | None = None
    abstract_inverted_index: dict[str, list[Number]] | None = None
    abstract_inverted_index_v3: dict[str, list[Number]] | None = None
    updated_date: str | None = None
    results: Any = None
    """Only in a page of works; by it one is known."""

"""Who runs a study, where, when, and what it refers to."""

from __future__ import annotations

import re

from Medical_KG_rev.models import SectionKind
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.ctgov.labels import readable, readable_all, yes_no
from Medical_KG_rev.parsing.ctgov.markup import prose, unescape
from Medical_KG_rev.parsing.ctgov.protocol_schema import (
    Contact,
    ContactsLocationsModule,
    DateStruct,
    IpdSharingStatementModule,
    Location,
    Organization,
    OversightModule,
    ReferencesModule,
    SponsorCollaboratorsModule,
    StatusModule,
)
from Medical_KG_rev.parsing.ctgov.results_schema import AnnotationSection, LargeDocumentModule
from Medical_KG_rev.parsing.phrase import Phrase, facts, listing

_DOI = re.compile(r"\bdoi:?\s*(?:https?://(?:dx\.)?doi\.org/)?(10\.[0-9]{4,9}/\S{1,400})", re.IGNORECASE)


def status(builder: DocumentBuilder, module: StatusModule) -> None:
    """Recruitment status and dates."""
    access = module.expanded_access_info
    with builder.section("Status", SectionKind.METADATA):
        facts(
            builder,
            [
                ("Overall status", readable(module.overall_status)),
                ("Last known status", readable(module.last_known_status)),
                ("Why stopped", unescape(module.why_stopped)),
                ("Status verified", module.status_verified_date),
                ("Start", _date(module.start_date_struct)),
                ("Primary completion", _date(module.primary_completion_date_struct)),
                ("Completion", _date(module.completion_date_struct)),
                ("First posted", _date(module.study_first_post_date_struct)),
                ("Results first posted", _date(module.results_first_post_date_struct)),
                ("Certification of delayed results posted", _date(module.disp_first_post_date_struct)),
                ("Last update posted", _date(module.last_update_post_date_struct)),
                ("Posting delayed", yes_no(module.delayed_posting)),
                ("Expanded access", yes_no(access.has_expanded_access)),
                ("Expanded access study", f"{access.nct_id} {readable(access.status_for_nct_id)}".strip()),
            ],
        )


def _date(value: DateStruct) -> str:
    return f"{value.date} ({readable(value.type).lower()})" if value.date and value.type else value.date


def sponsors(builder: DocumentBuilder, module: SponsorCollaboratorsModule) -> None:
    """Lead sponsor, collaborators and the responsible party."""
    party = module.responsible_party
    investigator = (party.investigator_full_name, party.investigator_title, party.investigator_affiliation)
    former = (party.old_name_title, party.old_organization)
    with builder.section("Sponsors", SectionKind.METADATA):
        phrases = [_sponsor("Lead sponsor: ", "lead", module.lead_sponsor)]
        phrases += [_sponsor("Collaborator: ", "collaborator", organization) for organization in module.collaborators]
        listing(builder, phrases)
        facts(
            builder,
            [
                ("Responsible party", readable(party.type)),
                ("Investigator", ", ".join(part for part in investigator if part)),
                ("Responsible party as first registered", ", ".join(part for part in former if part)),
            ],
        )


def _sponsor(label: str, role: str, organization: Organization) -> Phrase:
    kind = organization.class_
    phrase = Phrase().add(organization.name, "sponsor", before=label, role=role, **{"class": kind})
    return phrase.add(readable(kind), before="(", after=")") if phrase.text else phrase


def oversight(builder: DocumentBuilder, module: OversightModule) -> None:
    """Who watches over the study, and what is regulated."""
    with builder.section("Oversight", SectionKind.METADATA):
        facts(
            builder,
            [
                ("Data monitoring committee", yes_no(module.oversight_has_dmc)),
                ("FDA-regulated drug", yes_no(module.is_fda_regulated_drug)),
                ("FDA-regulated device", yes_no(module.is_fda_regulated_device)),
                ("Unapproved device", yes_no(module.is_unapproved_device)),
                ("Pediatric postmarket surveillance of a device", yes_no(module.is_ppsd)),
                ("Exported from the US", yes_no(module.is_us_export)),
            ],
        )


def contacts_and_locations(builder: DocumentBuilder, module: ContactsLocationsModule) -> None:
    """Officials, contacts by name alone, and sites."""
    with builder.section("Contacts and locations", SectionKind.METADATA):
        listing(builder, [Phrase(_person(person)) for person in (*module.overall_officials, *module.central_contacts)])
        listing(builder, [_location(location) for location in module.locations or module.locations_nested])


def _person(person: Contact) -> str:
    details = ", ".join(part for part in (person.name, person.affiliation) if part)
    return f"{readable(person.role)}: {details}" if person.role and details else details


def _location(location: Location) -> Phrase:
    places = (location.facility, location.city, location.state, location.zip, location.country)
    phrase = Phrase().add(", ".join(place for place in places if place), "location", country=location.country)
    phrase.add(readable(location.status), before="(", after=")")
    return phrase.add("; ".join(_person(person) for person in location.contacts), before="- ")


def ipd_sharing(builder: DocumentBuilder, module: IpdSharingStatementModule) -> None:
    """The plan to share data of single participants."""
    with builder.section("Sharing of individual participant data", SectionKind.METADATA):
        facts(
            builder,
            [
                ("Plan to share", readable(module.ipd_sharing)),
                ("Information", readable_all(module.info_types)),
                ("Time frame", unescape(module.time_frame)),
                ("Access criteria", unescape(module.access_criteria)),
                ("Address", module.url),
            ],
        )
        prose(builder, module.description)


def documents(builder: DocumentBuilder, module: LargeDocumentModule) -> None:
    """The files that the sponsor uploaded."""
    with builder.section("Study documents", SectionKind.METADATA):
        builder.items([" ".join(part for part in (doc.label, doc.filename, doc.date) if part) for doc in module.large_docs])


def registry_notes(builder: DocumentBuilder, section: AnnotationSection) -> None:
    """Notes of the registry itself: results submitted but not posted, violations."""
    module = section.annotation_module
    with builder.section("Registry notes", SectionKind.METADATA):
        facts(
            builder,
            [
                ("Results submitted but not posted, by", module.unposted_annotation.unposted_responsible_party),
                *((readable(event.type), event.description) for event in module.violation_annotation.violation_events),
            ],
        )


def references(builder: DocumentBuilder, module: ReferencesModule) -> None:
    """Publications that the study cites or that report on it, links, shared data."""
    with builder.section("References", SectionKind.REFERENCES):
        phrases = []
        for reference in module.references:
            pmid = reference.pmid.strip()
            citation = unescape(reference.citation) or (f"PMID {pmid}" if pmid else "")
            phrase = Phrase().add(citation, "cited_work", pmid=pmid, doi=_doi(citation), type=reference.type)
            phrase.add(readable(reference.type), before="(", after=")")
            phrase.add("; ".join(_retraction(item.pmid, item.source) for item in reference.retractions), before="Retracted: ")
            phrases.append(phrase)
        listing(builder, phrases)
        builder.items([f"{link.label} {link.url}" for link in module.see_also_links])
        builder.items(
            [" ".join(part for part in (ipd.type, ipd.id, ipd.url, unescape(ipd.comment)) if part) for ipd in module.avail_ipds]
        )


def _doi(citation: str) -> str:
    """The DOI that a citation ends with, if it names one."""
    found = _DOI.search(citation)
    doi = found.group(1).rstrip(".,;]") if found else ""
    return doi if doi.count(")") <= doi.count("(") else doi.rstrip(")")


def _retraction(pmid: str, source: str) -> str:
    return f"{source} (PMID {pmid})" if pmid else source

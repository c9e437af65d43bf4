"""The sources that come with the project. Each adapter's module is imported when the adapter is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from Medical_KG_rev.adapters.plugins import AdapterContext, AdapterPlugin, InputKind, hookimpl
from Medical_KG_rev.models import Adapter
from Medical_KG_rev.settings import RemoteSource

if TYPE_CHECKING:
    from Medical_KG_rev.adapters.http import SourceClient

REMOTE_INPUTS: tuple[InputKind, ...] = ("ids", "query", "since")


def _client(context: AdapterContext, name: str, source: RemoteSource, authorization: str = "") -> SourceClient:
    from Medical_KG_rev.adapters.http import SourceClient

    return SourceClient(
        name,
        source,
        context.caller_for(source.policy),
        contact_email=context.settings.contact_email,
        authorization=authorization,
        allow_private_addresses=context.settings.adapters.allow_private_addresses,
    )


def _clinicaltrials(context: AdapterContext) -> Adapter:
    from Medical_KG_rev.adapters.clinicaltrials import ClinicalTrialsAdapter

    source = context.settings.adapters.clinicaltrials
    return ClinicalTrialsAdapter(_client(context, "clinicaltrials", source), page_size=source.page_size)


def _openalex(context: AdapterContext) -> Adapter:
    from Medical_KG_rev.adapters.openalex import OpenAlexAdapter

    source = context.settings.adapters.openalex
    client = _client(context, "openalex", source)
    return OpenAlexAdapter(client, page_size=source.page_size, contact_email=context.settings.contact_email)


def _pmc_fulltext(context: AdapterContext) -> Adapter:
    from Medical_KG_rev.adapters.pmc_fulltext import PmcFulltextAdapter

    source = context.settings.adapters.pmc_fulltext
    return PmcFulltextAdapter(_client(context, "pmc-fulltext", source), page_size=source.page_size)


def _unpaywall(context: AdapterContext) -> Adapter:
    from Medical_KG_rev.adapters.unpaywall import UnpaywallAdapter

    source = context.settings.adapters.unpaywall
    email = source.email or context.settings.contact_email
    return UnpaywallAdapter(_client(context, "unpaywall", source), email=email)


def _core(context: AdapterContext) -> Adapter:
    from Medical_KG_rev.adapters.core import CoreAdapter

    source = context.settings.adapters.core
    key = source.api_key.get_secret_value()
    return CoreAdapter(_client(context, "core", source, f"Bearer {key}" if key else ""), page_size=source.page_size)


def _local(context: AdapterContext) -> Adapter:
    from Medical_KG_rev.adapters.local import LocalAdapter

    settings = context.settings
    return LocalAdapter(max_file_bytes=settings.adapters.max_file_bytes, max_pdf_bytes=settings.download.max_bytes)


@hookimpl
def medical_kg_adapters() -> Sequence[AdapterPlugin]:
    return [
        AdapterPlugin("clinicaltrials", "2.0", "Studies of ClinicalTrials.gov (API v2)", REMOTE_INPUTS, _clinicaltrials),
        AdapterPlugin("openalex", "1.0", "Works of OpenAlex, by id, DOI or search", REMOTE_INPUTS, _openalex),
        AdapterPlugin("pmc-fulltext", "1.0", "Open-access full texts of PubMed Central", REMOTE_INPUTS, _pmc_fulltext),
        AdapterPlugin("unpaywall", "1.0", "Open PDFs of articles, by DOI", ("ids", "query"), _unpaywall),
        AdapterPlugin("core", "1.0", "PDFs of open repositories, by number, DOI or search", ("ids", "query"), _core),
        AdapterPlugin(
            "local", "1.0", "Files and folders: studies, works, JATS articles, PDF, text, JSON Lines", ("paths", "since"), _local
        ),
    ]

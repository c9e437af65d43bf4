"""The sources that come with the project."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.adapters.plugins import AdapterContext, AdapterPlugin, hookimpl
from Medical_KG_rev.models import Adapter


def _local(context: AdapterContext) -> Adapter:
    from Medical_KG_rev.adapters.local import LocalAdapter

    return LocalAdapter(max_file_bytes=context.settings.adapters.max_file_bytes)


@hookimpl
def medical_kg_adapters() -> Sequence[AdapterPlugin]:
    return [
        AdapterPlugin(
            "local", "1.0", "Files and folders: studies, works, JATS articles, text, JSON Lines", ("paths", "since"), _local
        ),
    ]

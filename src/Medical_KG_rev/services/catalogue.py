"""The servers that there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from platformdirs import user_cache_path

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.services.kafka import Kafka
from Medical_KG_rev.services.llm import Llm
from Medical_KG_rev.services.mineru import Mineru
from Medical_KG_rev.services.neo4j import Neo4j
from Medical_KG_rev.services.opensearch import OpenSearch
from Medical_KG_rev.services.postgres import Postgres
from Medical_KG_rev.services.recipe import Recipe
from Medical_KG_rev.services.s3 import S3
from Medical_KG_rev.services.server import Server

__all__ = ["CATALOGUE", "default_cache", "find_server"]

CATALOGUE: Mapping[str, Recipe] = MappingProxyType(
    {recipe.name: recipe for recipe in (Postgres(), Kafka(), S3(), OpenSearch(), Neo4j(), Mineru(), Llm())}
)
"""Every kind of server by its name, in the order in which they are started."""


def default_cache() -> Path:
    """Where downloaded programs are kept: the user's cache folder, shared by all data folders."""
    return user_cache_path("medical-kg-rev")


def find_server(name: str, data_dir: Path, cache: Path | None = None) -> Server:
    """The server of this name that belongs to a data folder, whether it runs or not.

    Raises:
        UsageError: there is no such server in the catalogue.
    """
    if name not in CATALOGUE:
        raise UsageError(f"There is no server {name!r}.", remedy=f"Servers: {', '.join(CATALOGUE)}.")
    return Server(CATALOGUE[name], data_dir / "services" / name, cache or default_cache())

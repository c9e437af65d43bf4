"""Real servers for development and tests: plain processes on loopback, from ordinary packages, without containers.

Each has a folder below ``<data folder>/services`` with its data, its log and a state file. Nothing here is needed to use
servers that run elsewhere.
"""

from __future__ import annotations

from Medical_KG_rev.services.catalogue import CATALOGUE, default_cache, find_server
from Medical_KG_rev.services.recipe import Place, Recipe
from Medical_KG_rev.services.server import Server, ServerStatus
from Medical_KG_rev.services.state import ServerState

__all__ = ["CATALOGUE", "Place", "Recipe", "Server", "ServerState", "ServerStatus", "default_cache", "find_server"]

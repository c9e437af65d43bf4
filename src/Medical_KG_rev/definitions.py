"""The Dagster entry point: ``dagster dev -m Medical_KG_rev.definitions``."""

from Medical_KG_rev.orchestration.dagster.definitions import build_definitions
from Medical_KG_rev.platform import Platform

_platform = Platform.configure()
defs = build_definitions(_platform.topologies(), _platform.open_parts)

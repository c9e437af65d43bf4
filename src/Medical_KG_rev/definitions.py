"""The Dagster entry point: ``dagster dev -m Medical_KG_rev.definitions``."""

from Medical_KG_rev.background import Background
from Medical_KG_rev.orchestration.dagster.definitions import build_definitions
from Medical_KG_rev.platform import Platform

_platform = Platform.configure()


def _beside_a_run() -> Background:
    return Background(_platform.open_parts(), lambda _event: None)


defs = build_definitions(
    _platform.topologies(),
    _platform.open_parts,
    beside=_beside_a_run,
    hand_over=_platform.settings.profile == "services",
)

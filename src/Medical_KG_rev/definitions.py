"""The Dagster entry point: ``dagster dev -m Medical_KG_rev.definitions``."""

import warnings

from Medical_KG_rev.background import Background
from Medical_KG_rev.orchestration.dagster.definitions import build_definitions
from Medical_KG_rev.platform import Platform

# Dagster copies every sensor with all its parameters, one of which is in beta, and would say so at each start of a run.
warnings.filterwarnings("ignore", message="Parameter `owners`")

_platform = Platform.configure()


def _beside_a_run() -> Background:
    return Background(_platform.open_parts(), lambda _event: None)


defs = build_definitions(
    _platform.topologies(),
    _platform.open_parts,
    beside=_beside_a_run,
    hand_over=_platform.settings.profile == "services",
    role=_platform.open_parts().stage_types.role,
)

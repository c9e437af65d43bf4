"""How the system is watched: the metric catalogue and its values, their exporter, and logs."""

from Medical_KG_rev.observability.catalogue import CATALOGUE, Metric
from Medical_KG_rev.observability.exporter import MetricsExporter
from Medical_KG_rev.observability.logs import configure_logging, current_log_context, log_context
from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.observability.scrub import Scrubber

__all__ = [
    "CATALOGUE",
    "Metric",
    "Metrics",
    "MetricsExporter",
    "Scrubber",
    "configure_logging",
    "current_log_context",
    "log_context",
]

"""Numbers that texts state: quantities with units, doses and schedules, populations, effects with intervals and p-values.

Every function takes an :class:`AnalysedText` and returns what it found, in order, with exact character ranges. Those that build
on quantities take them as an optional second argument, so that a text is read for them once.
"""

from Medical_KG_rev.extraction.quantities.dosing import Dose, Route, Schedule, doses, durations, routes, schedules
from Medical_KG_rev.extraction.quantities.measures import Quantity, quantities
from Medical_KG_rev.extraction.quantities.population import PopulationFact, populations
from Medical_KG_rev.extraction.quantities.statistics import Effect, Interval, PValue, effects, intervals, p_values

__all__ = [
    "Dose",
    "Effect",
    "Interval",
    "PValue",
    "PopulationFact",
    "Quantity",
    "Route",
    "Schedule",
    "doses",
    "durations",
    "effects",
    "intervals",
    "p_values",
    "populations",
    "quantities",
    "routes",
    "schedules",
]

"""Adverse events: a summary per group, and a table each for serious and other events."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.ctgov.grid import Grid, describe_groups
from Medical_KG_rev.parsing.ctgov.labels import readable
from Medical_KG_rev.parsing.ctgov.markup import prose, unescape
from Medical_KG_rev.parsing.ctgov.results_schema import AdverseEvent, AdverseEventsModule, EventGroup, EventStats
from Medical_KG_rev.parsing.phrase import facts


def adverse_events(builder: DocumentBuilder, module: AdverseEventsModule) -> None:
    """How events were collected, totals per group, and each event with its counts per group."""
    threshold = f"{module.frequency_threshold}%" if module.frequency_threshold else ""
    with builder.section("Adverse events"):
        prose(builder, module.description)
        prose(builder, module.all_cause_mortality_comment)
        facts(
            builder,
            [("Time frame", unescape(module.time_frame)), ("Frequency threshold for reporting other events", threshold)],
        )
        describe_groups(builder, module.event_groups)
        _summary(builder, module.event_groups)
        time_frame = unescape(module.time_frame)
        _events(builder, module.event_groups, module.serious_events, serious=True, time_frame=time_frame)
        _events(builder, module.event_groups, module.other_events, serious=False, time_frame=time_frame)


def _summary(builder: DocumentBuilder, groups: Sequence[EventGroup]) -> None:
    grid = Grid(groups, "Participants affected / at risk")
    totals = {
        "All-cause mortality": [(g.id, g.deaths_num_affected, g.deaths_num_at_risk) for g in groups],
        "Serious adverse events": [(g.id, g.serious_num_affected, g.serious_num_at_risk) for g in groups],
        "Other adverse events": [(g.id, g.other_num_affected, g.other_num_at_risk) for g in groups],
    }
    for label, counts in totals.items():
        row = grid.row(label)
        for group_id, affected, at_risk in counts:
            statement = {"total": label, "group": grid.title(group_id), "affected": affected, "at_risk": at_risk}
            grid.cell(row, group_id, _ratio(affected, at_risk), None if affected is None else ("event_total", statement))
    if groups:
        grid.add_to(builder, "Adverse events: summary")


def _ratio(affected: int | None, at_risk: int | None) -> str:
    if affected is None:
        return ""
    return str(affected) if at_risk is None else f"{affected}/{at_risk}"


def _events(
    builder: DocumentBuilder, groups: Sequence[EventGroup], events: Sequence[AdverseEvent], *, serious: bool, time_frame: str
) -> None:
    if not events:
        return
    grid = Grid(groups, "Event", "Organ system", "Assessment")
    for event in events:
        term, organ_system = unescape(event.term), unescape(event.organ_system)
        label = f"{term} ({unescape(event.notes)})" if event.notes else term
        assessment = ", ".join(part for part in (readable(event.assessment_type), event.source_vocabulary) if part)
        row = grid.row(label, organ_system, assessment)
        for stats in event.stats:
            statement = {
                "term": term,
                "group": grid.title(stats.group_id),
                "serious": serious,
                "affected": stats.num_affected,
                "at_risk": stats.num_at_risk,
                "events": stats.num_events,
                "organ_system": organ_system,
                "assessment": event.assessment_type,
                "vocabulary": event.source_vocabulary,
                "time_frame": time_frame,
            }
            grid.cell(row, stats.group_id, _count(stats), ("adverse_event", statement))
    kind = "Serious" if serious else "Other"
    grid.add_to(builder, f"{kind} adverse events: participants affected / at risk (events)")


def _count(stats: EventStats) -> str:
    ratio = _ratio(stats.num_affected, stats.num_at_risk)
    return ratio if stats.num_events is None else f"{ratio} ({stats.num_events})".strip()

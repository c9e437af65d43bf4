"""Posted results: participant flow, baseline, outcome measures with their analyses, limitations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from Medical_KG_rev.models import SectionKind, Span
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.ctgov.grid import Grid, Statement, describe_groups
from Medical_KG_rev.parsing.ctgov.labels import readable, yes_no
from Medical_KG_rev.parsing.ctgov.markup import prose, unescape
from Medical_KG_rev.parsing.ctgov.results_schema import (
    Achievement,
    Analysis,
    BaselineCharacteristicsModule,
    Denom,
    Group,
    Measure,
    Measurement,
    MoreInfoModule,
    OutcomeMeasure,
    OutcomeMeasuresModule,
    ParticipantFlowModule,
    Period,
)
from Medical_KG_rev.parsing.phrase import Phrase, facts, paragraph

_MILESTONES = {"STARTED": "Started", "COMPLETED": "Completed", "NOT COMPLETED": "Not completed"}
"""The registry's own milestones; the others are named by the sponsor."""


def participant_flow(builder: DocumentBuilder, module: ParticipantFlowModule) -> None:
    """A table a period: how many started, completed, and left for which reason."""
    with builder.section("Participant flow"):
        prose(builder, module.recruitment_details)
        prose(builder, module.pre_assignment_details)
        facts(builder, [("Units analyzed", module.type_units_analyzed)])
        describe_groups(builder, module.groups)
        for period in module.periods:
            _period(builder, module.groups, period)


def _period(builder: DocumentBuilder, groups: Sequence[Group], period: Period) -> None:
    grid = Grid(groups, "Milestone")
    for milestone in period.milestones:
        told = {"milestone": milestone.type, "period": unescape(period.title)} if milestone.type in _MILESTONES else {}
        _counts(grid, _MILESTONES.get(milestone.type, milestone.type), milestone.comment, milestone.achievements, told)
    for withdrawal in period.drop_withdraws:
        _counts(grid, f"Reason not completed: {withdrawal.type}", withdrawal.comment, withdrawal.reasons, {})
    grid.add_to(builder, f"Participant flow: {unescape(period.title)}")


def _counts(grid: Grid, label: str, comment: str, counts: Sequence[Achievement], told: Mapping[str, str]) -> None:
    """A row of counts of participants; ``told``, unless empty, is stated of each group."""
    row = grid.row(_noted(unescape(label), comment))
    for count in counts:
        units = f"{count.num_units} units" if count.num_units else ""
        text = ", ".join(part for part in (count.num_subjects, units) if part)
        size = {**told, "group": grid.title(count.group_id), "participants": count.num_subjects}
        statement = ("group_size", size) if told and count.num_subjects else None
        grid.cell(row, count.group_id, _noted(text, count.comment), statement)


def _noted(text: str, comment: str) -> str:
    return f"{text} ({unescape(comment)})" if comment else text


def baseline(builder: DocumentBuilder, module: BaselineCharacteristicsModule) -> None:
    """A table a characteristic."""
    with builder.section("Baseline characteristics"):
        prose(builder, module.population_description)
        facts(builder, [("Units analyzed", module.type_units_analyzed)])
        describe_groups(builder, module.groups)
        analyzed = Grid(module.groups, "Analyzed")
        _denominators(analyzed, "", module.denoms)
        analyzed.add_to(builder, "Baseline: number analyzed")
        for measure in module.measures:
            prose(builder, measure.description)
            prose(builder, measure.population_description)
            _measure_table(builder, module.groups, measure, "Baseline", {})


def outcome_measures(builder: DocumentBuilder, module: OutcomeMeasuresModule) -> None:
    """A section a measure: what was measured, its table of results, its statistical analyses."""
    with builder.section("Outcome measures"):
        for measure in module.outcome_measures:
            with builder.section(unescape(measure.title)):
                _outcome_measure(builder, measure)


def _outcome_measure(builder: DocumentBuilder, measure: OutcomeMeasure) -> None:
    role = _role(measure.type)
    time_frame = unescape(measure.time_frame)
    title = unescape(measure.title)
    phrase = Phrase(f"{readable(measure.type)} outcome:").add(title, "outcome", role=role, time_frame=time_frame)
    phrase.add(time_frame, before="(Time frame: ", after=")")
    paragraph(builder, phrase.add(readable(measure.reporting_status), before="[", after="]"))
    prose(builder, measure.description)
    prose(builder, measure.population_description)
    facts(
        builder,
        [
            ("Units analyzed", measure.type_units_analyzed),
            ("Denominator", measure.denom_units_selected),
            ("Results expected", measure.anticipated_posting_date),
        ],
    )
    describe_groups(builder, measure.groups)
    _measure_table(builder, measure.groups, measure, "Outcome", {"outcome": title, "role": role, "time_frame": time_frame})
    titles = {group.id: unescape(group.title) for group in measure.groups}
    for analysis in measure.analyses:
        outcome = {"outcome": title, "role": role, "time_frame": time_frame}
        builder.annotate("analysis", _analysis(builder, analysis, titles), **outcome, **_analysed(analysis, titles))


def _role(kind: str) -> str:
    """`OTHER_PRE_SPECIFIED` and `POST_HOC` are "other"."""
    return kind.lower() if kind in {"PRIMARY", "SECONDARY"} else "other"


def _measure_table(
    builder: DocumentBuilder, groups: Sequence[Group], measure: Measure, label: str, outcome: dict[str, Any]
) -> None:
    """Rows are classes and categories. Cells of outcome measures state their result; baseline cells only stand in the text."""
    grid = Grid(groups, "Measured")
    _denominators(grid, "", measure.denoms)
    for measured in measure.classes:
        class_title = unescape(measured.title)
        _denominators(grid, class_title, measured.denoms)
        if not measured.categories and class_title:
            grid.row(class_title)
        for category in measured.categories:
            name = "; ".join(part for part in (class_title, unescape(category.title)) if part)
            row = grid.row(name or unescape(measure.title))
            for measurement in category.measurements:
                denoms = measured.denoms or measure.denoms
                statement = _result(grid, measure, denoms, measurement, name, outcome) if outcome else None
                grid.cell(row, measurement.group_id, _value(measurement), statement)
    how = ", ".join(readable(kind) for kind in (measure.param_type, measure.dispersion_type) if kind)
    units = ", ".join(part for part in (unescape(measure.unit_of_measure), how) if part)
    title = f"{label}: {unescape(measure.title)}"
    grid.add_to(builder, f"{title} ({units})" if units else title)


def _denominators(grid: Grid, class_title: str, denoms: Sequence[Denom]) -> None:
    for denom in denoms:
        row = grid.row("; ".join(part for part in (class_title, f"Number analyzed, {denom.units}") if part))
        for count in denom.counts:
            grid.cell(row, count.group_id, count.value, None)


def _value(measurement: Measurement) -> str:
    text = measurement.value
    if measurement.spread:
        text += f" ({measurement.spread})"
    if measurement.lower_limit or measurement.upper_limit:
        text += f" ({measurement.lower_limit or 'NA'} to {measurement.upper_limit or 'NA'})"
    return f"{text} [{unescape(measurement.comment)}]" if measurement.comment else text


def _result(
    grid: Grid,
    measure: Measure,
    denoms: Sequence[Denom],
    measurement: Measurement,
    category: str,
    outcome: dict[str, Any],
) -> Statement:
    analyzed = [
        (count.value, denom.units) for denom in denoms for count in denom.counts if count.group_id == measurement.group_id
    ]
    number, units = analyzed[0] if analyzed else ("", "")
    return "result", {
        **outcome,
        "group": grid.title(measurement.group_id),
        "category": category,
        "value": measurement.value,
        "unit": unescape(measure.unit_of_measure),
        "param_type": measure.param_type,
        "dispersion_type": measure.dispersion_type,
        "spread": measurement.spread,
        "lower": measurement.lower_limit,
        "upper": measurement.upper_limit,
        "analyzed": number,
        "analyzed_units": units,
    }


def _analysis(builder: DocumentBuilder, analysis: Analysis, titles: dict[str, str]) -> Span | None:
    """A statistical analysis as one paragraph: groups, hypothesis, test, p-value, estimate, interval, comments."""
    limits = (analysis.ci_lower_limit or "NA", analysis.ci_upper_limit or "NA")
    interval = f"{limits[0]} to {limits[1]}" if analysis.ci_lower_limit or analysis.ci_upper_limit else ""
    percent = f"{analysis.ci_pct_value}%" if analysis.ci_pct_value else ""
    confidence = " ".join(part for part in (readable(analysis.ci_num_sides), percent, interval) if part)
    phrase = Phrase("Statistical analysis:")
    phrase.add(" versus ".join(titles.get(group_id, group_id) for group_id in analysis.group_ids), after=".")
    phrase.add(unescape(analysis.group_description))
    phrase.add(yes_no(analysis.tested_non_inferiority), before="Non-inferiority tested: ", after=".")
    phrase.add(readable(analysis.non_inferiority_type), before="Type: ", after=".")
    phrase.add(unescape(analysis.non_inferiority_comment))
    phrase.add(analysis.statistical_method, before="Method: ", after=".").add(unescape(analysis.statistical_comment))
    phrase.add(analysis.p_value, before="P-value: ", after=".").add(unescape(analysis.p_value_comment))
    phrase.add(f"{analysis.param_type}: {analysis.param_value}".strip(": "), after=".")
    phrase.add(confidence, before="Confidence interval: ", after=".")
    phrase.add(unescape(analysis.ci_lower_limit_comment)).add(unescape(analysis.ci_upper_limit_comment))
    phrase.add(f"{readable(analysis.dispersion_type)}: {analysis.dispersion_value}".strip(": "), after=".")
    phrase.add(unescape(analysis.estimate_comment)).add(unescape(analysis.other_analysis_description))
    return paragraph(builder, phrase)


def _analysed(analysis: Analysis, titles: dict[str, str]) -> dict[str, Any]:
    """What an analysis states: the compared groups, the effect, its interval, the test."""
    return {
        "groups": [titles.get(group_id, group_id) for group_id in analysis.group_ids],
        "detail": unescape(analysis.group_description),
        "analysis_type": analysis.non_inferiority_type,
        "method": unescape(analysis.statistical_method),
        "p_value": analysis.p_value,
        "effect_measure": unescape(analysis.param_type),
        "effect": analysis.param_value,
        "ci_level": analysis.ci_pct_value,
        "ci_sides": analysis.ci_num_sides,
        "ci_low": analysis.ci_lower_limit,
        "ci_high": analysis.ci_upper_limit,
        "dispersion_type": analysis.dispersion_type,
        "dispersion": analysis.dispersion_value,
    }


def more_info(builder: DocumentBuilder, module: MoreInfoModule) -> None:
    """Limitations, agreements between sponsor and investigators, the point of contact by name."""
    prose_text = module.limitations_and_caveats.description
    if prose_text:
        with builder.section("Limitations and caveats"):
            prose(builder, prose_text)
    agreement, contact = module.certain_agreement, module.point_of_contact
    with builder.section("Agreements and contact", SectionKind.METADATA):
        facts(
            builder,
            [
                ("Principal investigator is the sponsor's employee", yes_no(agreement.pi_sponsor_employee)),
                ("Restrictive agreement", yes_no(agreement.restrictive_agreement)),
                ("Restriction", readable(agreement.restriction_type)),
                ("Point of contact", ", ".join(part for part in (contact.title, contact.organization) if part)),
            ],
        )
        prose(builder, agreement.other_details)

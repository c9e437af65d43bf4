"""Numbers in prose: values, units, exact ranges."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.quantities import doses, effects, intervals, p_values, populations, quantities, routes, schedules
from Medical_KG_rev.extraction.quantities.units import ucum

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "quote", "comparator", "low", "high", "unit"),
    [
        ("Platelets ≥ 100 x 10^9/L.", "≥ 100 x 10^9/L", ">=", 100, None, "10*9/L"),
        ("Neutrophils >= 1,500/mm3.", ">= 1,500/mm3", ">=", 1500, None, "/uL"),
        ("GFR < 30 mL/min/1.73 m2 was", "< 30 mL/min/1.73 m2", "<", None, 30, "mL/min/{1.73_m2}"),
        ("Given 5-10 mg/kg/day.", "5-10 mg/kg/day", "range", 5, 10, "mg/kg/d"),
        ("5 mg to 10 mg of it", "5 mg to 10 mg", "range", 5, 10, "mg"),
        ("at 40 mg kg-1 day-1 for", "40 mg kg-1 day-1", "=", 40, 40, "mg/kg/d"),
        ("10 µg·kg⁻¹·min⁻¹", "10 µg·kg⁻¹·min⁻¹", "=", 10, 10, "ug/kg/min"),
        ("75 mg/m² every", "75 mg/m²", "=", 75, 75, "mg/m2"),
        ("18 years and older", "18 years and older", ">=", 18, None, "a"),
        ("at least 3 months", "at least 3 months", ">=", 3, None, "mo"),
        ("after twelve weeks", "twelve weeks", "=", 12, 12, "wk"),
        ("AST ≤ 2.5 x ULN", "≤ 2.5 x ULN", "<=", None, 2.5, "{ULN}"),
        ("HbA1c 7.0% to 10.5%.", "7.0% to 10.5%", "range", 7, 10.5, "%"),
        ("10 000 IU daily", "10 000 IU", "=", 10_000, 10_000, "[IU]"),
        ("ECOG ≤ 1.", "≤ 1", "<=", None, 1, ""),
        ("5 x 10^5 cells", "5 x 10^5 cells", "=", 500_000, 500_000, "{cells}"),
        ("about .5 mg", "about .5 mg", "~", 0.5, 0.5, "mg"),
        ("CD4 > 200 cells/µL", "> 200 cells/µL", ">", 200, None, "{cells}/uL"),
        ("no more than two weeks", "no more than two weeks", "<=", None, 2, "wk"),
        ("infused over 2 hours", "2 hours", "=", 2, 2, "h"),
        ("34 of 41 children", "34 of 41", "=", 34, 41, ""),
        ("randomised 2:1", "2:1", "=", 2, 1, ""),
    ],
)
def test_a_quantity_has_its_unit_and_bounds(text, quote, comparator, low, high, unit):
    (found,) = quantities(analyse(text))
    assert (text[found.start : found.end], found.comparator, found.low, found.high, found.unit) == (
        quote,
        comparator,
        low,
        high,
        unit,
    )


@pytest.mark.parametrize(
    ("text", "quotes", "values"),
    [
        ("doses of 15 and 30 mg/kg", ["15", "30 mg/kg"], [15.0, 30.0]),
        ("22% and 19%", ["22%", "19%"], [22.0, 19.0]),
        ("2 or 3 weeks", ["2", "3 weeks"], [2.0, 3.0]),
    ],
)
def test_two_numbers_may_share_a_unit(text, quotes, values):
    found = quantities(analyse(text))
    assert [text[q.start : q.end] for q in found] == quotes
    assert [q.value for q in found] == values
    assert len({q.unit for q in found}) == 1


def test_between_makes_a_range():
    (found,) = quantities(analyse("between 5 and 10 mg/m(2)"))
    assert (found.comparator, found.low, found.high, found.unit) == ("range", 5, 10, "mg/m2")


@pytest.mark.parametrize("text", ["P < 0.05", "p value <0.001", "95% CI", "95% confidence interval"])
def test_statistics_are_no_quantities(text):
    assert quantities(analyse(text)) == []


def test_a_spread_belongs_to_its_value():
    (found,) = quantities(analyse("It was 12.5 ± 3.4 ng/mL."))
    assert (found.value, found.spread, found.unit) == (12.5, 3.4, "ng/mL")


@pytest.mark.parametrize("text", ["IL-6 and COVID-19", "the NCT01234567 study", "in 2019", "section 3.2", "", "see Figure 2"])
def test_numbers_of_names_are_no_quantities(text):
    assert quantities(analyse(text)) == []


def test_an_unknown_unit_has_no_code():
    assert ucum("furlong") == ""


def test_a_dose_takes_the_route_and_schedule_beside_it():
    text = (
        "They took 200 mg orally twice daily for 12 weeks. Oral metformin 500 mg b.i.d. was used; then 5 mg/kg i.v. q8h as well."
    )
    found = [dose.as_qualifier() for dose in doses(analyse(text))]
    assert found == [
        {
            "dose": {"value": 200.0, "unit": "mg"},
            "route": "oral",
            "schedule": {"frequency": 2.0, "period": 1.0, "unit": "d"},
            "duration": {"value": 12.0, "unit": "wk"},
        },
        {
            "dose": {"value": 500.0, "unit": "mg"},
            "route": "oral",
            "schedule": {"frequency": 2.0, "period": 1.0, "unit": "d"},
        },
        {
            "dose": {"value": 5.0, "unit": "mg/kg"},
            "route": "intravenous",
            "schedule": {"frequency": 1.0, "period": 8.0, "unit": "h"},
        },
    ]


def test_a_concentration_is_no_dose():
    assert doses(analyse("Haemoglobin was 9 g/dL.")) == []


def test_a_stage_is_no_route():
    assert routes(analyse("Stage IV disease in a phase IV trial")) == []


@pytest.mark.parametrize(
    ("text", "timing"),
    [
        ("every 3 weeks", (1, 3, "wk", False)),
        ("every other day", (1, 2, "d", False)),
        ("three times a day", (3, 1, "d", False)),
        ("once weekly", (1, 1, "wk", False)),
        ("a single dose", (1, None, "", False)),
        ("as needed", (None, None, "", True)),
        ("biweekly", (1, 2, "wk", False)),
        ("daily", (1, 1, "d", False)),
    ],
)
def test_schedules(text, timing):
    (found,) = schedules(analyse(text))
    assert (found.frequency, found.period, found.unit, found.as_needed) == timing


def test_an_effect_has_its_interval_and_p_value():
    text = "(hazard ratio, 0.66; 95% confidence interval [CI], 0.52 to 0.84; P<0.001) but adjusted OR 2.4 (95% CI: 1.0, 5.7)"
    hazard, odds = effects(analyse(text))
    assert hazard.as_qualifier() == {
        "effect_measure": "HR",
        "effect_value": 0.66,
        "ci_level": 95.0,
        "ci_low": 0.52,
        "ci_high": 0.84,
        "p_value": 0.001,
        "p_comparator": "<",
    }
    assert (odds.measure, odds.adjusted, odds.p_value) == ("OR", True, None)
    assert odds.interval is not None
    assert (odds.interval.low, odds.interval.high) == (1.0, 5.7)


def test_negative_limits_and_powers_of_ten():
    text = "mean difference −3.2 mmHg (95% CI −5.1 to −1.3; p = 3 x 10-4)"
    (effect,) = effects(analyse(text))
    (interval,), (p,) = intervals(analyse(text)), p_values(analyse(text))
    assert (effect.value, interval.low, interval.high, p.value) == (-3.2, -5.1, -1.3, 0.0003)
    assert text[p.start : p.end] == "p = 3 x 10-4"


def test_populations():
    text = (
        "A total of 212 adults aged 18 to 65 years (n = 212), men and women, aged 40-70; "
        "twenty-four patients older than 6 months."
    )
    found = [fact.as_qualifier() for fact in populations(analyse(text))]
    assert {"population_size": 212} in found
    assert {"population_size": 24} in found
    assert {"population_sex": "all"} in found
    assert {"population_age": {"comparator": "range", "low": 18.0, "high": 65.0, "unit": "a"}} in found
    assert {"population_age": {"comparator": "range", "low": 40.0, "high": 70.0, "unit": "a"}} in found
    assert {"population_age": {"comparator": ">", "low": 6.0, "unit": "mo"}} in found


EVERYTHING = (quantities, doses, routes, schedules, effects, intervals, p_values, populations)


@given(st.text(st.one_of(st.sampled_from("0123456789.,%-–x^/()<>= mgkLpPCIdayORHn "), st.characters()), max_size=200))
def test_any_text_gives_ranges_inside_it(text):
    analysed = analyse(text)
    for find in EVERYTHING:
        last = 0
        for item in find(analysed):
            assert 0 <= item.start < item.end <= len(text)
            assert item.start >= last
            last = item.start


@pytest.mark.parametrize("text", ["9" * 20, "1 mg, ", "< ", "1/", "95% CI ", "p = ", "1-1 ", "daily "])
def test_hostile_texts_take_linear_time(text):
    def seconds(times):
        analysed = analyse(text * times)
        started = time.process_time()
        for find in EVERYTHING:
            find(analysed)
        return time.process_time() - started

    assert seconds(4_000) < 20 * seconds(500) + 0.5

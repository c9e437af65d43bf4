"""The posted results of real studies: each number of the record is a claim, with its groups and the words that say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.extraction import RecordExtractor, predicates
from Medical_KG_rev.models import Claim, RawPayload, StageContext
from Medical_KG_rev.parsing import ctgov
from Medical_KG_rev.parsing.ctgov.markup import unescape

pytestmark = pytest.mark.component


def studies(folder: Path) -> Iterator[tuple[dict[str, Any], str, list[Claim]]]:
    """Each record with results, its text, its claims."""
    for path in sorted(folder.glob("ctgov/studies/*.json")):
        content = path.read_bytes()
        record = json.loads(content)
        if "resultsSection" in record:
            payload = RawPayload(source="clinicaltrials", source_id=path.stem, format="ctgov-json", content=content)
            document = ctgov.parse(payload, parsed_at=datetime(2026, 1, 2, tzinfo=UTC))
            yield record["resultsSection"], document.text, RecordExtractor().execute(StageContext(tenant_id="t"), document)[1]


def titles(groups: list[dict[str, Any]]) -> dict[str, str]:
    return {group["id"]: " ".join(unescape(group.get("title") or group["id"]).split()) for group in groups}


def told(claims: list[Claim], predicate: str) -> list[Claim]:
    return [claim for claim in claims if claim.predicate == predicate]


def test_every_analysis_event_and_value_is_claimed(test_data: Path) -> None:
    counted = {"studies": 0, "analyses": 0, "events": 0, "values": 0, "sizes": 0}
    for results, text, claims in studies(test_data):
        counted["studies"] += 1
        for claim in claims:
            for evidence in claim.evidence:
                assert text[evidence.start : evidence.end] == evidence.text
        counted["analyses"] += check_analyses(results, claims)
        counted["events"] += check_events(results, claims)
        counted["values"] += check_values(results, claims)
        counted["sizes"] += check_sizes(results, claims)
    assert counted == {"studies": 20, "analyses": 77, "events": 450, "values": 997, "sizes": 122}


def check_analyses(results: dict[str, Any], claims: list[Claim]) -> int:
    found = [
        (
            tuple(c.qualifiers["groups"]),
            c.value,
            c.qualifiers.get("ci_low"),
            c.qualifiers.get("ci_high"),
            c.qualifiers.get("method"),
        )
        for c in told(claims, predicates.COMPARED_BETWEEN)
    ]
    count = 0
    for measure in results["outcomeMeasuresModule"]["outcomeMeasures"]:
        names = titles(measure.get("groups", []))
        for analysis in measure.get("analyses", []):
            low, high = (float(analysis[key]) if key in analysis else None for key in ("ciLowerLimit", "ciUpperLimit"))
            value = analysis.get("paramValue") or analysis["pValue"]
            groups = tuple(names[group] for group in analysis["groupIds"])
            assert (groups, value, low, high, analysis.get("statisticalMethod")) in found
            count += 1
    for claim in told(claims, predicates.COMPARED_BETWEEN):
        quote = claim.evidence[0].text
        assert all(name in quote for name in claim.qualifiers["groups"])
        assert str(claim.value) in quote
        assert len(claim.qualifiers["group_ids"]) == 2
    return count


def check_events(results: dict[str, Any], claims: list[Claim]) -> int:
    module = results.get("adverseEventsModule", {})
    names = titles(module.get("eventGroups", []))
    found = {
        (q["group"], q["serious"], q["affected"], q.get("at_risk"), evidence.text)
        for claim in told(claims, predicates.REPORTS_EVENT)
        for q in [claim.qualifiers]
        for evidence in claim.evidence
    }
    count = 0
    for key, serious in (("seriousEvents", True), ("otherEvents", False)):
        for event in module.get(key, []):
            for stats in event.get("stats", []):
                if stats.get("numAffected"):
                    affected, at_risk = stats["numAffected"], stats.get("numAtRisk")
                    times = f" ({stats['numEvents']})" if "numEvents" in stats else ""
                    assert (names[stats["groupId"]], serious, affected, at_risk, f"{affected}/{at_risk}{times}") in found
                    count += 1
    return count


def check_values(results: dict[str, Any], claims: list[Claim]) -> int:
    found = {(c.qualifiers["group"], c.value, c.qualifiers.get("spread")) for c in told(claims, predicates.HAS_VALUE)}
    count = 0
    for measure in results["outcomeMeasuresModule"]["outcomeMeasures"]:
        names = titles(measure.get("groups", []))
        for measured in measure.get("classes", []):
            for category in measured["categories"]:
                for value in category["measurements"]:
                    if value["value"] != "NA":
                        assert (names[value["groupId"]], value["value"], value.get("spread")) in found
                        count += 1
    return count


def check_sizes(results: dict[str, Any], claims: list[Claim]) -> int:
    found = {(c.value, c.qualifiers["milestone"]) for c in told(claims, predicates.SAMPLE_SIZE)}
    count = 0
    for period in results["participantFlowModule"]["periods"]:
        for milestone in period["milestones"]:
            if milestone["type"] in ("STARTED", "COMPLETED"):
                for achievement in milestone["achievements"]:
                    assert (achievement["numSubjects"], milestone["type"]) in found
                    count += 1
    return count

"""The HTML view: one file that asks nobody, holds every quote, and shows hostile text as text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
from typing import Any

import lxml.html
import pytest

from Medical_KG_rev.graph.html import render
from Medical_KG_rev.graph.html.layout import radial
from Medical_KG_rev.graph.results import (
    AssertionRow,
    ClaimRow,
    DocumentRecord,
    EntityRecord,
    EntityRef,
    EvidenceRow,
    GraphRecord,
    Neighbour,
)
from Medical_KG_rev.models import EntityType

pytestmark = pytest.mark.unit

HOSTILE = "</script><script>alert(1)</script><!--<script>\"'&lt;\u2028\u202e\x00\x0b %%DATA%% \U0001f9ec"
DRUG = EntityRef(id="MESH:D008687", type=EntityType.CHEMICAL, name="Metformin")
ODD = EntityRef(id='MK:concept:"><img/onerror=alert(1)>', type=EntityType.CONCEPT, name=HOSTILE)
DISEASE = EntityRef(id="MESH:D003924", type=EntityType.DISEASE, name="Diabetes")
PAPER = EntityRef(id="pmc-fulltext:PMC2", type=EntityType.PUBLICATION, name="Retracted article")
FAR = EntityRef(id="MESH:D000001", type=EntityType.DISEASE, name="Not drawn")


def stated(number: int, subject: EntityRef, end: EntityRef, quote: str, **counts: Any) -> tuple[ClaimRow, AssertionRow]:
    claim = ClaimRow(
        id=f"c{number}",
        doc_id=PAPER.id,
        subject=subject,
        predicate="biolink:treats",
        object=end,
        value=None,
        qualifiers={},
        score=0.9,
        negated=bool(counts.get("claims_against")),
        method="relations",
        evidence=(EvidenceRow(doc_id=PAPER.id, start=7, end=7 + len(quote), text=quote, section="Results", page=3),),
        assertion_id=f"a{number}",
    )
    known = {"claims_for": 0, "claims_against": 0, "claims_hypothetical": 0, "claims_retracted": 0} | counts
    assertion = AssertionRow(
        id=f"a{number}",
        subject=subject,
        predicate="biolink:treats",
        object=end,
        qualifiers={"outcome": HOSTILE},
        belief=0.9 if known["claims_for"] else 0.0,
        belief_against=0.4 if known["claims_against"] else 0.0,
        documents=1,
        **known,
    )
    return claim, assertion


def near(entity: EntityRef, subject: EntityRef = DRUG, hop: int = 1) -> Neighbour:
    return Neighbour(
        entity=entity,
        hop=hop,
        belief=0.9,
        belief_against=0.0,
        assertion_id="a",
        predicate="biolink:treats",
        subject_id=subject.id,
        object_id=entity.id,
    )


def sample() -> list[GraphRecord]:
    pairs = [
        stated(1, DRUG, DISEASE, "It helped.", claims_for=2),
        stated(2, DRUG, ODD, HOSTILE, claims_for=1, claims_against=1),
        stated(3, DISEASE, PAPER, "Only supposed.", claims_hypothetical=1),
        stated(4, DRUG, FAR, "Outside of the picture.", claims_for=1),
        stated(5, DRUG, DRUG, "Of itself.", claims_against=1),
    ]
    return [
        DocumentRecord(id=PAPER.id, source="pmc-fulltext", version="1", status="retracted"),
        *(
            EntityRecord(id=ref.id, type=ref.type, name=ref.name, aliases=(HOSTILE,), xrefs=(), attributes={})
            for ref in sorted((DRUG, ODD, DISEASE, PAPER, FAR), key=lambda ref: ref.id)
        ),
        *(claim for claim, _ in pairs),
        *(assertion for _, assertion in pairs),
    ]


@pytest.fixture(scope="module")
def page() -> str:
    return render(sample(), DRUG.id, [near(DISEASE), near(ODD), near(PAPER, DISEASE, 2)])


@pytest.fixture(scope="module")
def tree(page: str) -> Any:
    return lxml.html.document_fromstring(page)


def data(tree: Any) -> dict[str, Any]:
    (element,) = tree.xpath("//script[@type='application/json']")
    content: dict[str, Any] = json.loads(element.text)
    return content


def test_only_its_own_scripts_may_run(tree: Any) -> None:
    scripts = tree.xpath("//script[not(@type)]")
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert len(tree.xpath("//script")) == 2
    for element, rule in ((scripts[0], "script-src"), (tree.xpath("//style")[0], "style-src")):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_nothing_is_fetched_and_no_handler_is_in_the_markup(tree: Any) -> None:
    assert tree.xpath("//link | //img | //iframe | //object | //embed | //*[@src] | //*[@style]") == []
    assert [name for element in tree.iter() for name in element.attrib if name.startswith("on")] == []
    assert "url(" not in tree.xpath("//style")[0].text
    assert "@import" not in tree.xpath("//style")[0].text


def test_entities_are_buttons_that_the_keyboard_reaches(tree: Any) -> None:
    nodes = tree.xpath("//svg//g[@data-node]")
    assert [node.get("data-node") for node in nodes] == ["0", "1", "2", "3"]
    assert all(node.get("tabindex") == "0" and node.get("role") == "button" and node.get("aria-label") for node in nodes)
    assert "retracted" in next(node for node in nodes if "Retracted article" in node.get("aria-label")).get("class")


def test_hostile_text_is_text(tree: Any) -> None:
    entities = data(tree)["entities"]
    assert [entity["id"] for entity in entities] == [DRUG.id, DISEASE.id, ODD.id, PAPER.id]
    assert entities[2]["name"] == HOSTILE
    label = tree.xpath("//svg//g[@data-node='2']/title")[0].text
    assert label.startswith("</script><script>alert(1)</script>")
    assert "\x00" not in label


def test_lines_carry_what_the_claims_say(tree: Any) -> None:
    links = {frozenset(link["ends"]): link["assertions"] for link in data(tree)["links"]}
    assert set(links) == {frozenset(ends) for ends in ({0}, {0, 1}, {0, 2}, {1, 3})}
    quotes = {found["text"] for found in evidence(links)}
    assert quotes == {"It helped.", HOSTILE, "Only supposed.", "Of itself."}
    assert {found["section"] for found in evidence(links)} == {"Results"}
    assert {found["page"] for found in evidence(links)} == {3}
    manners = [element.get("class") for element in tree.xpath("//svg//g[@data-link]")]
    assert sorted(manners) == ["link denied", "link disputed", "link plain", "link weightless"]


def evidence(links: dict[Any, Any]) -> list[dict[str, Any]]:
    return [
        found
        for assertions in links.values()
        for assertion in assertions
        for claim in assertion["claims"]
        for found in claim["evidence"]
    ]


def test_addresses_lead_to_the_web_only(tree: Any) -> None:
    urls = {entity["id"]: entity["url"] for entity in data(tree)["entities"]}
    assert urls[DRUG.id] == "http://id.nlm.nih.gov/mesh/D008687"
    assert urls[ODD.id] == ""


def test_the_same_graph_gives_the_same_page(page: str) -> None:
    assert render(sample(), DRUG.id, [near(DISEASE), near(ODD), near(PAPER, DISEASE, 2)]) == page


def test_an_entity_alone_is_a_page() -> None:
    tree = lxml.html.document_fromstring(render(sample(), DRUG.id, []))
    assert len(tree.xpath("//svg//g[@data-node]")) == 1


def test_names_on_rings_do_not_meet() -> None:
    order = ["root", *(f"near{n:03}" for n in range(150)), *(f"far{n:03}" for n in range(50))]
    parents = {f"far{n:03}": f"near{n % 7:03}" for n in range(50)}
    places = radial(order, parents, {name: name[:4] + str(len(name) % 3) for name in order})
    assert set(places) == set(order)
    rings: dict[float, list[float]] = {}
    for place in places.values():
        rings.setdefault(place.radius, []).append(place.angle % (2 * math.pi))
    assert sorted(map(len, rings.values())) == [1, 50, 150]
    for radius, angles in rings.items():
        gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(angles))]
        assert not gaps or min(gaps) * radius > 14


def test_children_stand_outside_their_parents() -> None:
    places = radial(["root", "a", "b", "child"], {"child": "b"}, {})
    assert places["child"].angle == pytest.approx(places["b"].angle)
    assert places["child"].radius > places["b"].radius > places["root"].radius == 0

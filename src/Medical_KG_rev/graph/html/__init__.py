"""A piece of the graph as one HTML file: no network, no library; a click on a line shows the sentences that say so.

The page is drawn here as SVG, with everything escaped. Its script, the only one that the page's security policy lets run, reacts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from Medical_KG_rev.errors import RecordNotFoundError
from Medical_KG_rev.graph.exports.outputs import WrittenFile, described, outputs
from Medical_KG_rev.graph.html.layout import RING_WIDTH, Place, radial
from Medical_KG_rev.graph.html.subgraph import Subgraph, assertion_data, collect, entity_data
from Medical_KG_rev.graph.results import AssertionRow, GraphRecord, Neighbour

__all__ = ["render", "write"]

_LABEL_CHARACTERS = 30
_POLICY = "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
_TEXT_FOR_SCRIPT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def render(records: Iterable[GraphRecord], centre: str, neighbours: Sequence[Neighbour]) -> str:
    """The page: ``records`` is a dump around ``centre``; only it and the ``neighbours`` are drawn.

    Raises:
        RecordNotFoundError: the dump does not hold the centre.
    """
    graph = collect(records, centre, neighbours)
    if centre not in graph.entities:
        raise RecordNotFoundError(f"The graph holds no entity {centre}.", remedy="`medkg graph show` finds entities by name.")
    place = radial(list(graph.entities), graph.parents, {name: entity.type.value for name, entity in graph.entities.items()})
    style, script = (files(__package__).joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    name = graph.entities[centre].name
    statements = sum(map(len, graph.links.values()))
    fields = {
        "POLICY": _POLICY.format(style=_digest(style), script=_digest(script)),
        "TITLE": escape(_one_line(name)),
        "SUMMARY": f"{len(graph.entities):,} entities, {statements:,} assertions",
        "STYLE": style,
        "LEGEND": "".join(_legend(graph)),
        "VIEW": _view(place),
        "LINKS": "".join(_links(graph, place)),
        "NODES": "".join(_nodes(graph, place)),
        "DATA": _data(graph),
        "SCRIPT": script,
    }
    page = files(__package__).joinpath("page.html").read_text("utf-8")
    return "".join(fields.get(part, part) for part in page.split("%%"))


def write(records: Iterable[GraphRecord], centre: str, neighbours: Sequence[Neighbour], out: Path) -> WrittenFile:
    """Puts the page at ``out``, whole or not at all. Raises like :func:`render`, and UsageError where it cannot be written."""
    with outputs([out]) as (file,):
        file.write(render(records, centre, neighbours).encode())
    return described([out])[0]


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(graph: Subgraph) -> str:
    """JSON that can stand inside a script element, whatever the texts hold."""
    index = {name: number for number, name in enumerate(graph.entities)}
    content = {
        "entities": [entity_data(entity, name in graph.retracted) for name, entity in graph.entities.items()],
        "links": [
            {"ends": [index[first], index[second]], "assertions": [assertion_data(assertion) for assertion in assertions]}
            for (first, second), assertions in graph.links.items()
        ],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).translate(_TEXT_FOR_SCRIPT)


def _legend(graph: Subgraph) -> Iterator[str]:
    counts: dict[str, int] = {}
    for entity in graph.entities.values():
        counts[entity.type.value] = counts.get(entity.type.value, 0) + 1
    for kind, count in sorted(counts.items()):
        yield (
            f'<label class="key"><input type="checkbox" checked data-type="{kind}">'
            f'<span class="dot type-{kind}"></span>{kind.replace("_", " ")} <small>{count}</small></label>'
        )


def _view(place: dict[str, Place]) -> str:
    reach = max(spot.radius for spot in place.values()) + RING_WIDTH
    return f"{-reach:.0f} {-reach:.0f} {2 * reach:.0f} {2 * reach:.0f}"


def _links(graph: Subgraph, place: dict[str, Place]) -> Iterator[str]:
    for number, ((first, second), assertions) in enumerate(graph.links.items()):
        path = _curve(place[first], place[second], first == second)
        best = max(assertion.belief for assertion in assertions)
        label = "; ".join(_sentence(assertion) for assertion in assertions)
        yield (
            f'<g class="link {_manner(assertions)}" data-link="{number}"><title>{escape(_one_line(label))}</title>'
            f'<path class="hit" d="{path}"/><path class="line w{math.ceil(best * 4)}" d="{path}"/></g>\n'
        )


def _manner(assertions: Sequence[AssertionRow]) -> str:
    """How the line is drawn: disputed, denied, without any weight, or plain."""
    if any(assertion.claims_for and assertion.claims_against for assertion in assertions):
        return "disputed"
    if all(assertion.claims_against and not assertion.claims_for for assertion in assertions):
        return "denied"
    return "plain" if any(assertion.claims_for for assertion in assertions) else "weightless"


def _curve(start: Place, end: Place, loop: bool) -> str:
    """Straight outwards; bent towards the centre the more, the further apart, so as not to cross the names on the rings."""
    if loop:
        return f"M{start.x} {start.y}c-40 -50 40 -50 0 0"
    if not start.radius or not end.radius:
        return f"M{start.x} {start.y}L{end.x} {end.y}"
    apart = abs((start.angle - end.angle + math.pi) % (2 * math.pi) - math.pi)
    pull = 0.5 - 0.2 * min(1.0, apart / (math.pi / 3))
    return f"M{start.x} {start.y}Q{(start.x + end.x) * pull:.1f} {(start.y + end.y) * pull:.1f} {end.x} {end.y}"


def _nodes(graph: Subgraph, place: dict[str, Place]) -> Iterator[str]:
    for number, (name, entity) in enumerate(graph.entities.items()):
        spot = place[name]
        words = _one_line(entity.name)
        short = words if len(words) <= _LABEL_CHARACTERS else f"{words[: _LABEL_CHARACTERS - 1]}…"
        kind, centre = entity.type.value, name == graph.centre
        states = f"type-{kind}{' retracted' if name in graph.retracted else ''}{' centre' if centre else ''}"
        described = escape(f"{words}, {kind.replace('_', ' ')}{', retracted' if name in graph.retracted else ''}")
        yield (
            f'<g class="node {states}" data-node="{number}" data-type="{kind}" tabindex="0" '
            f'role="button" aria-label="{described}" transform="translate({spot.x} {spot.y})"><title>{described}</title>'
            f'<circle r="{16 if centre else 6}"/>{_label(short, spot, centre)}</g>\n'
        )


def _label(words: str, spot: Place, centre: bool) -> str:
    """Written outwards from the node, never upside down."""
    if centre:
        return f'<text class="outline" y="34" text-anchor="middle">{escape(words)}</text>'
    degrees = math.degrees(spot.angle) % 360
    left = 90 < degrees < 270
    turn = degrees - 180 if left else degrees
    x, anchor = (-11, "end") if left else (11, "start")
    return f'<text x="{x}" dy=".33em" text-anchor="{anchor}" transform="rotate({turn:.1f})">{escape(words)}</text>'


def _sentence(assertion: AssertionRow) -> str:
    return f"{assertion.subject.name} {assertion.predicate.partition(':')[2].replace('_', ' ')} {assertion.object.name}"


def _one_line(text: str) -> str:
    """Without line breaks and the control characters that HTML does not allow."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())

"""What the registry adds to a study: MeSH terms of conditions and interventions, and the trees they stand in."""

from __future__ import annotations

from Medical_KG_rev.models import SectionKind
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.ctgov.results_schema import BrowseLeaf, BrowseModule, DerivedSection
from Medical_KG_rev.parsing.phrase import Phrase, facts, listing

_SIX_DIGITS = {"D": 66_330, "C": 588_420}
"""The highest numbers that MeSH wrote with six digits; later ones have nine. The registry pads the old ones too."""


def mesh_id(value: str) -> str:
    """A MeSH id in MeSH's own spelling: `D000001171` → `D001171`. Anything else stays as it is."""
    kind, digits = value[:1], value[1:]
    if kind in _SIX_DIGITS and digits.isdecimal() and digits.isascii() and len(digits) == 9:
        number = int(digits)
        return f"{kind}{number:06d}" if number <= _SIX_DIGITS[kind] else value
    return value


def derived(builder: DocumentBuilder, section: DerivedSection) -> None:
    """MeSH terms with the ids in canonical spelling; only the terms themselves are stated, not those above them."""
    _browse(builder, "condition", section.condition_browse_module)
    _browse(builder, "intervention", section.intervention_browse_module)
    countries = section.misc_info_module.removed_countries
    if countries:
        with builder.section("Former locations", SectionKind.METADATA):
            facts(builder, [("Countries no longer listed", ", ".join(countries))])


def _browse(builder: DocumentBuilder, role: str, module: BrowseModule) -> None:
    if module == BrowseModule():
        return
    with builder.section(f"MeSH terms of {role}s", SectionKind.METADATA):
        found: dict[str, list[str]] = {}
        for leaf in module.browse_leaves:
            if leaf.as_found:
                found.setdefault(leaf.name, []).append(leaf.as_found)
        terms = [(mesh.term, mesh_id(mesh.id), found.get(mesh.term)) for mesh in module.meshes]
        listing(builder, [Phrase().add(term, "mesh", id=id_, role=role, as_found=names) for term, id_, names in terms])
        facts(
            builder,
            [
                ("Broader terms", "; ".join(mesh.term for mesh in module.ancestors)),
                ("Branches", "; ".join(branch.name for branch in module.browse_branches)),
                ("Browse terms", "; ".join(_leaf(leaf) for leaf in module.browse_leaves)),
            ],
        )


def _leaf(leaf: BrowseLeaf) -> str:
    return f"{leaf.name} (as found: {leaf.as_found})" if leaf.as_found else leaf.name

"""Words that hint at a relation, by what they hint at."""

from __future__ import annotations

from typing import Final

CUES: Final[dict[str, str]] = {
    "induce": "induc* elicit* provok* precipitat* trigger*",
    "cause": "caus* due attribu* result* lead* led produc* responsib* aetiolog* etiolog*",
    "adverse": "advers* side toxic* complicat* overdos* poison* exacerbat* worsen* withdraw* intoxicat* abus*",
    "appear": "develop* occur* experienc* present* appear* manifest* onset suffer* follow* after during while when",
    "receive": "recei* given gave administ* tak* took inject* infus* dos* mg exposure exposed therapy use used uses using",
    "treat": (
        "treat* therap* manag* prevent* prophyla* protect* ameliorat* attenuat* effic* effective* allevi* reliev* improv* "
        "revers* respon* control* benefi* indica* antag* suppress* abolish*"
    ),
    "associate": "associa* correlat* relat* link* implicat* role contribut* predispos* suscept* risk* involv*",
    "up": (
        "increa* enhanc* elevat* higher high activat* stimulat* upregulat* up promot* potentiat* augment* overexpress* agonist* "
        "gain greater"
    ),
    "down": (
        "decrea* reduc* inhibit* lower* low downregulat* down block* impair* diminish* deplet* loss repress* antagonist* "
        "knock* deficien* deleti* silenc* less"
    ),
    "bind": (
        "bind* bound interact* complex* affinit* phosphorylat* dimer* coimmunoprecipit* recruit* receptor* ligand*"
    ),
    "combine": "combi* coadminist* cotreat* concomit* plus together synerg* added addition adjunct*",
    "compare": "compar* versus vs than differ* whereas superior* equival* placebo",
    "genetic": (
        "mutat* polymorph* variant* allel* genotyp* haplotyp* homozyg* heterozyg* carrier* missense encod* express* gene genes "
        "linkage locus substitut*"
    ),
    "patient": "patient* case cases subject* famil* women men children rat rats mice mouse animal*",
    "denial": "no not without neither nor never none fail* lack* absence absent unlikely cannot unaffected unchanged",
    "doubt": (
        "may might could possib* suggest* suspect* potential* probabl* likely hypothes* whether unclear investigat* exami* "
        "evaluat* determi*"
    ),
}  # fmt: skip
"""Class → its words; a star stands for any ending. Of two classes that know a word, the first has it."""

CLASSES: Final = tuple(CUES)

_WHOLE: Final[dict[str, int]] = {}
_BEGINNINGS: Final[dict[str, int]] = {}
for _index, _words in enumerate(CUES.values()):
    for _word in _words.split():
        (_BEGINNINGS if _word.endswith("*") else _WHOLE).setdefault(_word.rstrip("*"), _index)
_LENGTHS: Final = sorted({len(beginning) for beginning in _BEGINNINGS})


def cue_class(word: str) -> int:
    """Index in ``CLASSES`` of the class of a lower-case word, or -1."""
    found = _WHOLE.get(word)
    if found is not None:
        return found
    return min((_BEGINNINGS[word[:size]] for size in _LENGTHS if word[:size] in _BEGINNINGS), default=-1)

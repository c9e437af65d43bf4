"""What trials report in prose: an intervention against a comparator for an outcome, and which way it went."""

from Medical_KG_rev.extraction.trial_prose.finder import TrialProse
from Medical_KG_rev.extraction.trial_prose.judge import WEIGHTS, Direction, Judge, Judgement
from Medical_KG_rev.extraction.trial_prose.matching import Article

__all__ = ["WEIGHTS", "Article", "Direction", "Judge", "Judgement", "TrialProse"]

"""What is usual in a file: the font, size and line step of its running text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from Medical_KG_rev.parsing.pdf.local.pieces import Font, Line, Page


@dataclass(frozen=True)
class Body:
    """Size in points; ``step`` from baseline to baseline, in sizes."""

    font: Font
    size: float
    step: float

    def is_smaller(self, line: Line) -> bool:
        return line.size < 0.95 * self.size

    def is_emphatic(self, line: Line) -> bool:
        """Whether a line stands out: bold, larger, or all in another family than the text's."""
        return line.share(bold=True) > 0.7 or line.size > 1.08 * self.size


def body_of(pages: Sequence[Page]) -> Body:
    """By most letters, of those on long lines."""
    styles: Counter[tuple[Font, float]] = Counter()
    for page in pages:
        for line in page.lines:
            if line.letters >= 30:
                styles[line.font, round(line.size, 1)] += line.letters
    if not styles:
        return Body(Font(""), 10.0, 1.2)
    (font, size), _ = styles.most_common(1)[0]
    return Body(font, size, _step(pages, size))


def _step(pages: Sequence[Page], size: float) -> float:
    steps: Counter[float] = Counter()
    for page in pages:
        own = [line for line in page.lines if abs(line.size - size) < 0.3 and line.letters >= 30]
        for upper, lower in pairwise(own):
            step = lower.baseline - upper.baseline
            if 0.8 * size < step < 3 * size and upper.box.overlap_x(lower.box) > 0:
                steps[round(step / size, 1)] += 1
    return steps.most_common(1)[0][0] if steps else 1.2

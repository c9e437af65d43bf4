"""Runs put together to lines."""

from __future__ import annotations

from collections.abc import Iterable

from Medical_KG_rev.parsing.pdf.local.pieces import Line, Run

_SPACE = 0.25
_APART = 0.45
"""Pieces that the file does not write one after the other may be cells where they are further apart."""
_GAP = 0.9
"""Runs so many sizes apart stay apart until columns are known."""


def lines_of(runs: Iterable[Run]) -> list[Line]:
    """The lines of runs in the file's order; pieces of one line that the file draws apart are joined."""
    return _joined([Line(tuple(group), order) for order, group in enumerate(_neighbours(runs))])


def _neighbours(runs: Iterable[Run]) -> Iterable[list[Run]]:
    group: list[Run] = []
    main: Run | None = None
    for run in runs:
        if group and main is not None and _continues(main, group[-1], run):
            is_apart = run.spaced or run.x0 - group[-1].x1 > _SPACE * main.size
            group.append(Run(run.text, run.x0, run.x1, run.baseline, run.size, run.font, is_apart))
            if run.size > 1.1 * main.size or (run.size >= 0.9 * main.size and len(run.text) > len(main.text)):
                main = run
            continue
        if group:
            yield group
        group, main = [run], run
    if group:
        yield group


def _continues(main: Run, last: Run, run: Run) -> bool:
    """Whether a run goes on in the line of ``main`` after ``last``: on its baseline, or raised or lowered and smaller."""
    size = max(main.size, run.size)
    gap = run.x0 - last.x1
    if not (-0.35 * size <= gap <= _GAP * size):
        return False
    shift = abs(run.baseline - main.baseline)
    if shift <= 0.1 * size:
        return True
    is_smaller = run.size < 0.86 * main.size or main.size < 0.86 * run.size
    return is_smaller and shift <= 0.6 * size and gap <= 0.45 * size


def _joined(lines: list[Line]) -> list[Line]:
    """Lines on one baseline that the file wrote in pieces are one, and lone small runs go to the line they are raised from."""
    lines = sorted(lines, key=lambda line: (round(line.baseline), line.box.x0))
    kept: list[Line] = []
    for line in lines:
        home = next((index for index in range(len(kept) - 1, max(len(kept) - 12, -1), -1) if _belongs(kept[index], line)), None)
        if home is None:
            kept.append(line)
        else:
            kept[home] = _merged(kept[home], line)
    return sorted(kept, key=lambda line: line.order)


def _belongs(line: Line, other: Line) -> bool:
    size = max(line.size, other.size)
    shift = abs(line.baseline - other.baseline)
    left, right = sorted((line, other), key=lambda one: one.box.x0)
    gap = right.box.x0 - left.box.x1
    if shift <= 0.1 * size:
        return -0.3 * size <= gap <= _APART * size
    small, large = sorted((line, other), key=lambda one: one.size)
    return (
        small.size < 0.86 * large.size
        and shift <= 0.55 * size
        and -0.3 * size <= gap <= 0.3 * size
        and small.box.width <= 4 * large.size
    )


def _merged(line: Line, other: Line) -> Line:
    runs = sorted((*line.runs, *other.runs), key=lambda run: run.x0)
    spaced = [runs[0]]
    for run in runs[1:]:
        is_apart = run.spaced or run.x0 - spaced[-1].x1 > _SPACE * run.size
        spaced.append(Run(run.text, run.x0, run.x1, run.baseline, run.size, run.font, is_apart))
    return Line(tuple(spaced), min(line.order, other.order))

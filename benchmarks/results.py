# SPDX-License-Identifier: BSD-3-Clause
"""What was measured, and what follows from it."""

from __future__ import annotations

__all__ = ["Results", "Verdict"]

import dataclasses
import statistics
from collections import abc as collections

import rows


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a budget."""

    budget: rows.Budget
    value: float | None
    """The figure or ratio; [None][] if it was not measured."""

    @property
    def holds(self) -> bool | None:
        """Whether the budget holds; [None][] if nothing can be said."""
        return None if self.value is None else self.budget.allows(self.value)


class Results:
    """The figures of every run, round by round.

    Parameters
    ----------
    figures
        The figures of each round of each run that was measured.
    """

    def __init__(self, figures: collections.Mapping[rows.Run, list[dict[str, float]]], /) -> None:
        self._figures = figures

    def get(self, run: rows.Run, figure: str, /) -> list[float]:
        """Return a run's figure, round by round; nothing if it was not measured."""
        return [figures[figure] for figures in self._figures.get(run, ()) if figure in figures]

    def median(self, run: rows.Run, figure: str, /) -> float | None:
        """Return the median of a run's figure over all rounds."""
        return statistics.median(values) if (values := self.get(run, figure)) else None

    def ratio(self, run: rows.Run, against: rows.Run, figure: str, /) -> float | None:
        """Return the median of the ratios of two runs' figures, each ratio of one round."""
        ours, theirs = self.get(run, figure), self.get(against, figure)
        ratios = [our / their for our, their in zip(ours, theirs, strict=False) if their]
        return statistics.median(ratios) if ratios else None

    def judge(self, row: rows.Row, budget: rows.Budget, /) -> Verdict:
        """Compare a row's budget with what was measured."""
        if budget.against is None:
            return Verdict(budget, self.median(budget.run, row.figure))

        return Verdict(budget, self.ratio(budget.run, budget.against, row.figure))

    def all_hold(self, table: collections.Iterable[rows.Row], /) -> bool:
        """Return whether every budget was measured and holds."""
        return all(self.judge(row, budget).holds for row in table for budget in row.budgets)

# SPDX-License-Identifier: BSD-3-Clause
"""The results as bars in an SVG."""

from __future__ import annotations

__all__ = ["render"]

import html
import typing
from collections import abc as collections

import report
import rows
from results import Results

_WIDTH: typing.Final = 860
_LEFT: typing.Final = 250
_BAR_WIDTH: typing.Final = 470
_BAR_HEIGHT: typing.Final = 16
_STEP: typing.Final = 22
_HEADING: typing.Final = 30
_GAP: typing.Final = 18
_OURS: typing.Final = "#c2185b"
_OTHERS: typing.Final = "#8d99ae"
_LIMIT: typing.Final = "#1b5e20"
_STYLE: typing.Final = """\
text { font: 13px system-ui, sans-serif; fill: #1d2433; }
.title { font-weight: 600; font-size: 14px; }
.value, .note { fill: #4a5366; font-size: 12px; }
"""


def _draw_text(x: float, y: float, text: str, kind: str = "", anchor: str = "start", /) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _find_limits(row: rows.Row, run: rows.Run, results: Results, /) -> collections.Iterator[float]:
    """Find where on a run's bar its budgets end."""
    for budget in row.budgets:
        if budget.run != run:
            continue

        if budget.against is None:
            yield budget.limit
        elif (median := results.median(budget.against, row.figure)) is not None:
            yield budget.limit * median


def _draw_row(row: rows.Row, results: Results, top: float, /) -> tuple[list[str], float]:
    bars = [(run, median) for run in row.runs if (median := results.median(run, row.figure)) is not None]
    if not bars:
        return [], top

    limits = {run: list(_find_limits(row, run, results)) for run, _ in bars}
    longest = max([median for _, median in bars] + [limit for some in limits.values() for limit in some]) or 1.0
    better = "more is better" if row.more_is_better else "less is better"
    parts = [
        _draw_text(16, top + 18, row.title.replace("`", ""), "title"),
        _draw_text(_WIDTH - 16, top + 18, f"{row.unit}, {better}", "note", "end"),
    ]
    top += _HEADING
    for run, median in bars:
        width = median / longest * _BAR_WIDTH
        color = _OURS if run.script == "worker_sake.py" else _OTHERS
        middle = top + _BAR_HEIGHT - 3
        parts.append(_draw_text(_LEFT - 10, middle, run.label, "", "end"))
        parts.append(
            f'<rect x="{_LEFT}" y="{top:g}" width="{max(width, 1):.1f}" height="{_BAR_HEIGHT}" rx="2" fill="{color}"/>'
        )
        for limit in limits[run]:
            x = _LEFT + limit / longest * _BAR_WIDTH
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 3:g}" y2="{top + _BAR_HEIGHT + 3:g}" stroke="{_LIMIT}"'
                ' stroke-width="2" stroke-dasharray="3 2"/>'
            )

        end = _LEFT + max([width, *(limit / longest * _BAR_WIDTH for limit in limits[run])])
        parts.append(_draw_text(end + 8, middle, report.format_figure(median), "value"))
        top += _STEP

    return parts, top + _GAP


def render(table: collections.Sequence[rows.Row], results: Results, /) -> str:
    """Render one group of bars for each row.

    Parameters
    ----------
    table
        The rows.
    results
        What was measured of them; what was not is left out.

    Returns
    -------
    str
        An SVG document.
    """
    parts: list[str] = []
    top = 16.0
    for row in table:
        drawn, top = _draw_row(row, results, top)
        parts += drawn

    parts.append(_draw_text(16, top + 8, "A dashed line is the budget of the bar it crosses.", "note"))
    height = top + 24
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img"',
            f'  width="{_WIDTH}" height="{height:g}" aria-label="Benchmarks">',
            f"<style>{_STYLE}</style>",
            f'<rect width="{_WIDTH}" height="{height:g}" rx="8" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )

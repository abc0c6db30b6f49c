# SPDX-License-Identifier: BSD-3-Clause
"""The results as text for a terminal and as a page of the documentation."""

from __future__ import annotations

__all__ = ["format_figure", "render_page", "render_text"]

import typing
from collections import abc as collections

import rows
from results import Results
from results import Verdict

_INTRODUCTION: typing.Final = """\
# Benchmarks

`nox -s bench` measures all of this in one run, side by side, and writes this page. Trust the ratios rather than the
absolute figures: another machine gives other figures, but treats everybody alike.

![The figures as bars](assets/benchmarks.svg)
"""

_METHOD: typing.Final = """\
## Method

* Every figure is the median of {rounds} rounds. In a round each contender of a row runs once, in a process of its own
  (`python -O`), against a server of its own that was started for it; the order rotates from round to round. A ratio is
  the median of the ratios within the rounds, so it need not be the quotient of two medians.
* The events come from `sake.testing`, are made once and are the same bytes for everybody: {guilds} The mix is 45 %
  presences, 25 % messages, 10 % edits and deletions, 11 % changes of members, the rest voice states, roles, channels,
  threads, emojis, stickers, invites and guild updates, without whole guilds. They go through the event manager
  of an unmodified `hikari.GatewayBot` by `consume_raw_event`, 500 in one turn of the loop, then one turn without; no
  more are fed while over 5,000 listeners are running. Each event has a payload of its own, parsed by `orjson`.
* Nobody has hiredis, ciso8601 or uvloop unless the label says so, although they may be installed: they are hidden from
  the process. `speedups` means hiredis and ciso8601.
* sake is `RedisCache(..., database=0)` with every resource, its other settings untouched; hikari's cache is off. The
  predecessor is its `RedisCache` with its own defaults, that is a database for each resource, and `json` unless the
  label says `orjson`. CacheImpl is hikari's own cache with every component and its default limits; it keeps everything
  in the process, so it has no server to wait for and nothing left after a restart. The idle listener is one
  `ShardPayloadEvent` listener that does nothing.
* Guilds are loaded before the clock starts, then the first events of a stream are fed unmeasured, then
  `gc.collect()` and `gc.freeze()` take what the harness has built out of the garbage collector's sight.
"""

_LIMITS: typing.Final = """\
## Limits

* One machine runs the bot and the server. With two cores the server's work is next to free for the bot; with one
  it is not, and over a network every round trip costs more than here.
* The steady mix arrives as fast as it is taken. Updates of one entity that arrive before a batch is written
  collapse into one write, which a slower stream gives less occasion for. The paced row shows what an event costs then.
* The payloads are made up. They have the shape and the size of real ones, but your guilds are others.
* There is no websocket and no decompression in these figures: hikari's connection costs the same for everybody.
* Budgets in milliseconds are met by a fast machine sooner than by a slow one; the line with the JSON parse alone tells
  which it was.
* The longest callback is CPU time. A process that the system does not let run blocks longer.
* CacheImpl answers reads from its own process, without a round trip, so it is not in the rows about reads. What it
  cannot do is answer another process.
"""

_LEGEND: typing.Final = """\
Median, smallest and largest of all rounds, and the ratio to the first line. *Errors* is how many errors were logged in
a round, where there were any.
"""

_TIMES: typing.Final = "\N{MULTIPLICATION SIGN}"
_WORLD: typing.Final = "25 guilds with 25,000 members for the mix."


def format_figure(value: float, /) -> str:
    """Format a figure with as many digits as it is worth."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"

    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _format_budget(row: rows.Row, budget: rows.Budget, /) -> str:
    sign = "≥" if budget.at_least else "≤"
    if budget.against is None:
        return f"{sign} {format_figure(budget.limit)} {row.unit}"

    return f"{sign} {budget.limit:g} {_TIMES} {budget.against.label}"


def _format_value(row: rows.Row, verdict: Verdict, /) -> str:
    if verdict.value is None:
        return "not measured"

    return (
        f"{format_figure(verdict.value)} {row.unit}"
        if verdict.budget.against is None
        else f"{verdict.value:.2f} {_TIMES}"
    )


def _format_verdict(verdict: Verdict, /) -> str:
    return {None: "?", True: "yes", False: "**no**"}[verdict.holds]


def _list_runs(row: rows.Row, results: Results, /) -> collections.Iterator[tuple[str, str, str, str, str]]:
    first = row.runs[0]
    for run in row.runs:
        median = results.median(run, row.figure)
        if median is None:
            yield run.label, "not measured", "", "", ""
            continue

        values = results.get(run, row.figure)
        spread = f"{format_figure(min(values))} to {format_figure(max(values))}"
        ratio = results.ratio(run, first, row.figure)
        logged = results.median(run, "errors")
        yield (
            run.label,
            f"{format_figure(median)} {row.unit}",
            spread,
            "1" if run == first else f"{ratio:.2f}" if ratio is not None else "",
            format_figure(logged) if logged else "",
        )


def _build_table(header: collections.Sequence[str], lines: collections.Iterable[collections.Sequence[str]], /) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))


def render_text(
    table: collections.Sequence[rows.Row], results: Results, about: collections.Mapping[str, str], /
) -> str:
    """Render the results for a terminal."""
    lines = [f"{key}: {value}" for key, value in about.items()]
    for row in table:
        lines += ["", f"{row.title} [{row.name}]"]
        for label, median, spread, ratio, logged in _list_runs(row, results):
            errors = f"  {logged} errors logged" if logged else ""
            lines.append(f"  {label:<32}{median:>20}  ({spread})  {ratio:>6}{errors}")

        for budget in row.budgets:
            verdict = results.judge(row, budget)
            holds = {None: "?", True: "holds", False: "DOES NOT HOLD"}[verdict.holds]
            what = budget.what or budget.run.label
            lines.append(f"  budget: {what} {_format_budget(row, budget)}: {_format_value(row, verdict)}: {holds}")

    return "\n".join(lines)


def render_page(
    table: collections.Sequence[rows.Row], results: Results, about: collections.Mapping[str, str], rounds: int, /
) -> str:
    """Render the results as a page of the documentation."""
    budgets = (
        (
            row.title,
            budget.what or budget.run.label,
            _format_budget(row, budget),
            _format_value(row, verdict),
            _format_verdict(verdict),
        )
        for row in table
        for budget in row.budgets
        for verdict in (results.judge(row, budget),)
    )
    parts = [
        _INTRODUCTION,
        "## Budgets\n",
        _build_table(("figure", "of", "budget", "measured", "holds"), budgets),
        "\n## Figures\n",
        _LEGEND,
    ]
    for row in table:
        parts.append(f"### {row.title}\n\n*Inside the clock.* {row.clock}\n")
        header = ("contender", "median", "smallest to largest", "ratio", "errors")
        parts.append(_build_table(header, _list_runs(row, results)) + "\n")

    parts += [
        _METHOD.format(rounds=rounds, guilds=_WORLD),
        _LIMITS,
        "## Machine\n",
        _build_table(("what", "which"), about.items()),
    ]
    return "\n".join(parts) + "\n"

# SPDX-License-Identifier: BSD-3-Clause
"""Measures this package side by side with its predecessor, hikari's own cache and bare redis-py.

Every contender runs in a process of its own against a server of its own. A whole run writes the documentation's page
and its picture; one with `--quick` or `--only` prints only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import typing
from collections import abc as collections

import machine
import plot
import report
import rows
import streams
from results import Results

from sake import embedded

_HERE: typing.Final = pathlib.Path(__file__).resolve().parent
_DOCS: typing.Final = _HERE.parent / "docs"
_TIMEOUT: typing.Final = 300.0
"""Seconds after which a worker is given up."""

_START: typing.Final = """
import runpy, sys
for name in sys.argv.pop().split(","):
    sys.modules[name] = None
script = sys.argv.pop()
runpy.run_path(script, run_name="__main__")
"""
"""Hides modules from a worker before it imports anything."""


class WorkerError(Exception):
    """A worker ended without a result."""


class Harness:
    """Runs workers.

    Parameters
    ----------
    folder
        A folder for the event streams.
    sizes
        How much of everything is measured.
    old_python
        The interpreter of the environment where the predecessor is installed; [None][] measures without it.
    """

    def __init__(self, folder: pathlib.Path, sizes: streams.Sizes, old_python: pathlib.Path | None, /) -> None:
        self._old_python = old_python
        self._streams = streams.Streams(folder, sizes)
        self.failures: dict[rows.Run, str] = {}

    def measure(self, table: collections.Iterable[rows.Row], rounds: int, /) -> Results:
        """Measure everything that a table needs: round by round, those that are compared one after the other."""
        results: dict[rows.Run, list[dict[str, float]]] = {}
        for group in self._find_groups(table):
            for number in range(rounds):
                first = number % len(group)
                for run in group[first:] + group[:first]:
                    if run not in self.failures:
                        _say(f"round {number + 1} of {rounds}: {run.job}, {run.label}")
                        self._try(run, results)

        return Results(results)

    def _find_groups(self, table: collections.Iterable[rows.Row], /) -> list[list[rows.Run]]:
        """Find the runs of each row, rows that share runs taken together."""
        groups: list[list[rows.Run]] = []
        for row in table:
            runs = [run for run in row.runs if self._can_run(run)]
            group = next((group for group in groups if any(run in group for run in runs)), None)
            if group is not None:
                group += [run for run in runs if run not in group]
            elif runs:
                groups.append(runs)

        return groups

    def _can_run(self, run: rows.Run, /) -> bool:
        if run.is_predecessor:
            return self._old_python is not None

        return all(machine.is_installed(name) for name in run.needs)

    def _try(self, run: rows.Run, results: dict[rows.Run, list[dict[str, float]]], /) -> None:
        try:
            results.setdefault(run, []).append(self._work(run))
        except WorkerError as exc:
            results.pop(run, None)
            self.failures[run] = str(exc)
            _say(f"{run.job}, {run.label} failed:\n{exc}")

    def _work(self, run: rows.Run, /) -> dict[str, float]:
        setup, events = self._streams.write(run.stream)
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(embedded.EmbeddedServer()).url if run.server else ""
            order = {
                "job": run.job,
                "contender": run.contender,
                "url": url,
                "setup": str(setup),
                "events": str(events),
                "uvloop": run.uvloop,
                "parameters": dict(run.parameters),
            }
            return self._start(run, json.dumps(order))

    def _start(self, run: rows.Run, order: str, /) -> dict[str, float]:
        python = str(self._old_python) if run.is_predecessor and self._old_python else sys.executable
        command = [python, "-O", "-c", _START, order, run.script, ",".join(run.hidden) or "-"]
        try:
            # Every word of the command is this harness's own.
            done = subprocess.run(
                command,
                capture_output=True,
                check=True,
                cwd=_HERE,
                env=_build_environment(with_path=not run.is_predecessor),
                text=True,
                timeout=_TIMEOUT,
            )
            return typing.cast("dict[str, float]", json.loads(done.stdout.splitlines()[-1]))
        except subprocess.CalledProcessError as exc:
            raise WorkerError("\n".join(str(exc.stderr).splitlines()[-6:])) from exc
        except subprocess.TimeoutExpired as exc:
            error_message = f"no result within {_TIMEOUT:.0f} seconds"
            raise WorkerError(error_message) from exc
        except (IndexError, ValueError) as exc:
            error_message = f"no figures on standard output: {exc}"
            raise WorkerError(error_message) from exc


def _build_environment(*, with_path: bool) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if with_path and (path := os.environ.get("PYTHONPATH")):
        # Workers run in another folder than the harness.
        environment["PYTHONPATH"] = os.pathsep.join(
            str(pathlib.Path(part).absolute()) for part in path.split(os.pathsep)
        )

    return environment


def _say(text: str, /) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse_arguments(names: collections.Sequence[str], /) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="much less of everything, to see whether it runs")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"some rows only: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help="rounds of each row; 5 by default, 1 with --quick")
    parser.add_argument("--old-python", type=pathlib.Path, help="interpreter of an environment with hikari-sake 1.1.2")
    parser.add_argument("--docs", type=pathlib.Path, help="folder to write the page and its picture to in any case")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a budget does not hold")
    arguments = parser.parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error(f"argument --rounds: must be at least 1: {arguments.rounds}")

    # The path of an environment's interpreter is a link which must not be followed.
    if arguments.old_python is not None and not arguments.old_python.exists():
        parser.error(f"argument --old-python: there is no {arguments.old_python}")

    return arguments


def main() -> int:
    """Measure, print and write.

    Returns
    -------
    int
        The exit code: 1 if a worker failed, or with `--strict` if a budget does not hold; else 0.
    """
    arguments = _parse_arguments([row.name for row in rows.build_rows(streams.Sizes())])
    logging.getLogger("sake.embedded").setLevel(logging.ERROR)
    sizes = streams.Sizes.quick() if arguments.quick else streams.Sizes()
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    old_python = arguments.old_python and arguments.old_python.absolute()
    table = [row for row in rows.build_rows(sizes) if not arguments.only or row.name in arguments.only]
    about = machine.describe(old_python)
    with tempfile.TemporaryDirectory(prefix="sake-bench-") as folder:
        harness = Harness(pathlib.Path(folder), sizes, old_python)
        results = harness.measure(table, rounds)

    print(report.render_text(table, results, about))
    docs = arguments.docs or (None if arguments.quick or arguments.only or harness.failures else _DOCS)
    if docs is not None:
        (docs / "assets").mkdir(parents=True, exist_ok=True)
        (docs / "benchmarks.md").write_text(report.render_page(table, results, about, rounds), encoding="utf-8")
        (docs / "assets" / "benchmarks.svg").write_text(plot.render(table, results), encoding="utf-8")
        _say(f"wrote {docs / 'benchmarks.md'} and its picture")

    broken = arguments.strict and not results.all_hold(table)
    return 1 if harness.failures or broken else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-3-Clause
"""A bot and a reader that go on and on hold no more at the end than at the beginning.

`SAKE_SOAK` says how many events there are; `nox -s soak` has a million of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import typing
from collections import abc as collections

import pytest
import redis
from _support import own_server
from _support import samples
from _support import soak

EVENTS: typing.Final = int(os.environ.get("SAKE_SOAK", "20000"))
ROUNDS: typing.Final = 10 if EVENTS < 100_000 else 50
WARM_UP: typing.Final = ROUNDS // 4
"""Rounds before anything is compared: caches fill, the allocator settles."""

_SECONDS: typing.Final = 30.0

MIB: typing.Final = 2**20


class Limit(typing.NamedTuple):
    """How much more of something there may be at the end of a run than at its beginning."""

    part: float
    """Of what there is."""

    amount: float
    """Besides."""


# What is counted may not grow at all. Memory may by what the allocators of Python and of the system are uneven by: a
# leak of one entry in a hundred events would be 10,000 entries in the whole run.
LIMITS: typing.Final = {
    "tasks": Limit(0, 0.5),
    "descriptors": Limit(0, 0.5),
    "connections": Limit(0, 0.5),
    "keys": Limit(0.02, 5),
    "blocks": Limit(0.01, 1_500),
    "memory": Limit(0.03, 3 * MIB),
    "server": Limit(0.03, 1 * MIB),
}


class Process:
    """One of the two, and what it held each time it was asked."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "_support.soak", *arguments],
            env=samples.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.held: list[soak.Holding] = []

    def ask(self) -> None:
        """Let it go on."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def answer(self) -> None:
        """Take note of what it holds."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        self.held.append(soak.Holding(**json.loads(line)))

    def end(self) -> int:
        """Let it close its cache and end."""
        assert self._process.stdin
        self._process.stdin.close()
        return self._process.wait(_SECONDS)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        with self._process:
            pass


@contextlib.contextmanager
def _running(*arguments: str) -> collections.Iterator[Process]:
    process = Process(*arguments)
    try:
        yield process
    finally:
        process.kill()


def growth(series: collections.Sequence[float], /) -> float:
    """Return by how much a series grows from its beginning to its end, whatever single values stick out.

    It is the median of the slopes between all pairs (Theil and Sen), over the whole length.
    """
    slopes = [
        (later - earlier) / (second - first)
        for first, earlier in enumerate(series)
        for second, later in enumerate(series[first + 1 :], first + 1)
    ]
    return statistics.median(slopes) * (len(series) - 1)


def grown(measured: dict[str, list[float]], /) -> list[str]:
    """Return what grew by more than it may."""
    found = []
    for name, series in measured.items():
        limit = LIMITS[name.split()[-1]]
        allowed = limit.part * statistics.median(series) + limit.amount
        if growth(series) > allowed:
            found.append(f"{name} by {growth(series):,.0f} of {allowed:,.0f}: {[round(value) for value in series]}")
    return found


@pytest.mark.parametrize(
    ("series", "slope"),
    [([5.0] * 20, 0.0), ([5.0, 5.0, 90.0, 5.0, 5.0, 5.0], 0.0), ([float(n) for n in range(10)], 9.0)],
)
def test_growth_is_what_most_of_a_series_says(series: list[float], slope: float) -> None:
    assert growth(series) == slope


def test_a_leak_of_one_task_in_a_round_is_seen() -> None:
    assert grown({"the bot's tasks": [3.0 + number for number in range(9)]})
    assert grown({"the bot's tasks": [3.0, 4.0, 3.0, 3.0, 4.0, 3.0, 3.0, 3.0]}) == []


@pytest.mark.timeout(120 + EVENTS // 500)
def test_a_bot_and_a_reader_that_go_on_and_on_hold_no_more_than_at_the_beginning() -> None:
    binary = own_server.binaries()["valkey"]
    server: dict[str, list[float]] = {"the server's connections": [], "the server's keys": [], "the server": []}
    with (
        own_server.running(binary) as own,
        own.client() as client,
        _running("bot", own.url, str(EVENTS // ROUNDS)) as bot,
        _running("reader", own.url) as reader,
    ):
        for _ in range(ROUNDS):
            bot.ask()
            bot.answer()
            reader.ask()
            reader.answer()
            _look_at(client, server)
        assert bot.held[-1].done >= EVENTS - ROUNDS
        assert reader.held[-1].done > reader.held[0].done
        assert (bot.end(), reader.end()) == (0, 0)
        assert len(client.client_list()) == 1

    measured = server | _series("the bot's", bot.held) | _series("the reader's", reader.held)
    report = {name: [round(value) for value in series] for name, series in measured.items()}
    for name, series in report.items():
        print(f"{name:24} {series[0]:>14,} {series[WARM_UP]:>14,} {series[-1]:>14,}")  # noqa: T201
    assert grown({name: series[WARM_UP:] for name, series in measured.items()}) == []


def _look_at(client: redis.Redis, server: dict[str, list[float]]) -> None:
    server["the server's connections"].append(len(client.client_list()))
    server["the server's keys"].append(client.dbsize())
    server["the server"].append(client.info("memory")["used_memory_dataset"])


def _series(whose: str, held: list[soak.Holding]) -> dict[str, list[float]]:
    names = [field.name for field in dataclasses.fields(soak.Holding) if field.name != "done"]
    return {f"{whose} {name}": [float(getattr(holding, name)) for holding in held] for name in names}

# SPDX-License-Identifier: BSD-3-Clause
"""Stories that nobody thought of; and that the simulator itself can be relied on."""

from __future__ import annotations

import dataclasses
import gc
import os
import pathlib
import subprocess
import sys
import typing
import warnings
from collections import abc as collections

import pytest

from sake.redis._engine import connections as _connections
from simulation import events
from simulation import expected as expected_
from simulation import run
from simulation import shrink
from simulation import stories

SEEDS: typing.Final = int(os.environ.get("SAKE_SEEDS", "300"))
SHARES: typing.Final = 10
"""The seeds are told in so many tests, which may run at the same time."""


@pytest.fixture(autouse=True, scope="module")
def nothing_old_is_looked_at() -> collections.Iterator[None]:
    """Let the collections of garbage look at stories only, not at all that pytest has."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.timeout(max(180, SEEDS))
def test_nothing_is_wrong_in_stories_that_nobody_thought_of(share: int) -> None:
    for result in run.seeds_failing(range(share, SEEDS, SHARES)):
        shortest = shrink.shrink(result.story, result.failures[0].kind, run.tell)
        pytest.fail(run.report(result, shortest), pytrace=False)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_is_the_same_story_to_the_last_byte(seed: int) -> None:
    first, second = run.tell(stories.draw(seed)), run.tell(stories.draw(seed))
    assert first.trace_hash == second.trace_hash
    assert first.failures == second.failures


def test_other_seeds_are_other_stories() -> None:
    assert len({run.tell(stories.draw(seed)).trace_hash for seed in range(5)}) == 5


def test_another_process_tells_the_same_story() -> None:
    assert _told_elsewhere("1") == _told_elsewhere("1") != _told_elsewhere("2")


def _told_elsewhere(seed: str) -> str:
    command = [sys.executable, "-m", "simulation", "--no-shrink", "--seed", seed]
    folders = [str(pathlib.Path(__file__).parents[1]), str(pathlib.Path(__file__).parents[2])]
    path = os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])
    told = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    return told.stdout.splitlines()[-1]


def test_what_a_story_leaves_is_its_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forget(self: _connections.Database) -> None:
        self._idle.clear()

    monkeypatch.setattr(_connections.Database, "close", forget)
    result = run.tell(stories.Story(1, stories.Setup(), ()))
    assert "unclosed Connection" in str([failure for failure in result.failures if failure.kind == "Python warns"])


def test_what_a_killed_bot_leaves_is_nobodys_fault() -> None:
    steps = stories.Step(0.01, "square", "", (1, 0)), stories.Step(0.0101, "kill", "filler0", (None, 0.001))
    result = run.tell(stories.Story(1, stories.Setup(), steps))
    assert not result.failures, run.report(result)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    assert not caught, caught[0].message


def test_a_role_that_is_gone_may_as_well_not_be_there_yet() -> None:
    expected = expected_.Expected(lambda: 0.0)
    beacon = events.BEACONS[0]
    expected.show(beacon, "once")
    expected.show(beacon, None)
    assert expected.newest(beacon, None) == 2
    assert expected.oldest(beacon, None, 0) == 0
    assert expected.oldest(beacon, None, 1) == 2


def test_a_story_that_fails_is_cut_to_what_makes_it_fail() -> None:
    story = stories.draw(11)
    essential = story.steps[3], story.steps[-2]

    def tell(candidate: stories.Story) -> typing.Any:
        failures = [_Failed("known")] if set(essential) <= set(candidate.steps) else []
        return _Told(failures)

    assert shrink.shrink(story, "known", tell).steps == essential


@dataclasses.dataclass
class _Failed:
    kind: str


@dataclasses.dataclass
class _Told:
    failures: list[_Failed]

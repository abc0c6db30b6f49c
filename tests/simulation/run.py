# SPDX-License-Identifier: BSD-3-Clause
"""Tells stories one after the other, and what happened in those that failed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import sys
import textwrap
import time
import typing
import warnings
from collections import abc as collections
from unittest import mock

from simulation import clock as clock_
from simulation import loop as loop_
from simulation import real
from simulation import shrink
from simulation import stage as stage_
from simulation import stories
from simulation import world as world_

_LOGGERS: typing.Final = ("asyncio", "hikari", "sake")


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a story."""

    story: stories.Story
    failures: tuple[world_.Failure, ...]
    trace_hash: str
    seconds: float
    """Virtual ones."""
    commands: int
    lines: tuple[str, ...] = ()


class _Ear(logging.Handler):
    """Hears what is logged."""

    def __init__(self, world: world_.World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if self._world.is_over:
            return
        text = record.getMessage()
        self._world.trace.note("log", record.levelname, text.splitlines()[0] if text else "")
        if "this is a bug" in text:
            cause = record.exc_info[1] if record.exc_info else None
            self._world.fail("says itself that it is a bug", f"{text}: {cause!r}", cause)
        elif record.name == "asyncio" and not self._world.is_no_fault(text):
            self._world.fail("asyncio complains", text)


def tell(story: stories.Story, *, keep_trace: bool = False, binary: str | None = None) -> Result:
    """Tell one story, on a server in memory or on one that is run for it."""
    gc_was_enabled = gc.isenabled()
    # When it runs depends on what was told before, and what it finds is logged.
    gc.disable()
    try:
        if binary is None:
            stage: stage_.Stage | real.Stage = stage_.Stage(story, keep_trace=keep_trace)
        else:
            stage = real.Stage(story, keep_trace=keep_trace, binary=binary)
        world = world_.World(story, stage)
        with stage.entered(), _heard(world), world_.tuned(story):
            world.begin()
            try:
                world.loop.run_until_complete(world.tell())
            except loop_.StuckError as exc:
                world.fail("everybody waits for ever", str(exc), exc)
            _tidy(world)
    finally:
        if gc_was_enabled:
            gc.enable()
    result = Result(
        story,
        tuple(world.failures),
        world.trace.digest(),
        world.clock.now - clock_.START,
        world.server.commands,
        tuple(world.trace.lines),
    )
    has_killed = world.has_killed
    del world, stage
    left = _collect()
    if has_killed or not left:
        return result
    failure = world_.Failure("Python warns", f"{left[0]} when the story was forgotten", result.seconds)
    return dataclasses.replace(result, failures=(*result.failures, failure))


def _collect() -> list[str]:
    """Let what is left of a story go before the next one, which could be blamed for it, and return the warnings."""
    with (
        warnings.catch_warnings(record=True) as caught,
        mock.patch.object(sys, "unraisablehook", lambda _: None),
    ):
        warnings.simplefilter("always")
        gc.collect()
    return _relevant(caught)


def _relevant(caught: collections.Iterable[warnings.WarningMessage]) -> list[str]:
    return [str(each.message) for each in caught if issubclass(each.category, (ResourceWarning, RuntimeWarning))]


def _tidy(world: world_.World) -> None:
    """End what is left, and let everything that Python says about it be heard."""
    loop = world.loop
    with contextlib.suppress(loop_.StuckError):
        tasks = [task for task in world.living() if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=30))
        if world.has_killed:
            world.is_over = True
            loop.bury()
        loop.run_until_complete(loop.shutdown_asyncgens())
    del tasks
    world.clients.clear()
    gc.collect()
    loop.close()


class _heard:  # noqa: N801 - a context
    """Listens to what is logged and warned of as long as it is entered."""

    def __init__(self, world: world_.World) -> None:
        self._world = world
        self._ear = _Ear(world)
        self._before: list[tuple[logging.Logger, bool, int]] = []
        self._warnings = warnings.catch_warnings(record=True)

    def __enter__(self) -> None:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            self._before.append((logger, logger.propagate, logger.level))
            logger.addHandler(self._ear)
            logger.propagate = False
            logger.setLevel(logging.WARNING)
        self._caught = self._warnings.__enter__()
        warnings.simplefilter("always")
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._complain

    def _complain(self, unraisable: sys.UnraisableHookArgs) -> None:
        # What a killed process was about to do is thrown away by Python in ways of its own.
        if not self._world.has_killed:
            self._world.fail(
                "Python complains", f"{unraisable.err_msg}: {unraisable.exc_value!r}", unraisable.exc_value
            )

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._unraisable
        for text in () if self._world.has_killed else _relevant(self._caught or ()):
            self._world.fail("Python warns", text)
        self._warnings.__exit__(None, None, None)
        for logger, propagate, level in self._before:
            logger.removeHandler(self._ear)
            logger.propagate = propagate
            logger.setLevel(level)


def report(result: Result, shortest: stories.Story | None = None) -> str:
    """Say what went wrong, how it came to that, and how to see it again."""
    lines = [f"seed {result.story.seed} fails:"]
    for failure in result.failures:
        lines += [f"  {failure}", *textwrap.indent(failure.trace, "    ").splitlines()]
    story = shortest or result.story
    lines += [f"the {'shortest ' if shortest else ''}story ({len(story.steps)} of {len(result.story.steps)} steps):"]
    lines += [str(story), f"again: nox -s simulate -- --seed {result.story.seed} --trace"]
    return "\n".join(lines)


def seeds_failing(
    seeds: collections.Iterable[int], *, ignore: collections.Container[str] = ()
) -> collections.Iterator[Result]:
    """Tell the stories of many seeds, and yield those that fail."""
    for seed in seeds:
        result = tell(stories.draw(seed))
        if any(failure.kind not in ignore for failure in result.failures):
            yield result


def main(arguments: collections.Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many stories to tell (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="tell one story only")
    parser.add_argument("--trace", action="store_true", help="show all that happened in it")
    parser.add_argument("--ignore", action="append", default=[], help="a kind of failure that does not count")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first story that fails")
    parser.add_argument("--no-shrink", action="store_true", help="leave the story as long as it is")
    parser.add_argument("--real", choices=real.binaries(), help="tell them in real time, on a server that is run")
    options = parser.parse_args(arguments)
    binary = real.binaries()[options.real] if options.real else None
    tell_it = functools.partial(tell, binary=binary)
    gc.collect()
    gc.freeze()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    began, told, failed, virtual = time.perf_counter(), 0, 0, 0.0
    for seed in seeds:
        story = stories.draw(seed)
        if binary is not None and not real.can_be_told(story):
            continue
        result = tell_it(story, keep_trace=options.trace)
        told += 1
        virtual += result.seconds
        if options.trace:
            print("\n".join(result.lines))
        relevant = [failure for failure in result.failures if failure.kind not in options.ignore]
        if not relevant:
            continue
        failed += 1
        shortest = None if options.no_shrink else shrink.shrink(result.story, relevant[0].kind, tell_it)
        print(report(result, shortest), flush=True)
        if not options.keep_going:
            break
    seconds = time.perf_counter() - began
    pace = f"{told / seconds:.1f} a second, {virtual / 3600:.1f} hours"
    print(f"{told} stories in {seconds:.1f} s ({pace}), {failed} failed")
    if options.seed is not None:
        print(f"trace {result.trace_hash}")
    return 1 if failed else 0


def _with_fixed_hashes() -> None:
    # The order of sets of texts is part of a story.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})

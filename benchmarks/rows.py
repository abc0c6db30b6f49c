# SPDX-License-Identifier: BSD-3-Clause
"""The table: what is measured of whom, and what is asked of it."""

from __future__ import annotations

__all__ = ["Budget", "Row", "Run", "build_rows"]

import dataclasses
import typing
from collections import abc as collections

from streams import Sizes

_PACE: typing.Final = 2_000
_SPEEDUPS: typing.Final = ("ciso8601", "hiredis")


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One contender doing one job, in a process of its own."""

    label: str
    job: str
    script: str
    stream: str
    parameters: tuple[tuple[str, float], ...] = ()
    contender: str = ""
    hidden: tuple[str, ...] = _SPEEDUPS
    """Modules that the worker must not find, though they may be installed."""

    server: bool = True
    uvloop: bool = False

    @property
    def is_predecessor(self) -> bool:
        """Whether it needs the predecessor's environment."""
        return self.script == "worker_predecessor.py"

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules without which it would not be what its label says."""
        return tuple(name for name in _SPEEDUPS if name not in self.hidden) + (("uvloop",) if self.uvloop else ())


@dataclasses.dataclass(frozen=True, slots=True)
class Budget:
    """What is asked of a run: a limit for its figure, or for the ratio of its figure to that of another run."""

    run: Run
    limit: float
    at_least: bool = False
    against: Run | None = None
    what: str = ""
    """Words for the ratio, where there is more to say than who is compared with whom."""

    def allows(self, value: float, /) -> bool:
        """Return whether a figure or ratio keeps the limit."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One figure of several runs."""

    name: str
    title: str
    figure: str
    unit: str
    clock: str
    """What exactly is inside the clock."""

    runs: tuple[Run, ...]
    budgets: tuple[Budget, ...] = ()
    more_is_better: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """Makes the runs of one job."""

    job: str
    stream: str
    parameters: tuple[tuple[str, float], ...] = ()

    def sake(self, label: str = "sake", /, **options: typing.Any) -> Run:
        return Run(label, self.job, "worker_sake.py", self.stream, self.parameters, **options)

    def predecessor(self, contender: str = "", /, **parameters: float) -> Run:
        merged = tuple({**dict(self.parameters), **parameters}.items())
        label = f"hikari-sake 1.1.2, {contender}" if contender else "hikari-sake 1.1.2"
        return Run(label, self.job, "worker_predecessor.py", self.stream, merged, contender=contender)

    def cacheimpl(self, label: str = "CacheImpl", /, **options: typing.Any) -> Run:
        return self._hikari(label, "cacheimpl", options)

    def listener(self, label: str, /) -> Run:
        return self._hikari(label, "listener", {})

    def _hikari(self, label: str, contender: str, options: collections.Mapping[str, typing.Any], /) -> Run:
        return Run(
            label,
            self.job,
            "worker_hikari.py",
            self.stream,
            self.parameters,
            contender=contender,
            server=False,
            **options,
        )

    def bare(self, label: str, contender: str, /, **options: typing.Any) -> Run:
        return Run(label, self.job, "worker_redis.py", self.stream, self.parameters, contender=contender, **options)


def build_rows(sizes: Sizes, /) -> list[Row]:
    """Build the table for these sizes.

    Parameters
    ----------
    sizes
        How much of everything is measured.

    Returns
    -------
    list[Row]
        All rows; several may be about the same runs.
    """
    return [
        *_build_steady(sizes),
        *_build_paced(sizes),
        *_build_guild_create(),
        *_build_reads(sizes),
        *_build_memory(),
        *_build_burst(sizes),
        *_build_spread(sizes),
    ]


def _build_steady(sizes: Sizes, /) -> collections.Iterator[Row]:
    job = _Job("steady", "world", (("events", sizes.events), ("warm_up", sizes.warm_up)))
    sake, cacheimpl = job.sake(), job.cacheimpl()
    predecessor = job.predecessor(events=sizes.slow_events)
    speedups: dict[str, typing.Any] = {"hidden": (), "uvloop": True}
    runs = (
        sake,
        predecessor,
        job.predecessor("orjson", events=sizes.slow_events),
        cacheimpl,
        job.listener("one idle listener"),
        job.sake("sake, speedups and uvloop", **speedups),
        job.cacheimpl("CacheImpl, speedups and uvloop", **speedups),
    )
    yield Row(
        "steady",
        "Steady mix, one process",
        "events_per_second",
        "events/s",
        "From the first event handed to hikari's event manager until every listener has ended and, for those that"
        " write to a server, everything is on it. Wall time without the JSON parse, which happens slice by slice with"
        " the clock stopped; what is under way in the server meanwhile goes on.",
        runs,
        (
            Budget(sake, 8, at_least=True, against=predecessor),
            Budget(sake, 1.8, at_least=True, against=cacheimpl),
        ),
        more_is_better=True,
    )
    yield Row(
        "steady-cpu",
        "Steady mix, CPU on the event loop",
        "cpu_microseconds",
        "µs/event",
        "The same runs: CPU time of the loop's thread, without the JSON parse.",
        runs,
    )
    yield Row(
        "steady-server",
        "Steady mix, CPU of the server",
        "server_microseconds",
        "µs/event",
        "The same runs: CPU time that the server reports, reading and writing included.",
        tuple(run for run in runs if run.server),
    )


def _build_paced(sizes: Sizes, /) -> collections.Iterator[Row]:
    parameters = (("events", sizes.paced_events), ("warm_up", sizes.warm_up), ("rate", _PACE))
    job = _Job("steady", "world", parameters)
    yield Row(
        "paced",
        f"The same mix at {_PACE:,} events/s, CPU on the event loop",
        "cpu_microseconds",
        "µs/event",
        "Twenty events every 10 ms, so that batches stay small: CPU time of the loop's thread, without the JSON parse.",
        (job.sake(), job.predecessor(), job.cacheimpl(), job.listener("one idle listener")),
    )


def _build_guild_create() -> collections.Iterator[Row]:
    job = _Job("guild_create", "large")
    sake = job.sake()
    runs = (
        sake,
        job.predecessor(),
        job.predecessor("orjson"),
        job.cacheimpl(),
        job.listener("parse and one idle listener"),
    )
    yield Row(
        "guild-create",
        "GUILD_CREATE of 1,000 members and 1,000 presences, CPU on the event loop",
        "milliseconds",
        "ms",
        "CPU time of the loop's thread from the JSON parse of one new guild until it is written. The limits of this row"
        " and the next come from a machine on which the JSON parse alone took 1.7 ms.",
        runs,
        (Budget(sake, 8),),
    )
    yield Row(
        "guild-create-longest",
        "The same, the longest time in one piece",
        "longest_milliseconds",
        "ms",
        "CPU time of the longest single callback of the event loop, further guilds of the same size. The JSON parse is"
        " in the same callback as hikari's dispatch.",
        runs,
        (Budget(sake, 5),),
    )


def _build_reads(sizes: Sizes, /) -> collections.Iterator[Row]:
    job = _Job("reads", "listed", (("reads", sizes.reads), ("iterations", sizes.iterations)))
    sake, predecessor = job.sake(), job.predecessor()
    bare, decode = job.bare("redis-py", "redis"), job.bare("decoding alone", "decode", server=False)
    with_hiredis: dict[str, typing.Any] = {"hidden": ("ciso8601",)}
    sake_hiredis = job.sake("sake, hiredis", **with_hiredis)
    bare_hiredis = job.bare("redis-py, hiredis", "redis", **with_hiredis)
    yield Row(
        "get-one",
        "`get_member`, one at a time",
        "one_microseconds",
        "µs",
        "Wall time of `await cache.get_member(...)`, model included; redis-py: of a bare `await client.hget(...)`,"
        " whose bytes are not decoded.",
        (sake, predecessor, bare, sake_hiredis, bare_hiredis),
        (
            Budget(sake, 1.15, against=bare),
            Budget(sake_hiredis, 1.15, against=bare_hiredis),
        ),
    )
    yield Row(
        "get-many",
        "`get_member`, 100 at once, each",
        "many_microseconds",
        "µs",
        "Wall time of `asyncio.gather` of 100 `get_member`, divided by 100; redis-py: of one pipeline of 100 `HGET`"
        " with `orjson.loads` and `deserialize_member` of each reply.",
        (sake, predecessor, bare, sake_hiredis, bare_hiredis),
        (
            Budget(sake, 1.6, against=bare),
            Budget(sake_hiredis, 1.6, against=bare_hiredis),
        ),
    )
    yield Row(
        "iterate",
        f"Iterate {sizes.listed_members:,} members of one guild, each",
        "iterate_microseconds",
        "µs",
        "Wall time of `async for member in cache.iter_members_for_guild(...)`; decoding alone: `orjson.loads` and"
        " `deserialize_member` of the same members from memory.",
        (sake, predecessor, decode, sake_hiredis),
        (Budget(sake, 1.25, against=decode),),
    )


def _build_memory() -> collections.Iterator[Row]:
    job = _Job("memory", "members")
    sake = job.sake()
    yield Row(
        "memory",
        "Server memory per member with its user",
        "bytes",
        "B",
        "`used_memory` with 20 guilds of 1,000 members, less `used_memory` with the same guilds of one member each,"
        " divided by the difference in members.",
        (sake, job.predecessor()),
        (Budget(sake, 400),),
    )


def _build_burst(sizes: Sizes, /) -> collections.Iterator[Row]:
    job = _Job("burst", "burst")
    sake = job.sake()
    runs = (sake, job.predecessor())
    yield Row(
        "burst",
        f"{sizes.burst_guilds:,} GUILD_CREATE in one turn of the loop, guilds whole afterwards",
        "whole",
        "guilds",
        "Nothing: guilds of 10 channels, 10 roles, an emoji and 5 members are counted that can be read back with the"
        " right number of each.",
        runs,
        (Budget(sake, sizes.burst_guilds, at_least=True),),
        more_is_better=True,
    )
    yield Row(
        "burst-time",
        "The same, time",
        "seconds",
        "s",
        "Wall time from the first event until all listeners have ended and everything is written. The JSON was parsed"
        " before.",
        runs,
    )
    yield Row(
        "burst-memory",
        "The same, growth of the process",
        "growth_megabytes",
        "MB",
        "Peak of resident memory, less what the process took before, parsed payloads included.",
        runs,
    )


def _build_spread(sizes: Sizes, /) -> collections.Iterator[Row]:
    parameters = (("events", sizes.spread_events), ("warm_up", sizes.warm_up))
    counts = (10, 1_000, 100_000)
    few, some, many = (
        _Job("steady", f"spread-{count}", parameters).sake(f"sake, {count:,} guilds") for count in counts
    )
    yield Row(
        "spread",
        "Cost per event, by number of guilds",
        "microseconds",
        "µs/event",
        "As the steady mix, with presences, messages and member updates of the same 100,000 users, who are spread over"
        " 10, 1,000 or 100,000 guilds. No guild is stored before.",
        (few, some, many),
        (
            Budget(some, 1.2, against=few, what="1,000 guilds ÷ 10 guilds"),
            Budget(many, 1.2, against=few, what="100,000 guilds ÷ 10 guilds"),
        ),
    )

# SPDX-License-Identifier: BSD-3-Clause
"""The way in and out of a worker: one job from the command line, one line of JSON with what it measured."""

from __future__ import annotations

__all__ = ["Order", "run"]

import asyncio
import dataclasses
import json
import pathlib
import sys
import typing
from collections import abc as collections


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What the harness wants."""

    job: str
    contender: str
    url: str
    setup: str
    events: str
    uvloop: bool
    parameters: dict[str, typing.Any]

    def read_setup(self) -> list[tuple[str, bytes]]:
        """Read the events that come before the measurement, each with its payload in JSON."""
        return _read(self.setup)

    def read_events(self, limit: int | None = None, /) -> list[tuple[str, bytes]]:
        """Read the events to measure, each with its payload in JSON."""
        return _read(self.events)[:limit]


Job: typing.TypeAlias = "collections.Callable[[Order], collections.Awaitable[dict[str, float]]]"


def _read(path: str, /) -> list[tuple[str, bytes]]:
    events: list[tuple[str, bytes]] = []
    with pathlib.Path(path).open("rb") as file:
        for line in file:
            name, _, payload = line.partition(b" ")
            events.append((sys.intern(name.decode()), payload))

    return events


def run(job: Job, /) -> None:
    """Do the job and print what it measured.

    Parameters
    ----------
    job
        Called with the order; returns figures by name.
    """
    order = Order(**json.loads(sys.argv[1]))
    loop_factory = None
    if order.uvloop:
        import uvloop

        loop_factory = uvloop.new_event_loop

    async def main() -> dict[str, float]:
        return await job(order)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        figures = runner.run(main())

    print(json.dumps(figures))

# SPDX-License-Identifier: BSD-3-Clause
"""What should be stored, and what may be seen: hikari's cache, and a log of every beacon."""

from __future__ import annotations

import dataclasses
from collections import abc as collections

from _support import gateway
from _support import oracle
from _support import snapshots

from simulation import events as events_


@dataclasses.dataclass
class Sight:
    """A beacon as it was shown at a time."""

    at: float
    stamp: str | None


class Expected:
    """Knows what bots were told."""

    def __init__(self, now: collections.Callable[[], float]) -> None:
        self.oracle = oracle.Oracle()
        self.shown: dict[events_.Beacon, list[Sight]] = {beacon: [Sight(0.0, None)] for beacon in events_.BEACONS}
        self.hand: dict[events_.Beacon, set[str | None]] = {}
        """What may be stored of what was written by hand."""
        self.is_lossy = False
        """Whether something was lost, and nobody may say what."""
        self.evicted = False
        """Whether the server removed entries that have a lifetime."""
        self._now = now

    def feed(self, name: str, payload: events_.Payload, shard: gateway.Shard) -> None:
        """Take note of an event that a bot received."""
        self.oracle.feed(name, payload, shard)

    def show(self, beacon: events_.Beacon, stamp: str | None, *, changes: bool = False) -> None:
        """Take note of what a beacon shows from now on; `changes` if only one that is there."""
        log = self.shown[beacon]
        if not changes or log[-1].stamp is not None:
            log.append(Sight(self._now(), stamp))

    def current(self, beacon: events_.Beacon) -> int:
        """Return how often a beacon has been changed."""
        return len(self.shown[beacon]) - 1

    def newest(self, beacon: events_.Beacon, stamp: str | None) -> int | None:
        """Return the last time that a beacon showed something, if it ever did."""
        log = self.shown[beacon]
        return next((place for place in range(len(log) - 1, -1, -1) if log[place].stamp == stamp), None)

    def oldest(self, beacon: events_.Beacon, stamp: str | None, since: int) -> int:
        """Return the first time from one on that a beacon showed something: what was seen is that new at least."""
        log = self.shown[beacon]
        return next((place for place in range(since, len(log)) if log[place].stamp == stamp), since)

    def as_of(self, beacon: events_.Beacon, moment: float) -> int:
        """Return which time a beacon was shown the last before a moment."""
        log = self.shown[beacon]
        return next((place for place in range(len(log) - 1, -1, -1) if log[place].at <= moment), 0)

    def write(self, key: events_.Beacon, stamp: str | None) -> None:
        """Take note that something was written by hand, for certain."""
        self.hand[key] = {stamp}

    def may_write(self, key: events_.Beacon, stamp: str | None) -> None:
        """Take note that something may or may not be written by hand, from now on or later."""
        self.hand.setdefault(key, {None}).add(stamp)

    def snapshot(self) -> snapshots.Expectation:
        """Return what should be stored."""
        return self.oracle.expectation()

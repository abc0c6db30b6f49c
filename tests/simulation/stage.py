# SPDX-License-Identifier: BSD-3-Clause
"""Where a story is told: in memory and in virtual time."""

from __future__ import annotations

import contextlib
import random
import typing

from simulation import clock as clock_
from simulation import loop as loop_
from simulation import network as network_
from simulation import server as server_
from simulation import stories
from simulation import trace as trace_

_PATIENCE: typing.Final = 13.0
"""Seconds within which what was received is visible to others, once everything is well: a write that went out before
may take ten to fail, and is tried again after less than two."""

_SLOW_PATIENCE: typing.Final = 90.0
"""The same where the link is slow."""


class Stage:
    """A clock, an event loop, a network and a server, all of them made up."""

    address: typing.Final = "redis://redis:6379"
    is_real: typing.Final = False

    def __init__(self, story: stories.Story, *, keep_trace: bool) -> None:
        self.chance = random.Random(f"world {story.seed}")
        self.clock = clock_.Clock(random.Random(f"clock {story.seed}"))
        self.trace = trace_.Trace(self.clock, keep=keep_trace)
        self.network = network_.Network(self.clock, self.chance)
        self.network.width = story.setup.width
        self.loop = loop_.Loop(self.clock, self.chance, self.network)
        self.server = server_.Server(self.network, self.clock, self.trace)
        self.server.has_msetex = story.setup.has_msetex
        self.server.is_cluster = story.setup.is_cluster
        self.network.listeners["redis", 6379] = self.server

    def other_loop(self) -> loop_.Loop:
        """Make an event loop for another thread, which waits for this one."""
        return loop_.Loop(self.clock, random.Random(1), self.network)

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the story's time is everybody's."""
        return self.clock.told()

    @staticmethod
    def patience(*, is_slow: bool) -> float:
        """Return how long others may wait to see what was received, once everything is well."""
        return _SLOW_PATIENCE if is_slow else _PATIENCE

# SPDX-License-Identifier: BSD-3-Clause
"""Takes the figures of a demo and puts them on its screen."""

from __future__ import annotations

__all__ = ["Monitor"]

import asyncio
import contextlib
import statistics
import time
import typing
from collections import abc as collections

from sake.cli import _screen

if typing.TYPE_CHECKING:
    import sake
    from sake.cli import _backend
    from sake.cli import _reader_process

_SAMPLE_SECONDS: typing.Final = 0.05


class Monitor:
    """Watches a cache, its server and the second process.

    Parameters
    ----------
    screen
        Where to show the figures.
    backend
        The server.
    cache
        The cache that is filled.
    reader
        The second process.
    """

    __slots__ = ("_backend", "_cache", "_lags", "_reader", "_screen", "phase")

    def __init__(
        self,
        screen: _screen.Screen,
        backend: _backend.Backend,
        cache: sake.RedisCache,
        reader: _reader_process.ReaderProcess,
        /,
    ) -> None:
        self._backend = backend
        self._cache = cache
        self._lags: list[float] = []
        self._reader = reader
        self._screen = screen
        self.phase = "starting"
        """What is going on, as the display says it."""

    @contextlib.asynccontextmanager
    async def watching(self) -> collections.AsyncGenerator[None, None]:
        """Show figures while an `async with` block lasts.

        Yields
        ------
        None
            When the display is there.
        """
        try:
            with self._screen.display():
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(self._watch(), name="sake demo display")
                    yield
                    task.cancel()
        except BaseExceptionGroup as errors:
            # It is the one failure of the display, or of what happens meanwhile.
            raise errors.exceptions[0] from errors.exceptions[0].__cause__

    def forget_lag(self) -> None:
        """Let `describe_lag` tell only of what comes."""
        self._lags.clear()

    def describe_lag(self) -> str:
        """Tell how long writing took.

        Returns
        -------
        str
            The median and the largest lag.
        """
        if not self._lags:
            return "nothing was written"

        return (
            f"write lag median {statistics.median(self._lags) * 1_000:.1f} ms, worst {max(self._lags) * 1_000:.1f} ms"
        )

    async def _watch(self) -> None:
        began = before = time.monotonic()
        events, reads, batches = self._cache.statistics.events, self._reader.reads, self._cache.statistics.batches
        recent: list[float] = []
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            numbers, now = self._cache.statistics, time.monotonic()
            if numbers.batches != batches:
                batches = numbers.batches
                recent.append(numbers.lag)
                self._lags.append(numbers.lag)

            if now - before >= self._screen.interval:
                memory = await self._backend.read_memory()
                self._screen.show(
                    _screen.Frame(
                        phase=self.phase,
                        seconds=now - began,
                        events=numbers.events,
                        event_rate=(numbers.events - events) / (now - before),
                        lag=max(recent, default=0.0),
                        memory=memory,
                        counts=self._reader.counts,
                        reads=self._reader.reads,
                        read_rate=(self._reader.reads - reads) / (now - before),
                        read_errors=self._reader.errors,
                    )
                )
                before, events, reads = now, numbers.events, self._reader.reads
                recent.clear()

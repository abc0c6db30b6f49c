# SPDX-License-Identifier: BSD-3-Clause
"""Group commit: one batch of changes on its way to the server while the next one fills."""

from __future__ import annotations

__all__ = ["Writer"]

import asyncio
import contextlib
import itertools
import logging
import typing
from collections import abc as collections
from collections import deque

from sake import errors

from . import _batch
from ._codec import Codec
from ._connections import Connections
from ._delta import UNTOUCHED
from ._delta import Delta
from ._delta import Lookup
from ._delta import Patch
from ._keys import Keys
from ._kinds import Kind
from ._statistics import Statistics
from ._wire import Packer

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_BATCH_BYTES: typing.Final = 1_048_576
"""A delta that takes more than this is closed, and the next one begins."""

_EXCHANGE_BYTES: typing.Final = 8_388_608
"""So many bytes of closed deltas are sent to the server in one go."""

_ALONE_BYTES: typing.Final = 2_097_152
"""A delta that takes more than this is sent alone."""

_LINGER: typing.Final = 0.002
"""Seconds for which a change waits for company, unless somebody waits for it."""

_PAUSES: typing.Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts while the server is away; the last one counts for all that follow."""


class Writer:
    """Writes deltas in the order they came, and answers what is not written yet.

    Parameters
    ----------
    connections
        Where to.
    layout
        The database of each kind.
    keys
        The names of the keys.
    codec
        Encodes and decodes payloads.
    lifetimes
        Milliseconds that entries of each expiring kind live; 0 for ever.
    backlog_limit
        Bytes of memory, about, that unwritten changes may take.
    """

    def __init__(
        self,
        connections: Connections,
        layout: collections.Mapping[AnyKind, int],
        keys: Keys,
        codec: Codec,
        lifetimes: collections.Mapping[AnyKind, int],
        backlog_limit: int,
        statistics: Statistics,
    ) -> None:
        self._packer = Packer(keys, codec.dumps)
        self._batches = _batch.BatchWriter(connections, layout, keys, codec, self._packer, lifetimes, statistics)
        self._closed: deque[Delta] = deque()
        self._has_dropped = False
        self._failure: errors.BackendError | None = None
        self._kinds = tuple(layout)
        self._limit = backlog_limit
        self._loop = asyncio.get_running_loop()
        self._is_paused = False
        self._batch_bytes = min(_BATCH_BYTES, max(backlog_limit // 8, 1))
        self._exchange_bytes = min(_EXCHANGE_BYTES, max(backlog_limit // 4, 1))
        self._number_cut = 0
        self._number_written = 0
        self.delta = Delta(self._packer)
        """The delta to describe the next event in; call `changed` after that."""
        self._statistics = statistics
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._following: list[Delta] = []
        """What did not fit into what is being written, and is prepared meanwhile."""
        self._writing: list[Delta] = []

    def start(self) -> None:
        """Start to write."""
        self._task = self._loop.create_task(self._run(), name="sake writer")

    def changed(self) -> None:
        """Take note that an event was described whole in `delta`."""
        delta = self.delta
        if not delta.since:
            delta.since = self._loop.time()
            self._linger()
        if delta.size > self._batch_bytes:
            self.cut()
            self._bound()
            self._wake.set()

    @property
    def is_idle(self) -> bool:
        """Whether everything described is written."""
        return not (self._writing or self._following or self._closed or self.delta)

    def cut(self) -> None:
        """Let the next change begin a new delta."""
        if self.delta:
            self._closed.append(self.delta)
            self._number_cut += 1
            self.delta = Delta(self._packer)

    def find(self, kind: AnyKind, guild: str, entity: str, /) -> bytes | Patch | Lookup | None:
        """Return what the newest unwritten change of an entity makes of it: see `Delta.find`."""
        for delta in self._unwritten():
            found = delta.find(kind, guild, entity)
            if found is not UNTOUCHED:
                return found

        return UNTOUCHED

    def find_owner(self, kind: AnyKind, entity: str, /) -> str | None:
        """Return the guild in which an entity was set by an unwritten change, if it was."""
        for delta in self._unwritten():
            if (guild := delta.owners.get((kind, entity))) is not None:
                return guild

        return None

    def touches(self, kind: AnyKind, guild: str | None = None, /) -> bool:
        """Return whether unwritten changes concern a kind (in one guild)."""
        return any(delta.touches(kind, guild) for delta in self._unwritten())

    def _unwritten(self) -> collections.Iterator[Delta]:
        yield self.delta
        yield from reversed(self._closed)
        yield from reversed(self._following)
        yield from reversed(self._writing)

    async def flush(self) -> None:
        """Wait until all that was described so far is written.

        Raises
        ------
        sake.errors.BackendError
            If the server is away. The changes are kept and will be written.
        """
        self.cut()
        if self._number_written >= self._number_cut:
            return

        if self._failure is not None:
            raise _away(self._failure)

        waiter = self._loop.create_future()
        self._waiters.append((self._number_cut, waiter))
        self._wake.set()
        await waiter

    async def close(self, within: float, /) -> None:
        """Write what is left, for at most `within` seconds, and stop.

        What is lost is counted and logged, also where this is cancelled.
        """
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    while self._number_written < self._number_cut or self.delta:
                        with contextlib.suppress(errors.BackendError):
                            await self.flush()
                        await asyncio.sleep(0 if self._failure is None else _PAUSES[0])
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])
            self.give_up_rest()
            self._resolve(errors.ClosedClient("The client was closed"))

    def give_up_rest(self) -> None:
        """Count and log what is not written yet as lost."""
        self.cut()
        if lost := sum(delta.count() for delta in self._unwritten()):
            self._statistics.dropped += lost
            _LOGGER.error(
                "Closed before everything was written: %s changes are lost (%s)",
                lost,
                self._failure or "no time was left",
            )

    def _linger(self) -> None:
        if not self._writing and self._timer is None:
            self._timer = self._loop.call_later(_LINGER, self._wake.set)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self.cut()
            while self._following or self._closed:
                await self._write_next()
            if self.delta:
                self._linger()

    async def _write_next(self) -> None:
        self._writing = self._following or self._take()
        self._following = self._take()
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            try:
                await self._batches.write(self._writing, self._following)
                break
            except errors.BackendError as exc:
                self._fail(exc)
                self._is_paused = True
                self._bound()
                await asyncio.sleep(pause)
                self._is_paused = False
                self.cut()
                self._merge()
            except Exception:
                if len(self._writing) > 1:
                    # Only the one that is at fault is to go.
                    self._closed.extendleft(reversed([*self._writing[1:], *self._following]))
                    self._writing, self._following = self._writing[:1], []
                    continue
                count = sum(delta.count() for delta in self._writing)
                _LOGGER.exception("A batch of %s changes cannot be written and is skipped: this is a bug", count)
                self._statistics.skipped += count
                break

        written, self._writing = self._writing, []
        self._number_written += sum(delta.parts for delta in written)
        self._succeed(written)
        self._resolve(None)

    def _take(self) -> list[Delta]:
        """Take as much of what is closed as is written in one go: small deltas become one, a large one goes alone."""
        taken: list[Delta] = []
        size = 0
        while self._closed and (not taken or not self._closed[0].departures):
            delta = self._closed[0]
            size += delta.size
            if taken and (size > self._exchange_bytes or max(taken[0].size, delta.size) > _ALONE_BYTES):
                break
            self._closed.popleft()
            if taken and taken[-1].size + delta.size <= self._batch_bytes:
                taken[-1].then(delta, self._kinds)
            else:
                taken.append(delta)

        return taken

    def _merge(self) -> None:
        """Make one delta of what is being written and all that waits."""
        merged, *following = itertools.chain(self._writing, self._following, self._closed)
        for delta in following:
            merged.then(delta, self._kinds)

        self._writing, self._following = [merged], []
        self._closed.clear()

    def _bound(self) -> None:
        fixed = sum(delta.size for delta in (*self._writing, *self._following))
        if fixed + sum(delta.size for delta in self._closed) <= self._limit:
            return

        if self._is_paused:
            self._merge()
            self._shrink(self._writing[0], self._limit)
        elif self._closed:
            # What is on its way must stay as it is.
            first, *later = self._closed
            for delta in later:
                first.then(delta, self._kinds)
            self._closed = deque([first])
            self._shrink(first, max(self._limit - fixed, 0))

    def _shrink(self, delta: Delta, limit: int, /) -> None:
        if delta.size > limit:
            delta.measure()
        if delta.size > limit:
            # The other half is for what comes while this cannot be touched.
            dropped = delta.shrink(limit // 2)
            self._statistics.dropped += dropped
            if self._has_dropped:
                return

            self._has_dropped = True
            _LOGGER.error(
                "%s changes wait for the server and take more than backlog_limit=%s bytes: the oldest %s are dropped",
                delta.count(),
                self._limit,
                dropped,
            )

    def _fail(self, exc: errors.BackendError, /) -> None:
        self._statistics.failures += 1
        self._statistics.is_away = True
        if self._failure is None:
            _LOGGER.error("Changes cannot be written and are kept until they can: %s", exc)

        self._failure = exc
        self._statistics.backlog = sum(delta.size for delta in self._unwritten())
        self._resolve(exc)

    def _succeed(self, written: list[Delta], /) -> None:
        if self._failure is not None:
            _LOGGER.warning("The server is back: what was kept has been written")
            self._failure = None

        self._has_dropped = False
        self._statistics.batches += len(written)
        self._statistics.is_away = False
        self._statistics.backlog = sum(waiting.size for waiting in self._unwritten())
        if written[0].since:
            self._statistics.lag = self._loop.time() - written[0].since

    def _resolve(self, exc: errors.SakeException | None, /) -> None:
        waiting: list[tuple[int, asyncio.Future[None]]] = []
        for number, waiter in self._waiters:
            if waiter.done():
                continue
            if exc is not None:
                waiter.set_exception(_away(exc))
            elif number <= self._number_written:
                waiter.set_result(None)
            else:
                waiting.append((number, waiter))

        self._waiters = waiting


def _away(exc: errors.SakeException, /) -> errors.SakeException:
    if not isinstance(exc, errors.BackendError):
        return exc

    away = errors.BackendError(f"Not written yet, and kept until it can be: {exc}", exception=exc)
    away.__cause__ = exc
    return away

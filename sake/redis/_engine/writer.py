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

from .._model.delta import NEVER
from .._model.delta import Delta
from .._model.draft import Draft
from .._model.epochs import Epochs
from .._model.facts import Facts
from .._model.kinds import Kind
from .._model.setup import Setup
from .backlog import Backlog
from .batch import breathe
from .connections import Connections
from .connections import ReplyError
from .takeovers import Takeovers

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_LINGER: typing.Final = 0.002
"""Seconds for which a change waits for company, unless somebody waits for it."""

_OLD: typing.Final = 0.25
"""Seconds after which a delta takes no more changes: lifetimes count from its first one."""

_PATIENCE: typing.Final = 1.0
"""Seconds after which a server that has not taken a batch counts as away."""

_PAUSES: typing.Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts while the server is away; the last one counts for all that follow."""


class Writer(Backlog):
    """Writes what is described in the order it came; see `Backlog` for the parameters."""

    def __init__(
        self,
        connections: Connections,
        setup: Setup,
        facts: Facts,
        epochs: Epochs,
        takeovers: Takeovers,
        on_given_up: collections.Callable[[collections.Set[str]], None],
        on_forgotten: collections.Callable[[], int],
        /,
    ) -> None:
        super().__init__(connections, setup, facts, epochs, takeovers.claims, on_given_up, on_forgotten)
        self.draft: typing.Final = Draft(setup.packer)
        """What the next event is described in; it is empty again once it was added."""
        self._failure: errors.BackendError | None = None
        self._has_made_room = False
        self._has_to_repeat = False
        """Whether an earlier writer of a shard may have written over what was written here."""
        self._is_closing = False
        self._is_draining = False
        self._leaves_after = 0
        self._leaving: dict[str, bytes] = {}
        """Shards that others have by now, as long as something is left to be written of them."""
        self._is_stuck = False
        """Whether nothing can be written at all for now, not even what belongs to places that are there."""
        self._number_sent = 0
        self._number_written = 0
        self.on_lost: collections.Callable[[collections.Collection[str]], None] = lambda _: None
        """Is told of shards that another process has by now."""
        self.on_rival: collections.Callable[[str], None] = lambda _: None
        """Is told of a shard that another process has had and may be writing still."""
        self._packer = setup.packer
        self._takeovers = takeovers
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._writing_since = 0.0
        epochs.on_loss = self._wake.set

    def start(self) -> None:
        """Start to write."""
        self._statistics.watch(self)
        self._work()

    def new_draft(self) -> Draft:
        """Return a draft to describe something else than an event in."""
        return Draft(self._packer, is_event=False)

    def add(self, draft: Draft, /) -> None:
        """Take what was described: it will be written.

        Raises
        ------
        sake.errors.ClosedClient
            If the client is closing.
        """
        if self._is_closing:
            draft.reset()
            raise _closed()
        acts, draft.acts = draft.acts, ()
        if draft.has_departures:
            self._bound()
            draft.has_departures = False
        if draft.steps:
            self._accept(draft)
        # What they describe themselves comes after what they belong to.
        for act in acts:
            act()

    def _accept(self, draft: Draft, /) -> None:
        delta = self._delta
        draft.apply(delta)
        if delta.since == NEVER:
            self._begin(delta)
        if delta.size > self._batch_bytes:
            self._bound()
            self._wake.set()

    def _begin(self, delta: Delta, /) -> None:
        delta.since = self._loop.time()
        if self._timer is None:
            later = (_OLD, self._cut_old) if self._writing else (_LINGER, self._wake.set)
            self._timer = self._loop.call_later(*later)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_old(self) -> None:
        self._timer = None
        self._bound()

    @property
    def is_refused(self) -> bool:
        """Whether the server answers, but did not take the last batch: it is full or read-only, for instance."""
        return self._failure is not None and isinstance(self._failure.exception, ReplyError)

    @property
    def is_away(self) -> bool:
        """Whether the server did not take the last batch, or has not taken the one on its way for a while."""
        return self._failure is not None or (
            bool(self._writing) and not self._is_paused and self._loop.time() - self._writing_since > _PATIENCE
        )

    async def flush(self, is_needed: collections.Callable[[], bool] = lambda: True, /) -> None:
        """Wait until all that was described so far is written.

        While only a part of a cluster is away, that is not before `is_needed` returns false.

        Raises
        ------
        sake.errors.BackendError
            If the server is away. The changes are kept and will be written.
        sake.errors.ClosedClient
            If the client is closed.
        """
        self.cut()
        number = self._number_cut
        while self._batches.has_away and not self._is_stuck and is_needed() and self._number_sent < number:
            self._wake.set()
            await asyncio.sleep(_LINGER)
        if self._number_written >= number or (self._batches.has_away and not is_needed()):
            return
        if self._failure is not None:
            raise _away(self._failure)
        if self._task is None or self._task.done():
            raise _closed()

        waiter = self._loop.create_future()
        self._waiters.append((number, waiter))
        self._wake.set()
        await waiter

    async def close(self, within: float, /) -> None:
        """Take nothing more, write what is left for at most `within` seconds, and stop.

        What is lost is counted and logged, also where this is cancelled.
        """
        self._is_closing = self._is_draining = True
        try:
            if self._task is not None and self._task.done():
                self._work()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._drain()
        finally:
            self._is_draining = False
            self._disarm()
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])
            self.give_up_rest()
            self._resolve(_closed())

    async def _drain(self) -> None:
        while self._number_written < self._number_cut or self._delta:
            with contextlib.suppress(errors.BackendError):
                await self.flush()
            await asyncio.sleep(0 if self._failure is None else _PAUSES[0])
        with contextlib.suppress(errors.BackendError):
            await self._takeovers.leave(self._claims.all(), {})

    def give_up_rest(self) -> None:
        """Count and log what is not written yet as lost."""
        if lost := sum(delta.count() + len(delta.departures) for delta in self.unwritten()):
            self._statistics.dropped += lost
            _LOGGER.error(
                "Closed before everything was written: %s changes are lost (%s)",
                lost,
                self._failure or "no time was left",
            )
        # A closed client has no backlog, and is not away.
        self._delta, self._failure, self._held = Delta(), None, Delta()
        self._closed.clear()
        self._following, self._writing = [], []

    def _work(self) -> None:
        if waiting := [*self._writing, *self._following]:
            self._closed.extendleft(reversed(waiting))
            self._writing, self._following = [], []
            self._wake.set()
        self._task = self._loop.create_task(self._run(), name="sake writer")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None], /) -> None:
        # An event loop that ends cancels all tasks, this one as well as the one that closes the client then.
        if self._is_draining and task is self._task:
            self._work()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._disarm()
            self.cut()
            self._look_back()
            while self._writing or self._following or self._closed or self._can_tidy():
                try:
                    await self._write_next()
                except Exception as exc:  # noqa: BLE001 - a bug must not end all writing
                    self._isolate(exc)
                self._look_back()
            if self._number_written < self._number_sent and not self._is_holding:
                # What was held back was given up.
                self._succeed([])
            self._disarm()
            if self._delta or self._is_holding:
                self._timer = self._loop.call_later(_LINGER if self._delta else _PAUSES[0], self._wake.set)

    def _can_tidy(self) -> bool:
        """Return whether what waited for places that were away can be written now."""
        return self._batches.is_waiting and not self._batches.has_away

    def _look_back(self) -> None:
        self._let_go()
        self._restore()
        if self._claims.late:
            self._claims.late = False
            _LOGGER.error(
                "Another process wrote what had happened before this one connected, when it was believed to have gone: "
                "%s guilds are stale",
                self.on_forgotten(),
            )
        if self._has_to_repeat:
            self._has_to_repeat = False
            self._write_again(0)

    async def outlast(self, shard: str, /) -> None:
        """Wait until nobody who had a shard before writes it, and write over what was written there meanwhile."""
        await self._takeovers.outlast(shard)
        self._has_to_repeat = True
        self._wake.set()

    async def _make_way(self, *, is_old: bool = False) -> None:
        """Leave shards to later writers, as soon as what is left is written; it `is_old` after an outage."""
        for shard in self._claims.take_rivals():
            self.on_rival(shard)
        if lost := self._claims.take_lost():
            self._forsake(lost, is_old=is_old)
            self.on_lost(lost)
            self.cut()
            self._leaving |= lost
            self._leaves_after = self._number_cut
        if self._leaving and self._number_sent >= self._leaves_after:
            leaving, self._leaving = self._leaving, {}
            with contextlib.suppress(errors.BackendError):
                await self._takeovers.leave(leaving, leaving)

    async def _write_next(self) -> None:
        self._writing = self._following or self._take()
        self._following = self._take()
        self._hold()
        first = self._batches.number + 1
        self._follow_what_is_sent()
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            self._writing_since = self._loop.time()
            try:
                if self._failure is not None:
                    # While nothing could be written, another one may have begun to.
                    await self._batches.ask_who_writes()
                    await self._make_way(is_old=True)
                await self._batches.write(self._writing, self._following)
                break
            except errors.BackendError as exc:
                self._fail(exc)
                self._is_paused = True
                self._is_stuck = not self._hold()
                if self._is_stuck:
                    await self._make_room(exc)
                    await asyncio.sleep(pause)
                self.cut()
                await breathe(self._merge())
                self._restore()
                self._writing = self._writing or self._take()
                self._hold()
                self._bound()
                self._is_paused = False

        written, self._writing = self._writing, []
        self._keep(first, written)
        self._succeed(written)
        await self._make_way()

    async def _make_room(self, exc: errors.BackendError, /) -> None:
        """Remove what is to be removed before anything is set, if the server is full: it may be full of just that."""
        if self._has_made_room or not (isinstance(exc.exception, ReplyError) and exc.exception.is_full):
            return

        self._has_made_room = True
        with contextlib.suppress(errors.BackendError):
            for removal in [found for delta in self._writing if (found := delta.removals())]:
                await self._batches.make_room(removal)

    def _isolate(self, exc: Exception, /) -> None:
        """Try one by one what went wrong, and not because of the server, so that only what is at fault is given up."""
        waiting = deque([*self._writing, *self._following, *self._closed])
        self._writing, self._following = [], []
        self._is_paused = False
        delta = waiting.popleft()
        if delta.is_alone:
            self._statistics.skipped += delta.count()
            self._number_sent += delta.parts
            self._number_written = self._number_sent
            what = ", ".join(f"{kind.name} of {' '.join(guilds)}" for kind, guilds in delta.kinds.items())
            _LOGGER.error("Changes (%s) cannot be written and are skipped: this is a bug", what, exc_info=exc)
            self._resolve(None)
        else:
            _LOGGER.error("Changes cannot be written together and are written one by one: this is a bug", exc_info=exc)
            waiting.extendleft(reversed([*delta.split()]))
        self._closed = waiting

    def _fail(self, exc: errors.BackendError, /) -> None:
        self._statistics.failures += 1
        if self._failure is None:
            _LOGGER.error("Changes cannot be written and are kept until they can: %s", exc)

        self._failure = exc
        self._resolve(exc)

    def _succeed(self, written: list[Delta], /) -> None:
        self._number_sent += sum(delta.parts for delta in written)
        self._is_stuck = False
        self._has_given_up = self._has_made_room = False
        self._statistics.batches += len(written)
        since = min((delta.since for delta in written), default=NEVER)
        if since < NEVER:
            self._statistics.last_lag = max(self._loop.time() - since, 0.0)
        if self._is_holding:
            # A part of it is not written: nobody may be told that all is.
            return

        if self._failure is not None:
            _LOGGER.warning("The server is back: what was kept has been written")
            self._failure = None
        self._number_written = self._number_sent
        self._resolve(None)

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


def _closed() -> errors.ClosedClient:
    return errors.ClosedClient("The client was closed")

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

from ._batch import BatchWriter
from ._batch import breathe
from ._changes import UNTOUCHED
from ._changes import Entry
from ._changes import Lookup
from ._connections import Connections
from ._connections import ReplyError
from ._delta import NEVER
from ._delta import Delta
from ._draft import Draft
from ._epochs import Epochs
from ._facts import Facts
from ._kinds import Kind
from ._setup import Setup

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_BATCH_BYTES: typing.Final = 1_048_576
"""A delta that takes more than this is closed, and the next one begins."""

_EXCHANGE_BYTES: typing.Final = 8_388_608
"""So many bytes of closed deltas are sent to the server in one go."""

_ALONE_BYTES: typing.Final = 2_097_152
"""A delta that takes more than this is sent alone."""

_KEPT_PART: typing.Final = 4
"""What was written is kept as long as it takes at most this part of the backlog's limit."""

_KEPT_SECONDS: typing.Final = 5.0
"""So long is kept what was written: a replica that takes over, or a server that is started again, may lack it."""

_LINGER: typing.Final = 0.002
"""Seconds for which a change waits for company, unless somebody waits for it."""

_OLD: typing.Final = 0.25
"""Seconds after which a delta takes no more changes: lifetimes count from its first one."""

_PATIENCE: typing.Final = 1.0
"""Seconds after which a server that has not taken a batch counts as away."""

_PAUSES: typing.Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts while the server is away; the last one counts for all that follow."""


class Writer:
    """Writes deltas in the order they came, and answers what is not written yet.

    Parameters
    ----------
    connections
        Where to.
    setup
        How the client is set up.
    facts
        What the server is known to have of guilds.
    epochs
        Hears when the server has forgotten something.
    on_given_up
        Is told of guilds whose changes were given up.
    on_forgotten
        Is told when the server has forgotten more than can be written again, and returns how many guilds are stale.
    """

    def __init__(
        self,
        connections: Connections,
        setup: Setup,
        facts: Facts,
        epochs: Epochs,
        on_given_up: collections.Callable[[collections.Set[str]], None],
        on_forgotten: collections.Callable[[], int],
        /,
    ) -> None:
        self._batches = BatchWriter(connections, setup, facts)
        self._epochs = epochs
        self._facts = facts
        self._kept: deque[tuple[int, int, float, Delta]] = deque()
        """What was written in the last seconds: the numbers of the first and last batch, when, and what."""
        self._kept_bytes = 0
        self._on_forgotten = on_forgotten
        backlog_limit = setup.backlog_limit
        self._batch_bytes = min(_BATCH_BYTES, max(backlog_limit // 8, 1))
        self._closed: deque[Delta] = deque()
        self._delta = Delta()
        """What the next event is added to."""
        self.draft: typing.Final = Draft(setup.packer)
        """What the next event is described in; it is empty again once it was added."""
        self._exchange_bytes = min(_EXCHANGE_BYTES, max(backlog_limit // 4, 1))
        self._failure: errors.BackendError | None = None
        self._following: list[Delta] = []
        """What did not fit into what is being written, and is prepared meanwhile."""
        self._has_given_up = False
        self._has_made_room = False
        self._held = Delta()
        """What belongs to places that are away, while others go on. It is older than all else that is not written."""
        self._is_closing = False
        self._is_draining = False
        self._is_paused = False
        self._kinds = tuple(kind for kind in setup.layout if kind.in_guild)
        self._lifetimes = setup.lifetimes
        self._limit = backlog_limit
        self._loop = asyncio.get_running_loop()
        self._number_cut = 0
        self._number_sent = 0
        self._number_written = 0
        self._on_given_up = on_given_up
        self._packer = setup.packer
        self._statistics = setup.statistics
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._writing: list[Delta] = []
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
    def is_idle(self) -> bool:
        """Whether everything described is written."""
        return not (self._writing or self._following or self._closed or self._delta or self._held)

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

    @property
    def size(self) -> int:
        """About how many bytes wait to be written."""
        return sum(delta.size for delta in self.unwritten())

    @property
    def age(self) -> float:
        """How many seconds the oldest change that waits has waited."""
        since = min(delta.since for delta in self.unwritten())
        return max(self._loop.time() - since, 0.0) if since < NEVER else 0.0

    def cut(self) -> None:
        """Let the next change begin a new delta."""
        if self._delta:
            self._closed.append(self._delta)
            self._number_cut += 1
            self._delta = Delta()

    def find(self, kind: AnyKind, guild: str, entity: str, /) -> Entry | Lookup:
        """Return what the newest unwritten change of an entity makes of it: see `Delta.find`."""
        for delta in self.unwritten():
            found = delta.find(kind, guild, entity)
            if found is not UNTOUCHED:
                return None if self.is_over(delta, kind, guild, entity) else found

        return UNTOUCHED

    def is_over(self, delta: Delta, kind: AnyKind, guild: str, entity: str, /) -> bool:
        """Return whether an entity that a delta sets has expired by now."""
        if kind.lifetime is None:
            return False

        return self._loop.time() >= delta.end_of(kind, guild, entity, self._lifetimes.get(kind, 0))

    def find_guild(self, entity: str, /) -> str | None:
        """Return the guild in which an entity was set by an unwritten change, if it was."""
        for delta in self.unwritten():
            if (guild := delta.facts.get(entity)) is not None:
                return guild

        return None

    def touches(self, kind: AnyKind, guild: str | None = None, /) -> bool:
        """Return whether unwritten changes concern a kind (in one guild)."""
        return any(delta.touches(kind, guild) for delta in self.unwritten())

    def unwritten(self) -> collections.Iterator[Delta]:
        """Return the deltas that are not known to be written, the newest first."""
        yield self._delta
        yield from reversed(self._closed)
        yield from reversed(self._following)
        yield from reversed(self._writing)
        yield self._held

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
        while self._batches.has_away and is_needed() and self._number_sent < number:
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
            self._disarm()
            if self._delta or self._is_holding:
                self._timer = self._loop.call_later(_LINGER if self._delta else _PAUSES[0], self._wake.set)

    @property
    def _is_holding(self) -> bool:
        return bool(self._held) or self._batches.is_waiting

    def _can_tidy(self) -> bool:
        """Return whether what waited for places that were away can be written now."""
        return self._batches.is_waiting and not self._batches.has_away

    def _look_back(self) -> None:
        self._let_go()
        self._restore()

    def _keep(self, first: int, written: list[Delta], /) -> None:
        """Keep what was written for a while: the server may forget it."""
        now = self._loop.time()
        for delta in map(Delta.whole, written):
            self._kept.append((first, self._batches.number, now, delta))
            self._kept_bytes += delta.size
        while self._kept and (self._kept_bytes > self._limit // _KEPT_PART or now - self._kept[0][2] > _KEPT_SECONDS):
            *_, delta = self._kept.popleft()
            self._kept_bytes -= delta.size
        self._epochs.prune(self._kept[0][0] if self._kept else self._batches.number + 1)

    def _restore(self) -> None:
        """Put what the server has forgotten before everything that came after it."""
        if (lost := self._epochs.heard()) is None:
            return

        number, is_kept = lost
        self._facts.forget()
        again = Delta()
        for _, last, _, delta in self._kept:
            if last > number:
                again.then(delta, self._kinds)
        self._kept.clear()
        self._kept_bytes = 0
        self._statistics.rewinds += 1
        waiting = [*self._writing, *self._following]
        self._writing, self._following = [], []
        if again:
            again.parts = 1
            self._number_cut += 1
            self._waiters = [(waited + 1, waiter) for waited, waiter in self._waiters]
            waiting.insert(0, again)
        self._closed.extendleft(reversed(waiting))
        told = "" if is_kept else f", and more than that is lost: {self._on_forgotten()} guilds are stale"
        _LOGGER.error("The server has forgotten what it had. What is kept of it is written again%s", told)

    def _let_go(self) -> None:
        """Put what was held back for places that are back before everything that came after it."""
        if not self._held:
            return

        free = self._held.take(lambda *place: not self._batches.is_away(*place))
        if not self._held:
            self._held = Delta()
        if free:
            self._closed.extendleft(reversed([free, *self._following]))
            self._following = []

    def _hold(self) -> bool:
        """Hold back what belongs to places that are away, so that it does not keep the others waiting."""
        if not self._batches.has_away:
            return False

        held = [part for delta in self._writing if (part := delta.take(self._batches.is_away))]
        for part in held:
            self._held.then(part, self._kinds)
        if held:
            # What was prepared of these is not to be sent any more.
            self._writing = [*self._writing]
        return bool(held)

    async def _write_next(self) -> None:
        self._writing = self._following or self._take()
        self._following = self._take()
        self._hold()
        first = self._batches.number + 1
        for delta in self._writing:
            if delta.size <= self._limit // _KEPT_PART:
                delta.sent = Delta()
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            self._writing_since = self._loop.time()
            try:
                await self._batches.write(self._writing, self._following)
                break
            except errors.BackendError as exc:
                self._fail(exc)
                self._is_paused = True
                if not self._hold():
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

    def _take(self) -> list[Delta]:
        """Take as much of what is closed as is written in one go: small deltas become one, a large one goes alone."""
        taken: list[Delta] = []
        size = 0
        while self._closed and (not taken or not self._closed[0].departures):
            delta = self._closed[0]
            size += delta.size
            if taken and (
                size > self._exchange_bytes
                or max(taken[0].size, delta.size) > _ALONE_BYTES
                or taken[0].is_alone
                or delta.is_alone
            ):
                break
            self._closed.popleft()
            if taken and taken[-1].size + delta.size <= self._batch_bytes:
                taken[-1].then(delta, self._kinds)
            else:
                taken.append(delta)

        return taken

    def _merge(self) -> collections.Iterator[None]:
        """Make one delta of what is being written and all that waits, step by step, unless it is written one by one."""
        merged, *following = [*self._writing, *self._following] or [Delta()]
        if merged.is_alone:
            return

        self._writing, self._following = [merged], []
        self._closed.extendleft(reversed(following))
        while self._closed:
            # What came meanwhile may remove what the server is full of.
            self._has_made_room = False
            merged.then(self._closed.popleft(), self._kinds)
            yield

    def _bound(self) -> None:
        # What came last, too: it may call a list complete of which the first part is given up.
        self.cut()
        fixed = sum(delta.size for delta in (*self._writing, *self._following, self._held))
        if self._held.size and fixed + sum(delta.size for delta in self._closed) > self._limit:
            self._shrink(self._held, max(self._limit - (fixed - self._held.size), 0))
            fixed = sum(delta.size for delta in (*self._writing, *self._following, self._held))
        if fixed + sum(delta.size for delta in self._closed) <= self._limit:
            return

        if self._is_paused and self._writing and not self._writing[0].is_alone:
            deque(self._merge(), maxlen=0)
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
        if delta.size <= limit:
            return

        # The other half is for what comes while this cannot be touched.
        given_up, guilds = delta.give_up(limit // 2, self._kinds)
        self._statistics.dropped += given_up
        self._on_given_up(guilds)
        if not self._has_given_up:
            self._has_given_up = True
            _LOGGER.error(
                "Changes that wait for the server take more than backlog_limit=%s bytes: the oldest %s are given up, "
                "and %s guilds are stale until they are received again",
                self._limit,
                given_up,
                len(guilds),
            )

    def _fail(self, exc: errors.BackendError, /) -> None:
        self._statistics.failures += 1
        if self._failure is None:
            _LOGGER.error("Changes cannot be written and are kept until they can: %s", exc)

        self._failure = exc
        self._resolve(exc)

    def _succeed(self, written: list[Delta], /) -> None:
        self._number_sent += sum(delta.parts for delta in written)
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

# SPDX-License-Identifier: BSD-3-Clause
"""What is described and not known to be written, in the order it came, and what was written in the last seconds."""

from __future__ import annotations

__all__ = ["Backlog"]

import asyncio
import logging
import typing
from collections import abc as collections
from collections import deque

from .._model.changes import UNTOUCHED
from .._model.changes import Entry
from .._model.changes import Lookup
from .._model.claims import Claims
from .._model.delta import NEVER
from .._model.delta import Delta
from .._model.epochs import Epochs
from .._model.facts import Facts
from .._model.giving_up import give_up
from .._model.kinds import SESSIONS
from .._model.kinds import Kind
from .._model.sessions import shard_of
from .._model.setup import Setup
from .batch import BatchWriter
from .connections import Connections

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


class Backlog:
    """The changes that wait, and answers what they make of what is stored.

    Parameters
    ----------
    connections
        Where to write.
    setup
        How the client is set up.
    facts
        What the server is known to have of guilds.
    epochs
        Hears when the server has forgotten something.
    claims
        Tells who has the shards.
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
        claims: Claims,
        on_given_up: collections.Callable[[collections.Set[str]], None],
        on_forgotten: collections.Callable[[], int],
        /,
    ) -> None:
        self._batch_bytes = min(_BATCH_BYTES, max(setup.backlog_limit // 8, 1))
        self._batches = BatchWriter(connections, setup, facts, claims)
        self._claims = claims
        self._closed: deque[Delta] = deque()
        self._delta = Delta()
        """What the next event is added to."""
        self._epochs = epochs
        self._exchange_bytes = min(_EXCHANGE_BYTES, max(setup.backlog_limit // 4, 1))
        self._facts = facts
        self._following: list[Delta] = []
        """What did not fit into what is being written, and is prepared meanwhile."""
        self._has_given_up = False
        self._held = Delta()
        """What belongs to places that are away, while others go on. It is older than all else that is not written."""
        self._is_paused = False
        self._kept: deque[tuple[int, int, float, Delta]] = deque()
        """What was written in the last seconds: the numbers of the first and last batch, when, and what."""
        self._kept_bytes = 0
        self._kinds = tuple(kind for kind in setup.layout if kind.in_guild)
        self._lifetimes = setup.lifetimes
        self._limit = setup.backlog_limit
        self._loop = asyncio.get_running_loop()
        self._number_cut = 0
        self.on_forgotten: typing.Final = on_forgotten
        self._on_given_up = on_given_up
        self._statistics = setup.statistics
        self._turn = 0
        """When it was looked last what of that is not away any more."""
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        """Who waits until so many deltas are written."""
        self._writing: list[Delta] = []

    @property
    def is_idle(self) -> bool:
        """Whether everything described is written."""
        return not (self._writing or self._following or self._closed or self._delta or self._held)

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

    @property
    def _is_holding(self) -> bool:
        return bool(self._held) or self._batches.is_waiting

    def _let_go(self) -> None:
        """Put what was held back for places that are back before everything that came after it."""
        if not self._held or self._turn == self._batches.turns:
            return

        self._turn = self._batches.turns
        free, self._held = self._held, self._held.take(self._batches.is_away, departures=self._batches.is_list_away)
        free.parts = 0
        if free:
            self._closed.extendleft(reversed([free, *self._following]))
            self._following = []

    def _hold(self) -> bool:
        """Hold back what belongs to places that are away, so that it does not keep the others waiting."""
        if not self._batches.has_away:
            return False

        is_list_away = self._batches.is_list_away
        held = [part for delta in self._writing if (part := delta.take(self._batches.is_away, departures=is_list_away))]
        for part in held:
            self._held.then(part, self._kinds)
        if self._held.departures:
            # What is written before them came after them. That guilds are listed does not wait with them.
            self._held.listed.clear()
            self._held.spare(guild for delta in self._writing for guild in delta.guilds())
        if held:
            # What was prepared of these is not to be sent any more.
            self._writing = [*self._writing]
        return bool(held)

    def _follow_what_is_sent(self) -> None:
        """Let what is written piece by piece be kept, unless it is too large for that."""
        for delta in self._writing:
            if delta.size <= self._limit // _KEPT_PART:
                delta.sent = Delta()

    def _keep(self, first: int, written: list[Delta], /) -> None:
        """Keep what was written for a while: the server may forget it."""
        now = self._loop.time()
        for delta in map(Delta.whole, written):
            self._kept.append((first, self._batches.number, now, delta))
            self._kept_bytes += delta.size
        # What a place has forgotten that is away is heard of when it is back.
        is_needed = self._batches.has_away or self._epochs.oldest_lost is not None
        oldest = 0.0 if is_needed else now - _KEPT_SECONDS
        while self._kept and (self._kept_bytes > self._limit // _KEPT_PART or self._kept[0][2] < oldest):
            *_, delta = self._kept.popleft()
            self._kept_bytes -= delta.size
        self._epochs.prune(self._kept[0][0] if self._kept else self._batches.number + 1)

    def _restore(self) -> None:
        """Put what the server has forgotten before everything that came after it."""
        if (lost := self._epochs.heard()) is None:
            return

        number, is_kept = lost
        self._statistics.rewinds += 1
        self._write_again(number)
        told = "" if is_kept else f", and more than that is lost: {self.on_forgotten()} guilds are stale"
        _LOGGER.error("The server has forgotten what it had. What is kept of it is written again%s", told)

    def _write_again(self, number: int, /) -> None:
        """Put what is kept of what was written after a batch before everything that waits."""
        self._facts.forget()
        again = Delta()
        for _, last, _, delta in self._kept:
            if last > number:
                again.then(delta, self._kinds)
        self._kept.clear()
        self._kept_bytes = 0
        waiting = [*self._writing, *self._following]
        self._writing, self._following = [], []
        if part := again.take(self._batches.is_away):
            part.then(self._held, self._kinds)
            self._held = part
        if again:
            again.parts = 1
            self._number_cut += 1
            self._waiters = [(waited + 1, waiter) for waited, waiter in self._waiters]
            waiting.insert(0, again)
        self._closed.extendleft(reversed(waiting))

    def _forsake(self, shards: collections.Collection[str], /, *, is_old: bool) -> None:
        """Let nothing in guilds of these shards be written any more, for others have received the guilds.

        Messages and users they may not have heard of, unless what waits `is_old`.
        """
        counts = {int(shard.partition("-")[2]) for shard in shards}
        has_others = self._claims.has_any

        def is_theirs(kind: AnyKind, guild: str, entity: str, /) -> bool:
            if kind is SESSIONS:
                return entity in shards
            if not guild:
                return is_old and not has_others
            return any(shard_of(guild, count) in shards for count in counts)

        for delta in (*self.unwritten(), *(kept for *_, kept in self._kept)):
            delta.take(is_theirs)
            delta.departures = [each for each in delta.departures if each.shard not in shards]
            if not has_others:
                delta.listed.clear()
        # What was prepared is not to be sent, and what comes next is the first in its delta.
        self._writing, self._following = [*self._writing], [*self._following]
        self._delta, self._held = self._delta or Delta(), self._held or Delta()

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
        waiting = sum(delta.size for delta in self._closed)
        fixed = sum(delta.size for delta in (*self._writing, *self._following))
        if self._held.size:
            # What others have is not given up for what is away.
            self._shrink(self._held, max(self._limit - fixed - waiting, 0))
            fixed += self._held.size
        if fixed + waiting <= self._limit:
            return

        if self._is_paused and self._writing and not self._writing[0].is_alone:
            deque(self._merge(), maxlen=0)
            self._shrink(self._writing[0], max(self._limit - self._held.size, 0))
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
        given_up, guilds = give_up(delta, limit // 2, self._kinds)
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

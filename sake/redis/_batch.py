# SPDX-License-Identifier: BSD-3-Clause
"""Deltas on their way to the server: what is sent, and what the server says to it."""

from __future__ import annotations

__all__ = ["BatchWriter", "breathe"]

import asyncio
import contextlib
import itertools
import logging
import re
import time
import typing
import uuid
from collections import abc as collections

from sake import errors

from . import _transaction
from . import _wire
from ._codec import Codec
from ._connections import Connections
from ._connections import Database
from ._connections import ReplyError
from ._delta import Delta
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._plan import Place
from ._plan import Plan
from ._plan import Share
from ._statistics import Statistics

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_TRANSACTION_ENTRIES: typing.Final = 2_000
"""What is too large for one transaction, after an outage say, is cut between guilds at about so many entries."""

_TRANSACTION_BYTES: typing.Final = 1_048_576
"""The same for the bytes of the entries."""

_STAGED_BYTES: typing.Final = 2_097_152
"""A list of one kind in one guild that takes more than this is sent ahead of the transaction that puts it in place."""

_PART_BYTES: typing.Final = 262_144
"""What is sent ahead of a transaction is sent in parts of about this size."""

_BREATH_SECONDS: typing.Final = 0.003
"""After working for so long, other tasks get their turn."""

_STEPS: typing.Final = 500
"""How many guilds are looked at between two looks at the clock."""

_GUILD: typing.Final = re.compile(rb"[0-9]{1,20}")
"""What is an id among what is stored, which others may have written."""

_STAGING_LIFETIME: typing.Final = 600_000
"""Milliseconds after which the server drops a staging key whose writer died."""


class BatchWriter:
    """Writes deltas; see [Writer][sake.redis._writer.Writer] for the parameters, and `packer` packs entries."""

    __slots__ = (
        "_codec",
        "_connections",
        "_keys",
        "_layout",
        "_lifetimes",
        "_packer",
        "_prepared",
        "_statistics",
        "_token",
    )

    def __init__(
        self,
        connections: Connections,
        layout: collections.Mapping[AnyKind, int],
        keys: Keys,
        codec: Codec,
        packer: _wire.Packer,
        lifetimes: collections.Mapping[AnyKind, int],
        statistics: Statistics,
    ) -> None:
        self._codec = codec
        self._connections = connections
        self._keys = keys
        self._layout = layout
        self._lifetimes = lifetimes
        self._packer = packer
        self._prepared: tuple[list[Delta], dict[int, Plan]] | None = None
        self._statistics = statistics
        self._token = uuid.uuid4().hex[:8]
        """Begins what this writer stages: another one must not write into the same key."""

    async def write(self, deltas: list[Delta], following: list[Delta], /) -> None:
        """Write deltas in the order they came, each in a transaction of its own. Only the first may have departures.

        What is `following` is prepared while the server works. After a failure all may be written again.

        Raises
        ------
        sake.errors.BackendError
            If the server is away or says that it cannot write now.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[0] is deltas:
            plans = prepared[1]
        else:
            if deltas[0].departures:
                await self._depart(deltas[0])
            plans = await self._prepare(deltas, {})

        sending = _gather({index: self._write(index, plan) for index, plan in plans.items()})
        try:
            if following and not following[0].departures and all(plan.is_small for plan in plans.values()):
                # What is sent first reaches the server first.
                await asyncio.sleep(0)
                try:
                    self._prepared = following, await self._prepare(following, plans)
                except Exception as exc:
                    # It goes wrong again when it is their turn.
                    _LOGGER.debug("What follows cannot be prepared ahead: %s", exc, exc_info=exc)

            _check_results(await sending)
        finally:
            if sending.cancel():
                with contextlib.suppress(asyncio.CancelledError):
                    await sending

    async def make_room(self, removals: Delta, /) -> None:
        """Write what only removes, command by command: a server that is full takes no transaction at all.

        Raises
        ------
        sake.errors.BackendError
            If the server is away or does not take it.
        """
        for index, plan in self._plan([removals]).items():
            database = self._connections.database(index)
            await breathe(plan.pack(has_msetex=False))
            for (_, *commands, _), about in plan.packed:
                answers = await database.exchange(commands, len(about))
                _check(database, (complaint for answer in answers for complaint in _complaints(answer)))

    async def _prepare(
        self, deltas: collections.Iterable[Delta], before: collections.Mapping[int, Plan], /
    ) -> dict[int, Plan]:
        plans = self._plan(deltas)
        preparing = {index: self._prepare_plan(index, plan, before.get(index)) for index, plan in plans.items()}
        _check_results(await _gather(preparing))
        return plans

    async def _prepare_plan(self, index: int, plan: Plan, before: Plan | None, /) -> None:
        database = self._connections.database(index)
        if reads := plan.reads():
            plan.learn(await self._ask(database, reads), before)
        if plan.is_small:
            await breathe(plan.pack(has_msetex=await database.has_msetex()))

    def _plan(self, deltas: collections.Iterable[Delta], /) -> dict[int, Plan]:
        plans: dict[int, Plan] = {}
        now = asyncio.get_running_loop().time()
        for delta in deltas:
            elapsed = max(int((now - delta.since) * 1_000), 0) if delta.since < now else 0
            shares: dict[int, Share] = {}
            for kind, guilds in delta.kinds.items():
                index = self._layout[kind]
                if index not in shares:
                    shares[index] = Share(delta, elapsed)
                shares[index].places += [(kind, guild, changes) for guild, changes in guilds.items()]
            for index, share in shares.items():
                if index not in plans:
                    plans[index] = Plan(self._keys, self._codec, self._packer, self._lifetimes, self._statistics)
                plans[index].add(share)

        return plans

    async def _depart(self, delta: Delta, /) -> None:
        for kind, index in self._layout.items():
            if kind.in_guild:
                command = _wire.pack("SMEMBERS", self._keys.guilds(kind.name))
            elif kind.keyed_by_guild:
                command = _wire.pack("SMEMBERS" if kind.shape is Shape.SET else "HKEYS", self._keys.whole(kind.name))
            else:
                continue

            (stored,) = await self._ask(self._connections.database(index), [command])
            await breathe(_depart(delta, kind, stored))

        delta.departures.clear()

    async def _write(self, index: int, plan: Plan, /) -> None:
        database = self._connections.database(index)
        if plan.is_small:
            await self._send(database, *plan.packed)
            return

        for share in plan.shares:
            await self._write_large(database, plan, share)

    async def _write_large(self, database: Database, plan: Plan, share: Share, /) -> None:
        large = _LargeWrite(self._keys, has_msetex=await database.has_msetex())
        for group in plan.by_guild(share):
            following: list[collections.Iterator[Place]] = []
            for place in group:
                pieces = _pieces(place)
                await self._add(database, large, plan.settle(next(pieces), share.elapsed))
                following.append(pieces)
            await self._send_large(database, large, share)
            for place in itertools.chain.from_iterable(following):
                await self._add(database, large, plan.settle(place, share.elapsed))
                await self._send_large(database, large, share)

        await self._send_large(database, large, share, is_last=True)

    async def _send_large(
        self, database: Database, large: _LargeWrite, share: Share, /, *, is_last: bool = False
    ) -> None:
        if is_last or large.is_full:
            transaction, scopes = large.take()
            await self._send(database, transaction.finish())
            # What the server has need not be sent again if the rest fails.
            for scope in scopes:
                share.delta.written(scope.kind, scope.guild, scope.changes)

    async def _add(self, database: Database, large: _LargeWrite, scope: _transaction.Scope, /) -> None:
        size = scope.size()
        if (
            size > _STAGED_BYTES
            and scope.kind.shape is Shape.GUILD_HASH
            and scope.kind.channel_of is None
            and scope.changes.cleared
        ):
            large.transaction.add_staged(scope, await self._stage(database, scope))
        else:
            large.transaction.add(scope)
            large.size += size
        large.scopes.append(scope)

    async def _stage(self, database: Database, scope: _transaction.Scope, /) -> str:
        staging = f"{self._keys.in_guild(scope.kind.name, scope.guild)}:staging:{self._token}"
        await self._ask(database, [_wire.pack("UNLINK", staging)])
        for part in _parts(scope.puts):
            store = _wire.pack("HSET", staging, entries=part.values())
            await self._ask(database, [store, _wire.pack("PEXPIRE", staging, _STAGING_LIFETIME)])

        return staging

    async def _send(self, database: Database, *transactions: _transaction.Packed) -> None:
        sent = [(commands, about) for commands, about in transactions if about]
        if not sent:
            return

        commands = list(itertools.chain.from_iterable(commands for commands, _ in sent))
        answers = iter(await database.exchange(commands, sum(len(about) + 2 for _, about in sent)))
        complaints: list[tuple[_transaction.Scope | str, ReplyError]] = []
        for _, about in sent:
            complaints += _find_complaints(database, about, list(itertools.islice(answers, len(about) + 2)))

        for what, complaint in complaints:
            self._statistics.skipped += 1
            _LOGGER.error("Changes of %s cannot be written and are skipped: %s", what, complaint)

    async def _ask(self, database: Database, commands: list[bytes], /) -> list[typing.Any]:
        answers = await database.exchange(commands, len(commands))
        _check(database, answers)
        return [() if isinstance(answer, ReplyError) else answer for answer in answers]


class _LargeWrite:
    """What is written in several transactions, and what the next one of them has so far."""

    __slots__ = ("_has_msetex", "_keys", "scopes", "size", "transaction")

    def __init__(self, keys: Keys, /, *, has_msetex: bool) -> None:
        self._has_msetex = has_msetex
        self._keys = keys
        self.scopes: list[_transaction.Scope] = []
        self.size = 0
        self.transaction = _transaction.Transaction(keys, has_msetex=has_msetex)

    @property
    def is_full(self) -> bool:
        """Whether the next transaction is to be sent."""
        return self.transaction.entries > _TRANSACTION_ENTRIES or self.size > _TRANSACTION_BYTES

    def take(self) -> tuple[_transaction.Transaction, list[_transaction.Scope]]:
        """Return the next transaction and begin another one."""
        taken = self.transaction, self.scopes
        self.transaction = _transaction.Transaction(self._keys, has_msetex=self._has_msetex)
        self.scopes, self.size = [], 0
        return taken


def _pieces(place: Place, /) -> collections.Iterator[Place]:
    kind, guild, changes = place
    for piece in changes.pieces():
        yield kind, guild, piece


def _depart(delta: Delta, kind: AnyKind, stored: collections.Iterable[bytes], /) -> collections.Iterator[None]:
    for number, guild in enumerate(member.decode() for member in stored if _GUILD.fullmatch(member)):
        if any(departure.covers(guild) for departure in delta.departures):
            if kind.in_guild:
                delta.changes(kind, guild).depart()
            else:
                delta.changes(kind, "").depart_one(guild)
        if number % _STEPS == 0:
            yield


def _gather(
    work: collections.Mapping[int, collections.Coroutine[typing.Any, typing.Any, None]], /
) -> asyncio.Future[list[BaseException | None]]:
    """Run something for each database."""
    tasks = (asyncio.create_task(each, name=f"sake writer: database {index}") for index, each in work.items())
    return asyncio.gather(*tasks, return_exceptions=True)


def _check_results(results: collections.Iterable[BaseException | None], /) -> None:
    for result in results:
        if result is not None:
            raise result


async def breathe(steps: collections.Iterator[None], /) -> None:
    """Do what takes long step by step, and let other tasks have their turn in between."""
    until = time.monotonic() + _BREATH_SECONDS
    for _ in steps:
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _BREATH_SECONDS


def _find_complaints(
    database: Database, about: list[_transaction.Scope | str], answers: list[typing.Any], /
) -> list[tuple[_transaction.Scope | str, ReplyError]]:
    queued, results = answers[1:-1], answers[-1]
    if isinstance(results, ReplyError):
        _check(database, [*queued, results])
        refused = [pair for pair in zip(about, queued, strict=True) if isinstance(pair[1], ReplyError)]
        return refused or [("a whole batch", results)]

    complaints = [(what, text) for what, answer in zip(about, results, strict=True) for text in _complaints(answer)]
    _check(database, (complaint for _, complaint in complaints))
    return complaints


def _complaints(answer: typing.Any, /) -> list[ReplyError]:
    if isinstance(answer, ReplyError):
        return [answer]

    # A script answers with what went wrong.
    texts = typing.cast("list[bytes]", answer) if isinstance(answer, list) else []
    return [ReplyError(text.decode(errors="replace")) for text in texts]


def _check(database: Database, answers: collections.Iterable[typing.Any], /) -> None:
    for answer in answers:
        if isinstance(answer, ReplyError) and answer.is_temporary:
            raise _as_backend_error(database, answer)


def _parts(puts: dict[str, bytes], /) -> collections.Iterator[dict[str, bytes]]:
    part: dict[str, bytes] = {}
    size = 0
    for entity, entry in puts.items():
        part[entity] = entry
        size += len(entry)
        if size > _PART_BYTES:
            yield part
            part, size = {}, 0

    if part:
        yield part


def _as_backend_error(database: Database, answer: ReplyError, /) -> errors.BackendError:
    error_message = f"{database.name} cannot be written now: {answer}"
    return errors.BackendError(error_message, exception=answer)

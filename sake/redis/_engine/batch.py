# SPDX-License-Identifier: BSD-3-Clause
"""Deltas on their way to the server: carries the steps of plans out, and hears what the server says to them."""

from __future__ import annotations

__all__ = ["BatchWriter", "breathe"]

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
import typing
from collections import abc as collections

from sake import errors

from .._model import ids
from .._model import wire
from .._model.claims import Claims
from .._model.delta import Delta
from .._model.facts import Facts
from .._model.kinds import Kind
from .._model.kinds import Shape
from .._model.plan import Ask
from .._model.plan import Plan
from .._model.plan import Send
from .._model.plan import Share
from .._model.setup import Setup
from .._model.transaction import Packed
from .._model.transaction import Scope
from .connections import Connections
from .connections import ReplyError
from .connections import Server

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_BREATH_SECONDS: typing.Final = 0.003
"""After working for so long, other tasks get their turn."""

_STEPS: typing.Final = 500
"""How many guilds are looked at between two looks at the clock."""


class BatchWriter:
    """Writes deltas.

    Parameters
    ----------
    connections
        Where to.
    setup
        How the client is set up.
    facts
        What the server is known to have of guilds.
    claims
        Tells who has the shards.
    """

    __slots__ = ("_age", "_claims", "_connections", "_facts", "_prepared", "_setup", "_token", "number")

    def __init__(self, connections: Connections, setup: Setup, facts: Facts, claims: Claims, /) -> None:
        self._age = 0
        self._claims = claims
        self._connections = connections
        self._facts = facts
        self.number: int = 0
        """The number of what was sent last."""
        self._prepared: tuple[list[Delta], dict[int, _Course]] | None = None
        self._setup = setup
        self._token = secrets.token_hex(4)

    async def write(self, deltas: list[Delta], following: list[Delta], /) -> None:
        """Write deltas in the order they came, each in a transaction of its own. Only the first may have departures.

        What is `following` is prepared while the server works. After a failure all may be written again.

        Raises
        ------
        sake.errors.BackendError
            If the server is away or says that it cannot write now.
        """
        try:
            await self._write(deltas, following)
            packed, removed = self._facts.remove(self._is_away)
            if packed:
                await self._send(self._reference, packed)
            removed()
        except BaseException as exc:
            # Nobody knows what of it has come through, nor what the server forgot meanwhile.
            self._facts.forget()
            if isinstance(exc, errors.BackendError) and _is_demoted(exc.exception):
                self._connections.renew()
            raise

    async def _write(self, deltas: list[Delta], following: list[Delta], /) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[0] is deltas:
            courses = prepared[1]
        else:
            if deltas and deltas[0].departures:
                # A shard is claimed before anything of its session is written.
                await asyncio.gather(self.ask_who_writes(), self._depart(deltas[0]))
            courses = await self._prepare(deltas, {})

        await self._write_facts(deltas)
        work = {index: course.finish() for index, course in courses.items()}
        if self._claims.has_any and self._setup.reference not in work:
            work[self._setup.reference] = self.ask_who_writes()
        sending = _gather(work)
        try:
            if following and not following[0].departures and all(course.plan.is_small for course in courses.values()):
                # What is sent first reaches the server first.
                await asyncio.sleep(0)
                try:
                    self._prepared = following, await self._prepare(following, courses)
                except Exception as exc:
                    # It goes wrong again when it is their turn.
                    _LOGGER.debug("What follows cannot be prepared ahead: %s", exc, exc_info=exc)

            _check_results(await sending)
            if self._age != self._connections.age:
                await self._write_facts(deltas)
        finally:
            if sending.cancel():
                with contextlib.suppress(asyncio.CancelledError):
                    await sending

        gone = itertools.chain.from_iterable(course.gone for course in courses.values())
        self._facts.discard(deltas, gone)

    async def make_room(self, removals: Delta, /) -> None:
        """Write what only removes, command by command: a server that is full takes no transaction at all.

        Raises
        ------
        sake.errors.BackendError
            If the server is away or does not take it.
        """
        for index, plan in self._plan([removals]).items():
            course = _Course(self, self._connections.database(index), plan, None, has_msetex=False)
            await course.prepare()
            for packed in course.packed():
                one_by_one = wire.Parcel(packed.slot, packed.data, len(packed.about))
                answers = _sound((await course.database.send([one_by_one]))[0])
                _check(course.database, (complaint for answer in answers for complaint in _complaints(answer)))

    async def _prepare(
        self, deltas: collections.Iterable[Delta], before: collections.Mapping[int, _Course], /
    ) -> dict[int, _Course]:
        courses: dict[int, _Course] = {}
        for index, plan in self._plan(deltas).items():
            database = self._connections.database(index)
            await database.found()
            previous = before[index].plan if index in before else None
            courses[index] = _Course(self, database, plan, previous, has_msetex=await database.has_msetex())
        _check_results(await _gather({index: course.prepare() for index, course in courses.items()}))
        return courses

    def _plan(self, deltas: collections.Iterable[Delta], /) -> dict[int, Plan]:
        plans: dict[int, Plan] = {}
        now = asyncio.get_running_loop().time()
        for delta in deltas:
            elapsed = max(int((now - delta.since) * 1_000), 0) if delta.since < now else 0
            shares: dict[int, Share] = {}
            for kind, guilds in delta.kinds.items():
                index = self._setup.layout[kind]
                if index not in shares:
                    shares[index] = Share(delta, elapsed)
                shares[index].places += [(kind, guild, changes) for guild, changes in guilds.items()]
            for index, share in shares.items():
                if index not in plans:
                    plans[index] = Plan(self._setup, self._token)
                plans[index].add(share)

        return plans

    async def _depart(self, delta: Delta, /) -> None:
        database = self._reference
        keys = self._setup.keys
        (stored,) = await self.ask(database, [wire.parcel(keys, "SMEMBERS", keys.guilds())])
        await breathe(_depart(delta, [kind for kind in self._setup.layout if kind.in_guild], stored))
        delta.departures.clear()

    async def _write_facts(self, deltas: list[Delta], /) -> None:
        if self._age != self._connections.age:
            # It may be another server, or one that was started again and has nothing.
            self._age = self._connections.age
            self._facts.forget()
        packed, written = self._facts.write(deltas, self._is_away)
        if packed:
            database = self._reference
            await database.found()
            await self._send(database, packed)
        written()

    def _is_away(self, slot: int, /) -> bool:
        return self._connections.is_away(slot)

    @property
    def has_away(self) -> bool:
        """Whether a part of the server cannot be reached, and only a part."""
        return self._connections.has_away

    @property
    def turns(self) -> int:
        """Is another number after what was away may not be any more."""
        return self._connections.turns

    @property
    def is_list_away(self) -> bool:
        """Whether it cannot be known which guilds there are."""
        return self.has_away and self._is_away(self._setup.keys.slot_of(self._setup.keys.guilds()))

    @property
    def is_waiting(self) -> bool:
        """Whether something is left to be written besides what is handed over to be."""
        return self._facts.is_waiting

    def is_away(self, kind: AnyKind, guild: str, entity: str, /) -> bool:
        """Return whether the place of a guild's entities of a kind, or of an entity of no guild, cannot be reached."""
        keys = self._setup.keys
        is_listed = kind.shape is Shape.GUILD_BOUND or not entity
        key = keys.in_guild(kind.name, guild) if is_listed else keys.single(kind.name, entity)
        return self._is_away(keys.slot_of(key))

    async def send(self, database: Server, send: Send, /) -> list[str]:
        """Carry a step out, and return the ids that went for good with it."""
        gone = await self._send(database, send.packed)
        for delta, scope in send.done:
            # What the server has need not be sent again if the rest fails.
            delta.written(scope.kind, scope.guild, scope.changes)
        return gone

    async def _send(self, database: Server, sent: list[Packed], /) -> list[str]:
        asked = self._claims.ask() if database is self._reference else None
        if not sent and asked is None:
            return []

        self.number += 1
        parcels = [packed.parcel for packed in sent]
        if asked is not None:
            parcels.append(asked[0])
        answers = [*await database.write(parcels, self.number)]
        if asked is not None:
            asked[1](answers.pop())
        complaints: list[tuple[Scope | str, ReplyError]] = []
        told: list[str] = []
        for packed, answer in zip(sent, answers, strict=True):
            for what, result in _results(database, packed, _sound(answer)):
                complaints += [(what, complaint) for complaint in _complaints(result)]
                told += _told(result)
        _check(database, (complaint for _, complaint in complaints))

        for what, complaint in complaints:
            self._setup.statistics.skipped += 1
            _LOGGER.error("Changes of %s cannot be written and are skipped: %s", what, complaint)
        return told

    @property
    def _reference(self) -> Server:
        return self._connections.database(self._setup.reference)

    async def ask_who_writes(self) -> None:
        """Claim shards, and hear which of them others have by now.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be asked.
        """
        if self._claims.has_any:
            await self._send(self._reference, [])

    async def ask(self, database: Server, commands: list[wire.Parcel], /) -> list[typing.Any]:
        """Carry a step out, and return what is answered."""
        answers = [_sound(answer)[0] for answer in await database.send(commands)]
        _check(database, answers)
        return [() if isinstance(answer, ReplyError) else answer for answer in answers]


class _Course:
    """The steps of one plan, as they are carried out."""

    __slots__ = ("_next", "_steps", "_writer", "database", "gone", "plan")

    def __init__(
        self, writer: BatchWriter, database: Server, plan: Plan, before: Plan | None, /, *, has_msetex: bool
    ) -> None:
        self._next: Send | None = None
        self._steps = plan.steps(before, has_msetex=has_msetex)
        self._writer = writer
        self.database: typing.Final = database
        self.gone: list[str] = []
        """Ids of entities that went for good."""
        self.plan: typing.Final = plan

    async def prepare(self) -> None:
        """Carry out all that comes before anything is sent which others see."""
        await self._go_on(None)

    async def finish(self) -> None:
        """Carry out the rest."""
        while self._next is not None:
            self.gone += await self._writer.send(self.database, self._next)
            await self._go_on(None)

    def packed(self) -> list[Packed]:
        """Return what is to be sent next."""
        return [] if self._next is None else self._next.packed

    def _tell(self) -> None:
        for problem in self.plan.problems:
            _LOGGER.error("%s", problem)
        self.plan.problems.clear()

    async def _go_on(self, answers: typing.Any, /) -> None:
        until = time.monotonic() + _BREATH_SECONDS
        self._next = None
        while True:
            try:
                step = self._steps.send(answers)
            except StopIteration:
                return
            finally:
                self._tell()

            answers = None
            if isinstance(step, Send):
                self._next = step
                return
            if isinstance(step, Ask):
                answers = await self._writer.ask(self.database, step.commands)
            elif time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + _BREATH_SECONDS


def _depart(
    delta: Delta, kinds: collections.Sequence[AnyKind], stored: collections.Iterable[bytes], /
) -> collections.Iterator[None]:
    for number, guild in enumerate(filter(None, map(ids.stored_snowflake, stored))):
        if any(departure.covers(guild) for departure in delta.departures):
            delta.vacate(guild, kinds)
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


def _sound(answers: list[typing.Any] | errors.BackendError, /) -> list[typing.Any]:
    if isinstance(answers, errors.BackendError):
        raise answers

    return answers


def _results(
    database: Server, packed: Packed, answers: list[typing.Any], /
) -> collections.Iterable[tuple[Scope | str, typing.Any]]:
    """Return what each command is about, and what it was answered."""
    if not packed.is_transaction:
        return zip(packed.about, answers, strict=True)

    queued, results = answers[1:-1], answers[-1]
    if not isinstance(results, ReplyError):
        return zip(packed.about, results, strict=True)

    _check(database, [*queued, results])
    refused = [pair for pair in zip(packed.about, queued, strict=True) if isinstance(pair[1], ReplyError)]
    return refused or [("a whole batch", results)]


def _complaints(answer: typing.Any, /) -> list[ReplyError]:
    if isinstance(answer, ReplyError):
        return [answer]

    # A script answers with what went wrong.
    texts = typing.cast("list[list[bytes]]", answer)[0] if isinstance(answer, list) else []
    return [ReplyError(text.decode(errors="replace")) for text in texts]


def _told(answer: typing.Any, /) -> list[str]:
    """Return the ids that a script was asked for."""
    texts = typing.cast("list[list[bytes]]", answer)[1] if isinstance(answer, list) else []
    return [text.decode("ascii", "replace") for text in texts]


def _check(database: Server, answers: collections.Iterable[typing.Any], /) -> None:
    for answer in answers:
        if isinstance(answer, ReplyError) and answer.is_temporary:
            raise _as_backend_error(database, answer)


def _is_demoted(answer: Exception | None, /) -> bool:
    """Return whether a server says that it is a replica, and so another may be the primary."""
    return isinstance(answer, ReplyError) and answer.code == "READONLY"


def _as_backend_error(database: Server, answer: ReplyError, /) -> errors.BackendError:
    error_message = f"{database.name} cannot be written now: {answer}"
    return errors.BackendError(error_message, exception=answer)

# SPDX-License-Identifier: BSD-3-Clause
"""Reads: unwritten changes first, then one round trip for all that is asked in the same turn of the event loop."""

from __future__ import annotations

__all__ = ["Reader"]

import asyncio
import contextlib
import dataclasses
import typing
from collections import abc as collections

from sake import errors

from . import _wire
from ._changes import UNTOUCHED
from ._changes import Lookup
from ._changes import Patch
from ._codec import Codec
from ._connections import Connections
from ._connections import Database
from ._connections import ReplyError
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._writer import Writer

AnyKind = Kind[typing.Any]


@dataclasses.dataclass(slots=True)
class _Request:
    kind: AnyKind
    guild: str | None
    """[None][] to ask which guild the entities are in."""
    entities: list[str]
    answer: asyncio.Future[list[bytes | None]]


class Reader:
    """Looks entities up by id.

    A look-up is decided one turn of the event loop after it was asked, so that an event whose listeners are just being
    started is always seen, whichever of them comes first.
    """

    __slots__ = (
        "_codec",
        "_connections",
        "_keys",
        "_lanes",
        "_layout",
        "_loop",
        "_read_timeout",
        "_scheduled",
        "_tasks",
        "_waiting",
        "_writer",
    )

    def __init__(
        self,
        connections: Connections,
        layout: collections.Mapping[AnyKind, int],
        keys: Keys,
        codec: Codec,
        writer: Writer,
        read_timeout: float,
    ) -> None:
        self._codec = codec
        self._connections = connections
        self._keys = keys
        self._lanes: dict[int, _Lane] = {}
        self._layout = layout
        self._read_timeout = read_timeout
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: list[_Request] = []
        self._writer = writer

    def get(self, kind: AnyKind, guild: str, entities: list[str], /) -> asyncio.Future[list[bytes | None]]:
        """Return the bytes of entities, in the order asked; [None][] for those that do not exist.

        For a kind without payloads, the bytes of an id that is in the set are empty. The future fails with
        [BackendError][sake.errors.BackendError] if the server has to be asked and cannot be.
        """
        return self._submit(kind, guild, entities)

    def get_owners(self, kind: AnyKind, entities: list[str], /) -> asyncio.Future[list[bytes | None]]:
        """Return the ids of the guilds that entities of an owned kind are in; as `get` does."""
        return self._submit(kind, None, entities)

    async def call(self, kind: AnyKind, *commands: bytes) -> list[typing.Any]:
        """Send packed commands to the database of a kind and return their replies.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be asked, or answers one of them with an error.
        """
        database = self._connections.database(self._layout[kind])
        return _checked(
            database, kind.name, await database.exchange(b"".join(commands), len(commands), within=self._read_timeout)
        )

    async def settle(self, kind: AnyKind, guild: str | None = None, /) -> None:
        """Wait until what is stored of a kind (in one guild) is up to date with the events received so far.

        Raises
        ------
        sake.errors.BackendError
            If the server is away.
        """
        await asyncio.sleep(0)
        if self._writer.touches(kind, guild):
            await self._writer.flush()

    async def close(self) -> None:
        """Wait for the look-ups that are under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _submit(self, kind: AnyKind, guild: str | None, entities: list[str], /) -> asyncio.Future[list[bytes | None]]:
        request = _Request(kind, guild, entities, self._loop.create_future())
        self._waiting.append(request)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._decide)
        return request.answer

    def _decide(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            if self._writer.is_idle:
                self._lane(request.kind).waiting.append(request)
                continue

            found = [self._find(request, entity) for entity in request.entities]
            if Lookup.UNKNOWN in found:
                self._spawn(self._ask_settled(request))
            elif missing := [i for i, value in enumerate(found) if value is UNTOUCHED]:
                if len(missing) < len(found):
                    self._spawn(self._ask_missing(request, typing.cast("list[bytes | None]", found), missing))
                else:
                    self._lane(request.kind).waiting.append(request)
            elif not request.answer.done():
                request.answer.set_result(typing.cast("list[bytes | None]", found))

        for lane in self._lanes.values():
            self._pump(lane)

    def _find(self, request: _Request, entity: str, /) -> bytes | Lookup | None:
        if request.guild is None:
            guild = self._writer.find_owner(request.kind, entity)
            return UNTOUCHED if guild is None else guild.encode()

        if request.kind.in_guild and not request.guild:
            return Lookup.UNKNOWN if self._writer.touches(request.kind) else UNTOUCHED

        found = self._writer.find(request.kind, request.guild, entity)
        if not isinstance(found, Patch):
            return found
        if found.base is None:
            with contextlib.suppress(Exception):
                return None if found.otherwise is None else self._overlay(request, entity, found.otherwise)
        if isinstance(found.base, bytes):
            # What cannot be merged is reported, and left out, when it is written.
            with contextlib.suppress(Exception):
                return self._overlay(request, entity, (found.base, *found.overs))

        return Lookup.UNKNOWN

    def _overlay(self, request: _Request, entity: str, parts: tuple[bytes, ...], /) -> bytes:
        return self._codec.dumps(self._codec.overlay(parts, f"{request.kind.name} {entity}"))

    async def _ask_settled(self, request: _Request, /) -> None:
        try:
            await self._writer.flush()
        except errors.SakeException as exc:
            _fail(request, exc)
        else:
            lane = self._lane(request.kind)
            lane.waiting.append(request)
            self._pump(lane)

    async def _ask_missing(self, request: _Request, found: list[bytes | None], missing: list[int], /) -> None:
        part = _Request(request.kind, request.guild, [request.entities[i] for i in missing], self._loop.create_future())
        lane = self._lane(request.kind)
        lane.waiting.append(part)
        self._pump(lane)
        try:
            answers = await part.answer
        except errors.SakeException as exc:
            _fail(request, exc)
            return

        for i, value in zip(missing, answers, strict=True):
            found[i] = value
        if not request.answer.done():
            request.answer.set_result(found)

    def _lane(self, kind: AnyKind, /) -> _Lane:
        index = self._layout[kind]
        try:
            return self._lanes[index]
        except KeyError:
            lane = self._lanes[index] = _Lane(self._connections.database(index))
            return lane

    def _spawn(self, work: collections.Coroutine[typing.Any, typing.Any, None], /) -> None:
        task = self._loop.create_task(work, name="sake reader")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pump(self, lane: _Lane, /) -> None:
        if lane.waiting and lane.active < lane.database.limit:
            lane.active += 1
            requests, lane.waiting = lane.waiting, []
            self._spawn(self._fetch(lane, requests))

    async def _fetch(self, lane: _Lane, requests: list[_Request], /) -> None:
        try:
            await self._exchange(lane.database, requests)
        except errors.SakeException as exc:
            for request in requests:
                _fail(request, exc)
        finally:
            lane.active -= 1
            self._pump(lane)

    async def _exchange(self, database: Database, requests: list[_Request], /) -> None:
        groups: dict[tuple[str, str], list[str]] = {}
        places: list[tuple[_Request, tuple[str, str], int]] = []
        for request in requests:
            command, key, fields = self._command(request)
            group = groups.setdefault((command, key), [])
            places.append((request, (command, key), len(group)))
            group += fields

        packed = [_wire.pack(command, *((key,) if key else ()), *fields) for (command, key), fields in groups.items()]
        answers = dict(
            zip(groups, await database.exchange(packed, len(packed), within=self._read_timeout), strict=True)
        )
        for request, place, start in places:
            answer = answers[place]
            if isinstance(answer, ReplyError):
                _fail(request, _refused(database, request.kind.name, answer))
            elif not request.answer.done():
                part = answer[start : start + len(request.entities)]
                request.answer.set_result([b"" if v else None for v in part] if place[0] == "SMISMEMBER" else part)

    def _command(self, request: _Request, /) -> tuple[str, str, list[str]]:
        kind = request.kind
        if request.guild is None:
            return "HMGET", self._keys.owners(kind.name), request.entities
        if kind.shape is Shape.STRING:
            return "MGET", "", [self._keys.single(kind.name, entity) for entity in request.entities]
        if kind.shape is Shape.SET:
            return "SMISMEMBER", self._keys.whole(kind.name), request.entities
        if request.guild:
            return "HMGET", self._keys.in_guild(kind.name, request.guild), request.entities

        return "HMGET", self._keys.whole(kind.name), request.entities


class _Lane:
    """What waits for one database, and how many round trips are under way there."""

    __slots__ = ("active", "database", "waiting")

    def __init__(self, database: Database, /) -> None:
        self.active = 0
        self.database = database
        self.waiting: list[_Request] = []


def _fail(request: _Request, exc: Exception, /) -> None:
    if not request.answer.done():
        request.answer.set_exception(exc)


def _refused(database: Database, name: str, answer: ReplyError, /) -> errors.BackendError:
    error_message = f"{database.name} refused to read {name} entries: {answer}"
    return errors.BackendError(error_message, exception=answer)


def _checked(database: Database, name: str, answers: list[typing.Any], /) -> list[typing.Any]:
    for answer in answers:
        if isinstance(answer, ReplyError):
            raise _refused(database, name, answer)

    return answers

# SPDX-License-Identifier: BSD-3-Clause
"""Round trips that look-ups share: for each database a few are under way, and what is asked meanwhile waits."""

from __future__ import annotations

__all__ = ["Lanes", "Request", "closed", "sound"]

import asyncio
import dataclasses
import typing
from collections import abc as collections

from sake import errors

from .._model import wire
from .._model.kinds import Kind
from .._model.kinds import Shape
from .._model.setup import Setup
from .asker import Asker
from .connections import Connections
from .connections import ReplyError
from .connections import Server

AnyKind = Kind[typing.Any]


_Group = tuple[str, str, int]
"""A command that is sent once for many: its name, its key where that comes before the fields, and its place."""


@dataclasses.dataclass(slots=True)
class Request:
    kind: AnyKind
    guild: str | None
    """[None][] to ask which guild the entities are in."""
    entities: list[str]
    answer: asyncio.Future[list[bytes | None]]
    until: float = 0.0
    """When it is to have been answered, by the event loop's clock; 0 until that is decided."""
    is_part: bool = False
    """Whether it is asked for another request."""


class Lanes:
    """Answers requests from what is stored.

    Parameters
    ----------
    connections
        Where to.
    setup
        How the client is set up.
    asker
        Asks the server.
    spawn
        Runs something in the background.
    """

    __slots__ = (
        "_asker",
        "_connections",
        "_is_closed",
        "_keys",
        "_lanes",
        "_layout",
        "_loop",
        "_reference",
        "_spawn",
        "_statistics",
    )

    def __init__(
        self,
        connections: Connections,
        setup: Setup,
        asker: Asker,
        spawn: collections.Callable[[collections.Coroutine[typing.Any, typing.Any, None]], object],
        /,
    ) -> None:
        self._asker = asker
        self._connections = connections
        self._is_closed = False
        self._keys = setup.keys
        self._lanes: dict[int, _Lane] = {}
        self._layout = setup.layout
        self._loop = asyncio.get_running_loop()
        self._spawn = spawn
        self._reference = setup.reference
        self._statistics = setup.statistics

    def add(self, request: Request, /) -> None:
        """Let a request be answered with the next `pump`."""
        index = self._reference if request.guild is None else self._layout[request.kind]
        try:
            lane = self._lanes[index]
        except KeyError:
            lane = self._lanes[index] = _Lane(self._connections.database(index))

        lane.waiting.append(request)

    def pump(self) -> None:
        """Begin the round trips that may begin."""
        for lane in self._lanes.values():
            self._pump(lane)

    def close(self) -> None:
        """Begin nothing more, and let what waits fail."""
        self._is_closed = True
        for lane in self._lanes.values():
            for request in lane.waiting:
                self.fail(request, closed())
            lane.waiting.clear()

    def fail(self, request: Request, exc: BaseException, /) -> None:
        """Answer a request with what went wrong."""
        if request.answer.done():
            return

        error = exc if isinstance(exc, errors.SakeException) else _unexpected(request, exc)
        if isinstance(error, errors.BackendError) and not request.is_part:
            self._statistics.failed_reads += 1
        request.answer.set_exception(error)

    def _pump(self, lane: _Lane, /) -> None:
        if lane.waiting and lane.active < lane.database.limit and not self._is_closed:
            lane.active += 1
            requests, lane.waiting = lane.waiting, []
            # Counted here: when the event loop is blocked before it begins, that is nobody's fault.
            within = min(request.until for request in requests) - self._loop.time()
            self._spawn(self._fetch(lane, requests, within))

    async def _fetch(self, lane: _Lane, requests: list[Request], within: float, /) -> None:
        try:
            if not await self._exchange(lane.database, requests, within):
                # Only the one that is at fault is to fail.
                for request in requests:
                    await self._exchange(lane.database, [request], within)
        finally:
            lane.active -= 1
            self._pump(lane)

    async def _exchange(self, database: Server, requests: list[Request], within: float, /) -> bool:
        """Ask the server and answer the requests; return whether they are, for more than one may be answered alone."""
        try:
            await self._ask(database, requests, within)
        except BaseException as exc:
            if isinstance(exc, Exception) and not isinstance(exc, errors.SakeException) and len(requests) > 1:
                return False
            for request in requests:
                self.fail(request, exc)
            if not isinstance(exc, Exception):
                raise

        return True

    async def _ask(self, database: Server, requests: list[Request], within: float, /) -> None:
        groups: dict[_Group, list[str]] = {}
        places: list[list[tuple[_Group, int, int]]] = []
        for request in requests:
            places.append([])
            for group, fields in self._commands(request):
                known = groups.setdefault(group, [])
                places[-1].append((group, len(known), len(known) + len(fields)))
                known += fields

        packed = [
            wire.Parcel(slot, wire.pack(command, *((key,) if key else ()), *fields))
            for (command, key, slot), fields in groups.items()
        ]
        answers = dict(zip(groups, await self._asker.ask(database, packed, within), strict=True))
        for request, parts in zip(requests, places, strict=True):
            found: list[bytes | None] = []
            for group, start, end in parts:
                try:
                    found += sound(database, request.kind.name, answers[group])[start:end]
                except errors.BackendError as exc:
                    self.fail(request, exc)
                    break
            if not request.answer.done():
                request.answer.set_result(found)

    def _commands(self, request: Request, /) -> collections.Iterator[tuple[_Group, list[str]]]:
        """Return commands and fields that answer for the entities of a request, in their order."""
        kind, keys = request.kind, self._keys
        if request.guild is None:
            for entity in request.entities:
                key = keys.guild_of(entity)
                yield ("HMGET", key, keys.slot_of(key)), [entity]
        elif kind.shape is Shape.GUILD_BOUND:
            key = keys.in_guild(kind.name, request.guild)
            yield ("HMGET", key, keys.slot_of(key)), request.entities
        else:
            for slot, group in keys.by_slot(keys.single(kind.name, entity) for entity in request.entities):
                yield ("MGET", "", slot), group


class _Lane:
    """What waits for one database, and how many round trips are under way there."""

    __slots__ = ("active", "database", "waiting")

    def __init__(self, database: Server, /) -> None:
        self.active = 0
        self.database = database
        self.waiting: list[Request] = []


def closed() -> errors.ClosedClient:
    return errors.ClosedClient("The client was closed")


def sound(database: Server, what: str, answer: typing.Any, /) -> typing.Any:
    """Return an answer that is no error.

    Raises
    ------
    sake.errors.BackendError
        If it is one.
    """
    if isinstance(answer, errors.BackendError):
        raise answer
    if isinstance(answer, ReplyError):
        raise _refused(database, what, answer)

    return answer


def _refused(database: Server, what: str, answer: ReplyError, /) -> errors.BackendError:
    error = errors.BackendError(f"{database.name} refused to read {what} entries: {answer}", exception=answer)
    error.__cause__ = answer
    return error


def _unexpected(request: Request, exc: BaseException, /) -> errors.SakeException:
    if not isinstance(exc, Exception):
        return closed()

    error_message = f"{request.kind.name} {', '.join(map(repr, request.entities[:3]))} cannot be asked for: {exc!r}"
    error = errors.BackendError(error_message, exception=exc)
    error.__cause__ = exc
    return error

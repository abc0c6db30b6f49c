# SPDX-License-Identifier: BSD-3-Clause
"""Round trips that look-ups share: for each database a few are under way, and what is asked meanwhile waits."""

from __future__ import annotations

__all__ = ["Lanes", "Request", "closed", "refused"]

import asyncio
import dataclasses
import typing
from collections import abc as collections

from sake import errors

from . import _wire
from ._asker import Asker
from ._connections import Connections
from ._connections import Database
from ._connections import ReplyError
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._statistics import Statistics

AnyKind = Kind[typing.Any]


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
    layout
        The database of each kind.
    keys
        The names of the keys.
    asker
        Asks the server.
    spawn
        Runs something in the background.
    statistics
        Is kept up to date.
    """

    __slots__ = ("_asker", "_connections", "_is_closed", "_keys", "_lanes", "_layout", "_loop", "_spawn", "_statistics")

    def __init__(
        self,
        connections: Connections,
        layout: collections.Mapping[AnyKind, int],
        keys: Keys,
        asker: Asker,
        spawn: collections.Callable[[collections.Coroutine[typing.Any, typing.Any, None]], object],
        statistics: Statistics,
        /,
    ) -> None:
        self._asker = asker
        self._connections = connections
        self._is_closed = False
        self._keys = keys
        self._lanes: dict[int, _Lane] = {}
        self._layout = layout
        self._loop = asyncio.get_running_loop()
        self._spawn = spawn
        self._statistics = statistics

    def add(self, request: Request, /) -> None:
        """Let a request be answered with the next `pump`."""
        index = self._layout[request.kind]
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

    async def _exchange(self, database: Database, requests: list[Request], within: float, /) -> bool:
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

    async def _ask(self, database: Database, requests: list[Request], within: float, /) -> None:
        groups: dict[tuple[str, str], list[str]] = {}
        places: list[tuple[Request, tuple[str, str], int]] = []
        for request in requests:
            command, key, fields = self._command(request)
            group = groups.setdefault((command, key), [])
            places.append((request, (command, key), len(group)))
            group += fields

        packed = [_wire.pack(command, *((key,) if key else ()), *fields) for (command, key), fields in groups.items()]
        answers = dict(zip(groups, await self._asker.ask(database, packed, within), strict=True))
        for request, place, start in places:
            answer = answers[place]
            if isinstance(answer, ReplyError):
                self.fail(request, refused(database, request.kind, answer))
            elif not request.answer.done():
                part = answer[start : start + len(request.entities)]
                request.answer.set_result([b"" if v else None for v in part] if place[0] == "SMISMEMBER" else part)

    def _command(self, request: Request, /) -> tuple[str, str, list[str]]:
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
        self.waiting: list[Request] = []


def closed() -> errors.ClosedClient:
    return errors.ClosedClient("The client was closed")


def refused(database: Database, kind: AnyKind, answer: ReplyError, /) -> errors.BackendError:
    error = errors.BackendError(f"{database.name} refused to read {kind.name} entries: {answer}", exception=answer)
    error.__cause__ = answer
    return error


def _unexpected(request: Request, exc: BaseException, /) -> errors.SakeException:
    if not isinstance(exc, Exception):
        return closed()

    error_message = f"{request.kind.name} {', '.join(map(repr, request.entities[:3]))} cannot be asked for: {exc!r}"
    error = errors.BackendError(error_message, exception=exc)
    error.__cause__ = exc
    return error

# SPDX-License-Identifier: BSD-3-Clause
"""Reads: unwritten changes first, then one round trip for all that is asked in the same turn of the event loop."""

from __future__ import annotations

__all__ = ["Reader"]

import asyncio
import contextlib
import typing
from collections import abc as collections

from sake import errors

from .._model import ids
from .._model.changes import UNTOUCHED
from .._model.changes import Lookup
from .._model.facts import Facts
from .._model.kinds import Kind
from .._model.setup import Setup
from .._model.wire import Parcel
from . import lanes
from .asker import Asker
from .connections import Connections
from .lanes import Request
from .overlay import Layer
from .overlay import Overlay
from .patience import Patience
from .writer import Writer

AnyKind = Kind[typing.Any]

_T = typing.TypeVar("_T")

_MOMENT: typing.Final = 0.1
"""Seconds that there are for each part of a look-up: the event loop may have been blocked since it began."""

_LOOKS: typing.Final = 5
"""How often what is stored is looked at anew since changes of it were written meanwhile."""


class Reader:
    """Looks entities up by id.

    A look-up is decided one turn of the event loop after it was asked, so that an event whose listeners are just being
    started is always seen, whichever of them comes first.

    Parameters
    ----------
    connections
        Where to.
    setup
        How the client is set up.
    writer
        Knows what is not written yet.
    facts
        What the server is known to have of guilds.
    """

    __slots__ = (
        "_asker",
        "_connections",
        "_facts",
        "_is_closed",
        "_lanes",
        "_layout",
        "_loop",
        "_reference",
        "_scheduled",
        "_statistics",
        "_tasks",
        "_timeout",
        "_waiting",
        "_writer",
        "overlay",
    )

    def __init__(
        self,
        connections: Connections,
        setup: Setup,
        writer: Writer,
        facts: Facts,
        /,
    ) -> None:
        self._asker = Asker(setup.read_timeout, self.spawn)
        self._connections = connections
        self._facts = facts
        self._is_closed = False
        self._lanes = lanes.Lanes(connections, setup, self._asker, self.spawn)
        self._layout = setup.layout
        self._loop = asyncio.get_running_loop()
        self.overlay: typing.Final = Overlay(writer, setup.codec)
        self._reference = setup.reference
        self._scheduled = False
        self._statistics = setup.statistics
        self._tasks: set[asyncio.Task[typing.Any]] = set()
        self._timeout = setup.read_timeout
        self._waiting: list[Request] = []
        self._writer = writer

    def deadline(self) -> float:
        """Return when a look-up that begins now has to be answered, by the event loop's clock."""
        return self._loop.time() + self._timeout

    def get(
        self, kind: AnyKind, guild: str, entities: list[str], /, *, until: float = 0.0
    ) -> asyncio.Future[list[bytes | None]]:
        """Return the bytes of entities, in the order asked; [None][] for those that do not exist.

        The bytes of a mark are empty. The future fails with [BackendError][sake.errors.BackendError] if the server has
        to be asked and cannot be, or not by the `deadline` of the look-up that this is a part of. Each part has a
        moment.
        """
        return self._submit(kind, guild, entities, until)

    async def find_guilds(self, kind: AnyKind, entities: list[str], /, *, until: float = 0.0) -> list[str | None]:
        """Return the ids of the guilds that ids belong to, in the order asked; [None][] where that is not known.

        `kind` is what they are asked for.

        Raises
        ------
        sake.errors.BackendError
            If the server has to be asked and cannot be.
        """
        found = [self._writer.find_guild(entity) or self._facts.find(entity) for entity in entities]
        unknown = [entity for entity, guild in zip(entities, found, strict=True) if guild is None]
        if not unknown:
            return found

        age = self._facts.age
        answers = await self._submit(kind, None, unknown, until)
        guilds = dict(zip(unknown, map(ids.stored_snowflake, answers), strict=True))
        for entity, guild in guilds.items():
            # What was removed meanwhile is to be written again when it comes again.
            if guild is not None and age == self._facts.age:
                self._facts.learn(entity, guild)
        return [guild or guilds[entity] for entity, guild in zip(entities, found, strict=True)]

    async def call(self, kind: AnyKind | None, *commands: Parcel) -> list[typing.Any]:
        """Send commands to the database of a kind and return their replies, of which each has one.

        Without a kind, they are sent to where guilds are listed.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be asked, or answers one of them with an error.
        sake.errors.ClosedClient
            If the client is closed meanwhile.
        """
        with self._counted():
            database = self._connections.database(self._reference if kind is None else self._layout[kind])
            asking = self._asker.ask(database, list(commands), self._timeout)
            # What is one of our own tasks already ends with them.
            is_own = asyncio.current_task() in self._tasks
            answers = await (asking if is_own else self.finish(self.spawn(asking)))
            return [lanes.sound(database, "guild" if kind is None else kind.name, answer) for answer in answers]

    async def settle(self, kind: AnyKind, guild: str | None = None, /) -> None:
        """Wait until what is stored of a kind (in one guild) is up to date with the events received so far.

        Where the server refuses to write, but reads, what is stored has to do.

        Raises
        ------
        sake.errors.BackendError
            If the server is away.
        """
        await asyncio.sleep(0)
        if self._writer.touches(kind, guild):
            with self._counted():
                try:
                    await self._flush(self._timeout, lambda: self._writer.touches(kind, guild))
                except errors.BackendError:
                    if not self._writer.is_refused:
                        raise

    def spawn(self, work: collections.Coroutine[typing.Any, typing.Any, _T], /) -> asyncio.Task[_T]:
        """Run something that ends with the reader.

        Raises
        ------
        sake.errors.ClosedClient
            If that has ended.
        """
        if self._is_closed:
            work.close()
            raise lanes.closed()

        task = self._loop.create_task(work, name="sake reader")
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def finish(self, task: asyncio.Task[_T], /) -> _T:
        """Wait for what was spawned, and cancel it when the caller is cancelled.

        Raises
        ------
        sake.errors.ClosedClient
            If the client was closed meanwhile.
        """
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._is_closed and not (caller and caller.cancelling()):
                raise lanes.closed() from None
            raise

    async def close(self) -> None:
        """End all that is under way."""
        self._is_closed = True
        for request in self._waiting:
            self._lanes.fail(request, lanes.closed())
        self._waiting.clear()
        self._lanes.close()
        # What is cancelled before it began would answer nobody.
        await asyncio.sleep(0)
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _forget(self, task: asyncio.Task[typing.Any], /) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Nobody may be left who wants to know.
            task.exception()

    def _submit(
        self, kind: AnyKind, guild: str | None, entities: list[str], until: float, /
    ) -> asyncio.Future[list[bytes | None]]:
        if self._is_closed:
            raise lanes.closed()

        request = Request(kind, guild, entities, self._loop.create_future(), until)
        self._waiting.append(request)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._decide)
        return request.answer

    def _decide(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        is_idle, until = self._writer.is_idle, self.deadline()
        at_least = self._loop.time() + min(_MOMENT, self._timeout)
        for request in waiting:
            request.until = max(request.until, at_least) if request.until else until
            if is_idle:
                self._lanes.add(request)
                continue

            try:
                self._look(request)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the others have nothing to do with it
                self._lanes.fail(request, exc)

        self._lanes.pump()

    def _look(self, request: Request, /) -> None:
        """Answer what unwritten changes know, and ask for the rest."""
        found = [self._find(request, entity) for entity in request.entities]
        if Lookup.UNKNOWN in found:
            self.spawn(self._answer(request, self._ask_changed(request)))
        elif missing := [i for i, value in enumerate(found) if value is UNTOUCHED]:
            if len(missing) < len(found):
                known = typing.cast("list[bytes | None]", found)
                self.spawn(self._answer(request, self._ask_missing(request, known, missing)))
            else:
                self._lanes.add(request)
        elif not request.answer.done():
            request.answer.set_result(typing.cast("list[bytes | None]", found))

    def _find(self, request: Request, entity: str, /) -> bytes | Lookup | None:
        if request.guild is not None:
            return self.overlay.find(request.kind, request.guild, entity)

        guild = self._writer.find_guild(entity)
        return UNTOUCHED if guild is None else guild.encode()

    async def _answer(
        self, request: Request, asking: collections.Coroutine[typing.Any, typing.Any, list[bytes | None]], /
    ) -> None:
        try:
            found = await asking
        except BaseException as exc:
            self._lanes.fail(request, exc)
            if not isinstance(exc, Exception):
                raise
        else:
            if not request.answer.done():
                request.answer.set_result(found)

    async def _ask_changed(self, request: Request, /) -> list[bytes | None]:
        """Lay unwritten changes over what is stored."""
        kind, guild = request.kind, request.guild or ""
        for _ in range(_LOOKS):
            before = [self.overlay.layers(kind, guild, entity) for entity in request.entities]
            stored = await self._ask_stored(request, request.entities)
            layers = [self.overlay.layers(kind, guild, entity) for entity in request.entities]
            if all(map(_is_continued, before, layers)):
                return [
                    self.overlay.lay(kind, guild, *each) for each in zip(request.entities, stored, layers, strict=True)
                ]

        await self._flush(request.until - self._loop.time(), lambda: self._writer.touches(kind, request.guild))
        return await self._ask_stored(request, request.entities)

    async def _ask_missing(
        self, request: Request, found: list[bytes | None], missing: list[int], /
    ) -> list[bytes | None]:
        stored = await self._ask_stored(request, [request.entities[i] for i in missing])
        for i, value in zip(missing, stored, strict=True):
            found[i] = value

        return found

    async def _ask_stored(self, request: Request, entities: list[str], /) -> list[bytes | None]:
        part = Request(request.kind, request.guild, entities, self._loop.create_future(), request.until, True)
        self._lanes.add(part)
        self._lanes.pump()
        return await part.answer

    async def _flush(self, seconds: float, is_needed: collections.Callable[[], bool], /) -> None:
        try:
            with Patience(seconds, is_renewed=False) as patience:
                patience.begin()
                await self._writer.flush(is_needed)
        except TimeoutError as exc:
            error_message = f"What was received is not written after {self._timeout} seconds, and kept until it can be"
            raise errors.BackendError(error_message, exception=exc) from exc

    @contextlib.contextmanager
    def _counted(self) -> collections.Generator[None]:
        try:
            yield
        except errors.BackendError:
            self._statistics.failed_reads += 1
            raise


def _is_continued(before: list[Layer], now: list[Layer], /) -> bool:
    """Return whether no change was written meanwhile, so that what is known now is all there is."""
    if not before:
        return not now

    return len(now) >= len(before) and all(
        old.delta is new.delta and old.changes is new.changes and old.entry is new.entry
        for old, new in zip(before, now, strict=False)
    )

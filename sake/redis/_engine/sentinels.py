# SPDX-License-Identifier: BSD-3-Clause
"""Redis Sentinels: they know which of a service's servers is its primary by now."""

from __future__ import annotations

__all__ = ["Sentinels", "check_role"]

import asyncio
import contextlib
import dataclasses
import logging
import typing
from collections import abc as collections

import redis

from sake import errors

from .._model import wire
from .._model.replies import ReplyError
from .database import Database
from .sockets import Connection

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_DOWN: typing.Final = frozenset((b"o_down", b"s_down"))
_ROLE: typing.Final = wire.pack("ROLE")
_UNKNOWN: typing.Final = "No such master"
"""How a Sentinel answers that it knows no such service."""

_INTERVAL: typing.Final = 0.5
"""Seconds between two looks whether the primary is another one by now: one that has to step down takes what it is sent
for many seconds, and forgets it."""

_SECONDS: typing.Final = 1.0
"""So long may a Sentinel take to answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Primary:
    host: str
    port: int
    epoch: int
    """Rises with each failover."""
    is_down: bool


_Answer = _Primary | errors.BackendError


class Sentinels:
    """Asks all Sentinels at once where the primary is, and goes on to look whether it still is.

    Parameters
    ----------
    sentinels
        The Sentinels.
    service
        What they call the servers.
    name
        What they are called in errors.
    on_moved
        Called when the primary is another server than it was.
    """

    __slots__ = (
        "_asked",
        "_is_closed",
        "_looks",
        "_name",
        "_on_moved",
        "_primary",
        "_question",
        "_sentinels",
        "_service",
        "_watch",
    )

    def __init__(
        self,
        sentinels: collections.Sequence[Database],
        service: str,
        name: str,
        on_moved: collections.Callable[[], None],
        /,
    ) -> None:
        self._asked: asyncio.Future[_Answer] | None = None
        """What the last look has found, or will."""
        self._is_closed = False
        self._looks: set[asyncio.Task[None]] = set()
        self._name = name
        self._on_moved = on_moved
        self._primary: _Primary | None = None
        self._question = wire.pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        self._question += wire.pack("SENTINEL", "MASTER", service)
        self._sentinels = sentinels
        self._service = service
        self._watch: asyncio.Task[None] | None = None

    async def find(self) -> tuple[str, int]:
        """Return the host and port of the primary. Who asks meanwhile is told the same.

        Raises
        ------
        sake.errors.BackendError
            If no Sentinel answers, or none knows a primary that is well.
        """
        if self._is_closed:
            error_message = "The client was closed"
            raise errors.ClosedClient(error_message)
        if self._watch is None:
            self._watch = asyncio.create_task(self._keep_looking(), name="sake sentinels: watch")
        found = await asyncio.shield(self._look())
        if isinstance(found, errors.BackendError):
            raise errors.BackendError(found.message, exception=found.exception) from found.exception

        return found.host, found.port

    async def close(self) -> None:
        """Look no more, and close the connections."""
        self._is_closed = True
        tasks = [*self._looks, *([self._watch] if self._watch else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(sentinel.close() for sentinel in self._sentinels))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            await asyncio.shield(self._look())

    def _look(self) -> asyncio.Future[_Answer]:
        """Ask all of them, unless that is being done."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().create_future()
            look = asyncio.create_task(self._ask_all(self._asked), name="sake sentinels: look")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
        return self._asked

    async def _ask_all(self, asked: asyncio.Future[_Answer], /) -> None:
        """Tell as soon as it is known, and hear the others too: they may know better, and their connections stay."""
        answers: list[_Answer] = []
        try:
            async with asyncio.TaskGroup() as group:
                for answer in asyncio.as_completed([group.create_task(self._ask(each)) for each in self._sentinels]):
                    answers.append(await answer)
                    found = _newest(answers)
                    # One that was away may not have heard of a failover that another has told of.
                    if found is not None and not found.is_down and found.epoch >= (self._primary or found).epoch:
                        self._believe(found, asked)

            found = _newest(answers)
            if found is not None and not found.is_down and not asked.done():
                self._believe(found, asked)
        finally:
            if not asked.done():
                asked.set_result(self._explain(answers))

    def _believe(self, found: _Primary, asked: asyncio.Future[_Answer], /) -> None:
        before, self._primary = self._primary, found
        if before is not None and (before.host, before.port) != (found.host, found.port):
            _LOGGER.warning("Sentinels tell of another primary: %s:%s of %s", found.host, found.port, self._name)
            self._on_moved()
        if not asked.done():
            asked.set_result(found)

    async def _ask(self, sentinel: Database, /) -> _Answer:
        try:
            return self._read(sentinel, *await sentinel.exchange(self._question, 2, within=_SECONDS))
        except errors.BackendError as exc:
            return exc
        except (LookupError, TypeError, ValueError) as exc:
            return errors.BackendError(f"{sentinel.name} is no Sentinel: {exc!r}", exception=exc)

    def _read(self, sentinel: Database, address: typing.Any, state: typing.Any, /) -> _Answer:
        if isinstance(state, ReplyError):
            what = "is no Sentinel" if state.is_unknown else "cannot say where the primary is"
            if _UNKNOWN in str(state):
                what = f"knows no service {self._service!r}"
            return errors.BackendError(f"{sentinel.name} {what}: {state}", exception=state)

        said = dict(zip(state[::2], state[1::2], strict=True))
        flags = set(said[b"flags"].split(b","))
        # In the end of a failover it is another one already, and what is down is the one before.
        is_same = [*address] == [said[b"ip"], said[b"port"]]
        is_down = is_same and (bool(flags & _DOWN) or b"master" not in flags)
        return _Primary(address[0].decode(), int(address[1]), int(said[b"config-epoch"]), is_down)

    def _explain(self, answers: collections.Sequence[_Answer], /) -> errors.BackendError:
        failures = [answer for answer in answers if isinstance(answer, errors.BackendError)]
        if len(failures) < len(answers):
            what = f"the Sentinels say that the primary of {self._service!r} is down, and have made no other one yet"
        else:
            what = "; ".join(map(str, failures)) or "nothing was heard of the Sentinels"
        cause = failures[0].exception if failures else None
        return errors.BackendError(f"{self._name} cannot be used: {what}", exception=cause)


def _newest(answers: collections.Iterable[_Answer], /) -> _Primary | None:
    known = [answer for answer in answers if isinstance(answer, _Primary)]
    return max(known, key=lambda each: (each.epoch, not each.is_down), default=None)


class _Connecting(Connection, typing.Protocol):
    async def on_connect(self) -> None: ...


async def check_role(connection: _Connecting, /) -> None:
    """Log in on a new connection, and refuse it if what it leads to is a primary no more.

    Raises
    ------
    redis.ConnectionError
        If it is a replica.
    """
    await connection.on_connect()
    await connection.send_packed_command(_ROLE, check_health=False)
    # Whoever may not ask is told when it writes.
    with contextlib.suppress(redis.ResponseError):
        role = typing.cast("list[object]", await connection.read_response(disable_decoding=True))
        if role[0] != b"master":
            error_message = "what the Sentinels call the primary is a replica"
            raise redis.ConnectionError(error_message)

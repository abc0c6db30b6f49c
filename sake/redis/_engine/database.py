# SPDX-License-Identifier: BSD-3-Clause
"""One database of one server: sends packed commands and returns their replies."""

from __future__ import annotations

__all__ = ["Database", "Pool", "Prepare"]

import asyncio
import contextlib
import itertools
import typing
from collections import abc as collections

import redis
import redis.exceptions

from sake import errors

from .._model import rights
from .._model.epochs import Epoch
from .._model.meta import Meta
from .._model.replies import ReplyError
from .._model.wire import Parcel
from . import sockets
from .patience import Patience
from .sockets import Connection

_CODES: typing.Final[dict[type[redis.ResponseError], str]] = {
    redis.exceptions.AskError: "ASK",
    redis.exceptions.ClusterCrossSlotError: "CROSSSLOT",
    redis.exceptions.ClusterDownError: "CLUSTERDOWN",
    redis.exceptions.ExecAbortError: "EXECABORT",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.MovedError: "MOVED",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.NoScriptError: "NOSCRIPT",
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.TryAgainError: "TRYAGAIN",
}
"""The codes that redis-py takes away from the beginning of an error."""

_CLOSE_TIMEOUT: typing.Final = 1.0
"""Seconds that connections may take to say good-bye."""

_PIECE_BYTES: typing.Final = 131_072
"""What is larger is sent in pieces of this size, so that it is seen whether the server takes them."""

_PING: typing.Final = b"*1\r\n$4\r\nPING\r\n"

Prepare: typing.TypeAlias = "collections.Callable[[], collections.Awaitable[object]]"
"""Starts a server where that is ours to do, or finds out where it is."""


class Pool(typing.Protocol):
    """What is used of redis-py's connection pool: it knows how connections to an address are made."""

    connection_class: type[object]
    connection_kwargs: dict[str, typing.Any]

    def make_connection(self) -> Connection: ...


class Database:
    """One database: sends packed commands and returns their replies."""

    __slots__ = (
        "_busy",
        "_epoch",
        "_free",
        "_generation",
        "_has_msetex",
        "_idle",
        "_is_closed",
        "_meta",
        "_pool",
        "_prepare",
        "_timeout",
        "is_founded",
        "limit",
        "name",
    )

    def __init__(self, pool: Pool, name: str, limit: int, meta: Meta | None, prepare: Prepare | None = None, /) -> None:
        self._busy: set[asyncio.WriteTransport] = set()
        self._epoch: Epoch | None = None
        self._pool = pool
        self._idle: list[Connection] = []
        self._is_closed = False
        self._free = asyncio.Semaphore(limit)
        self._generation = 0
        """Of the connections: those of earlier ones are not used again."""
        self._has_msetex: bool | None = None
        self._meta = meta
        self._prepare = prepare
        self._timeout: float | None = pool.connection_kwargs["socket_timeout"]
        # One timeout covers all replies to a write: redis-py's own is one for each of them.
        pool.connection_kwargs["socket_timeout"] = None
        self.is_founded: bool = meta is None
        """Whether the database is known to say how things are stored in it."""
        self.limit: typing.Final = limit
        self.name: typing.Final = name

    async def exchange(
        self, commands: bytes | list[bytes], replies: int, /, *, within: float | None = None
    ) -> list[typing.Any]:
        """Send packed commands and return as many replies.

        An error reply is returned as a [ReplyError][sake.redis._model.replies.ReplyError]. Commands may be sent a
        second time where an idle connection turns out to be dead before it has answered, so they must not add up.

        Parameters
        ----------
        commands
            What to send.
        replies
            How many commands these are.
        within
            Seconds that all of it may take, waiting for a connection included. Unless given, it may take as long as
            the server takes what is sent, or answers, at least once in `socket_timeout` seconds.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be reached, refuses us or does not answer in time.
        """
        data = commands if isinstance(commands, bytes) else b"".join(commands)
        seconds = self._timeout if within is None else within
        try:
            with Patience(seconds, is_renewed=within is None) as patience:
                if within is not None:
                    patience.begin()
                async with self._free:
                    if within is None:
                        patience.begin()
                    while self._idle:
                        with contextlib.suppress(redis.ConnectionError):
                            return await self._exchange(self._idle.pop(), data, replies, patience)

                    if self._prepare is not None:
                        await self._prepare()
                        patience.renew()
                    return await self._exchange(self._pool.make_connection(), data, replies, patience)
        except TimeoutError as exc:
            await self._drop_idle()
            limit = f"within {seconds} seconds" if within is None else "in time"
            error_message = f"{self.name} did not answer {limit}"
            raise errors.BackendError(error_message, exception=exc) from exc
        except (redis.RedisError, OSError) as exc:
            raise self._explain(exc) from exc

    async def serve(self, within: float, /) -> None:
        """Find out whether the server answers for what it has, as `exchange` does."""
        (answer,) = await self.exchange(_PING if self._epoch is None else self._epoch.greeting, 1, within=within)
        self.check_answers([[answer]])

    async def watch(self, within: float, /) -> bool:
        """Find out whether the server still has what it said it has, if it said so; return whether it can tell.

        Raises
        ------
        sake.errors.BackendError
            If it does not answer for what it has.
        """
        if self._epoch is None or not (acknowledged := self._epoch.acknowledged):
            return True

        (stored,) = await self.exchange(self._epoch.greeting, 1, within=within)
        self.check_answers([[stored]])
        self._epoch.hear(stored, acknowledged)
        return not isinstance(stored, ReplyError)

    def check_answers(self, answers: collections.Iterable[list[typing.Any]], /) -> None:
        """See whether the server answers for what it has.

        Raises
        ------
        sake.errors.BackendError
            If it says that it does not.
        """
        for answer in itertools.chain.from_iterable(answers):
            if isinstance(answer, ReplyError) and answer.is_away:
                error_message = f"{self.name} cannot be used now: {answer}"
                raise errors.BackendError(error_message, exception=answer)

    async def send(
        self, parcels: collections.Sequence[Parcel], /, *, within: float | None = None
    ) -> collections.Sequence[list[typing.Any]]:
        """Send parcels and return the replies to each; as `exchange` does."""
        data = b"".join([parcel.data for parcel in parcels])
        answers = iter(await self.exchange(data, sum(parcel.replies for parcel in parcels), within=within))
        return [list(itertools.islice(answers, parcel.replies)) for parcel in parcels]

    async def write(
        self, parcels: collections.Sequence[Parcel], number: int, /
    ) -> collections.Sequence[list[typing.Any]]:
        """Send parcels of the batch with a number, as `send` does."""
        if self._epoch is None:
            return await self.send(parcels)

        *answers, stamped = await self.send([*parcels, self._epoch.stamp(number)])
        if stamped == [b"OK"]:
            self._epoch.acknowledge(number)
        return answers

    def number(self, epoch: Epoch, /) -> None:
        """Let batches be numbered here."""
        self._epoch = epoch

    async def places(self) -> list[int]:
        """Return a slot of each place that has to be looked into to see everything."""
        return [0]

    async def check(self, probes: collections.Sequence[rights.Probe], /, *, is_node: bool = False) -> None:
        """Connect, and find out whether what has to be done may be done.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be reached, does not let us in or do that, or is a node of a Cluster and that is not
            expected.
        """
        _, begun, _, ended = await self.exchange(_PING + rights.ABORTED + rights.END, 4)
        answers: dict[str, object] = {"MULTI": begun, "EXEC": ended}
        if isinstance(ended, ReplyError) and ended.is_unknown:
            error_message = f"{self.name} {rights.SENTINEL}: {ended}"
            raise errors.BackendError(error_message, exception=ended) from ended
        # Otherwise what is only asked for would be done.
        if isinstance(ended, ReplyError) and ended.code == rights.THROWN_AWAY:
            commands = [rights.ABORTED, *(command for _, command in probes), rights.END]
            _, _, *found, _ = await self.exchange(commands, len(probes) + 3)
            answers = dict(zip((name for name, _ in probes), found, strict=True))

        needed = {name for name, _ in probes}
        if "MULTI" in needed:
            needed.add("EXEC")
        answers = {name: answer for name, answer in answers.items() if name in needed}
        if problem := rights.find_problem(answers, is_node=is_node):
            error_message = f"{self.name} {problem[0]}: {problem[1]}"
            raise errors.BackendError(error_message, exception=problem[1]) from problem[1]

    def is_away(self, _: int, /) -> bool:
        """Return that it is not only a part of the server that cannot be reached, ever."""
        return False

    has_away: typing.Final = False
    turns: typing.Final = 0

    async def has_msetex(self) -> bool:
        """Return whether many keys can be set with one lifetime: Redis 8.4 and Valkey 9.1 can, if the user may.

        Raises
        ------
        sake.errors.BackendError
            If it has to be asked and cannot be.
        """
        if self._has_msetex is None:
            # A number of keys that cannot be: it sets nothing wherever it is known.
            (answer,) = await self.exchange(b"*4\r\n$6\r\nMSETEX\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n", 1)
            self._has_msetex = not isinstance(answer, ReplyError) or not (answer.is_forbidden or answer.is_unknown)

        return self._has_msetex

    async def found(self) -> None:
        """Let the database say how things are stored in it, if it does not do so yet.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be asked, or things are stored in another way there.
        """
        if not self.is_founded and self._meta is not None:
            (said,) = await self.send([self._meta.founding])
            self.hear_founding(*said)

    def hear_founding(self, said: object, stored: object, /) -> None:
        """Take note of how the database answered to being told how things are stored in it.

        Raises
        ------
        sake.errors.BackendError
            If it did not take that, or says something else.
        """
        self._check_meta(stored)
        if isinstance(said, ReplyError) and said.is_temporary:
            error_message = f"{self.name} cannot be written now: {said}"
            raise errors.BackendError(error_message, exception=said)
        self.is_founded = True

    def _check_meta(self, stored: object, /) -> None:
        if self._meta is not None and (problem := self._meta.find_problem(stored)):
            error_message = f"{self.name} {problem}"
            raise errors.BackendError(error_message)

    def renew(self) -> None:
        """Give up all connections that there are, for they lead to another server than new ones will."""
        self._generation += 1
        for transport in (*self._busy, *map(sockets.transport_of, self._idle)):
            if transport is not None:
                sockets.abort(transport)

    async def close(self) -> None:
        """Close the connections; those in use are closed when they are given back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        transports = list(map(sockets.transport_of, idle))
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await asyncio.gather(*(connection.disconnect() for connection in idle), return_exceptions=True)
        except TimeoutError:
            for transport in transports:
                if transport is not None:
                    sockets.abort(transport)

    async def _exchange(
        self, connection: Connection, data: bytes, replies: int, patience: Patience, /
    ) -> list[typing.Any]:
        answers: list[typing.Any] = []
        generation = self._generation
        transport: asyncio.WriteTransport | None = None
        try:
            if is_new := not connection.is_connected:
                await connection.connect()
                patience.renew()
            transport = sockets.transport_of(connection)
            if is_new:
                if transport is not None:
                    sockets.widen(transport)
                await self._greet(connection, patience)
            if transport is not None:
                self._busy.add(transport)
            await _send(connection, data, patience)
            while len(answers) < replies:
                answers.append(await _read(connection))
                patience.renew()
        except BaseException as exc:
            self._has_msetex = None
            await sockets.drop(connection, transport or sockets.transport_of(connection))
            if answers and isinstance(exc, redis.ConnectionError):
                # What was done in part must not be sent again before the caller knows.
                raise self._explain(exc) from exc
            raise
        finally:
            self._busy.discard(transport)

        if self._is_closed or generation != self._generation:
            await sockets.drop(connection, transport)
        else:
            self._idle.append(connection)
        return answers

    async def _greet(self, connection: Connection, patience: Patience, /) -> None:
        # Another server may answer by now, or the same one with other data.
        if self._meta is not None:
            self._meta.greetings += 1
            await _send(connection, self._meta.greeting, patience)
            stored = await _read(connection)
            self.is_founded = self.is_founded and stored is not None
            self._check_meta(stored)
        if self._epoch is not None:
            # Others write meanwhile, and this answer may be older than what they are told.
            acknowledged = self._epoch.acknowledged
            await _send(connection, self._epoch.greeting, patience)
            stored = await _read(connection)
            # It is to be asked again, on a connection that is made once it knows.
            self.check_answers([[stored]])
            self._epoch.hear(stored, acknowledged)

    async def _drop_idle(self) -> None:
        # They are likely to be as dead as the one that did not answer.
        idle, self._idle = self._idle, []
        for connection in idle:
            await sockets.drop(connection, sockets.transport_of(connection))

    def _explain(self, exc: Exception, /) -> errors.BackendError:
        text = str(exc)
        # While it connects, redis-py makes a connection error of it.
        is_refusal = isinstance(exc, redis.AuthenticationError) or isinstance(exc.__cause__, redis.AuthenticationError)
        if is_refusal or text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
            what = f"{self.name} refused the password or user name: {exc}"
        elif "SELECT is not allowed in cluster mode" in text:
            what = f"{self.name} {rights.CLUSTER}: {exc}"
        elif "DB index is out of range" in text:
            what = (
                f"{self.name} does not exist, as the server has fewer databases: use `database=` or override the index"
            )
        else:
            what = f"{self.name} cannot be used: {exc or type(exc).__name__}"

        return errors.BackendError(what, exception=exc)


async def _send(connection: Connection, data: bytes, patience: Patience, /) -> None:
    if len(data) <= _PIECE_BYTES:
        await connection.send_packed_command(data, check_health=False)
        return

    for start in range(0, len(data), _PIECE_BYTES):
        await connection.send_packed_command(data[start : start + _PIECE_BYTES], check_health=False)
        patience.renew()


async def _read(connection: Connection, /) -> typing.Any:
    try:
        answer = await connection.read_response(disable_decoding=True)
    except redis.ResponseError as exc:
        return _reply_error(exc)

    if isinstance(answer, list):
        parts = typing.cast("list[object]", answer)
        return [_reply_error(part) if isinstance(part, redis.ResponseError) else part for part in parts]

    return answer


def _reply_error(exc: redis.ResponseError, /) -> ReplyError:
    code = _CODES.get(type(exc))
    return ReplyError(f"{code} {exc}" if code else str(exc))

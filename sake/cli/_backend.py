# SPDX-License-Identifier: BSD-3-Clause
"""The server of a demo, and what the demo keeps there."""

from __future__ import annotations

__all__ = ["Backend"]

import re
import typing

from sake import embedded
from sake import errors
from sake.cli import _nodes
from sake.redis._engine import connections as _connections
from sake.redis._model import wire as _wire

if typing.TYPE_CHECKING:
    import types
    from collections import abc as collections

    import typing_extensions

_BUNDLED: typing.Final = "embedded://"
_NAMESPACE: typing.Final = "sake-demo"
_SCAN_COUNT: typing.Final = 1_000
_USED_MEMORY: typing.Final = re.compile(rb"^used_memory:(\d+)", re.MULTILINE)


class Backend:
    """The server of a demo: a given one, or a bundled one that lives as long as this.

    What the demo keeps there is removed when this is opened and when it is closed.

    Parameters
    ----------
    redis_url
        Where the server is; [None][] starts a bundled one.
    cluster
        Whether three bundled ones are started, as one Redis Cluster.

    Raises
    ------
    ValueError
        If the URL cannot be used.
    """

    __slots__ = ("_connections", "_nodes", "_server", "_slot_of", "database", "is_given", "namespace", "url")

    def __init__(self, redis_url: str | None, /, *, cluster: bool = False) -> None:
        self.url = redis_url or _BUNDLED
        """What a cache takes as its address, once this is open."""
        self.database = _connections.check_address(self.url)[1] or 0
        """The database that everything goes to."""
        self.namespace: typing.Final = _NAMESPACE
        """What all keys begin with."""
        self.is_given: typing.Final = not self.url.startswith(_BUNDLED)
        """Whether it outlives the demo."""
        self._server: embedded.EmbeddedServer | None = None
        self._nodes = _nodes.Nodes() if cluster else None
        self._connections: _connections.Connections | None = None
        self._slot_of: collections.Callable[[str], int] = _only_slot

    async def __aenter__(self) -> typing_extensions.Self:
        if self._nodes is not None:
            await self._nodes.start()
            self.url = self._nodes.url
        elif not self.is_given:
            self._server = embedded.EmbeddedServer()
            await self._server.start()
            self.url = self._server.url

        address, _ = _connections.check_address(self.url)
        self._connections = _connections.Connections(address, password=None, limit=1, options={})
        self._slot_of = _connections.find_slots(address) or _only_slot
        try:
            await self._clear()
        except BaseException:
            await self._close()
            raise

        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: types.TracebackType | None,
        /,
    ) -> None:
        try:
            if self.is_given:
                await self._clear()
        finally:
            await self._close()

    async def read_memory(self) -> int | None:
        """Ask how much memory the server uses.

        Returns
        -------
        int | None
            Bytes; [None][] when the server is away or does not tell.
        """
        try:
            answers = await self._ask_all(_wire.pack("INFO", "memory"))
        except errors.BackendError:
            return None

        found = [_USED_MEMORY.search(answer) for answer in answers if isinstance(answer, bytes)]
        return sum(int(match[1]) for match in found if match) or None

    async def _clear(self) -> None:
        for place in await self._database().places():
            await self._clear_place(place)

    async def _clear_place(self, place: int, /) -> None:
        pattern = f"{self.namespace}:*"
        cursor: typing.Any = 0
        while True:
            scan = _wire.pack("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT)
            (answer,) = await self._ask([_wire.Parcel(place, scan)])
            if isinstance(answer, _connections.ReplyError):
                error_message = f"The server does not let the demo look for its keys: {answer}"
                raise errors.BackendError(error_message, exception=answer)

            cursor, keys = answer
            await self._ask([_wire.Parcel(self._slot_of(key.decode()), _wire.pack("UNLINK", key)) for key in keys])
            if int(cursor) == 0:
                return

    async def _ask_all(self, command: bytes, /) -> list[typing.Any]:
        return await self._ask([_wire.Parcel(place, command) for place in await self._database().places()])

    async def _ask(self, parcels: list[_wire.Parcel], /) -> list[typing.Any]:
        if not parcels:
            return []

        replies: list[typing.Any] = []
        for answers in await self._database().send(parcels):
            if isinstance(answers, errors.BackendError):
                raise answers
            replies.append(answers[0])

        return replies

    def _database(self) -> _connections.Server:
        if self._connections is None:
            error_message = "The backend of this demo is not open"
            raise errors.BackendError(error_message)

        return self._connections.database(self.database)

    async def _close(self) -> None:
        if self._connections is not None:
            await self._connections.close()
            self._connections = None

        if self._nodes is not None:
            await self._nodes.close()

        if self._server is not None:
            await self._server.close()
            self._server = None


def _only_slot(_: str, /) -> int:
    return 0

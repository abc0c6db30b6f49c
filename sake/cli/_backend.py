# SPDX-License-Identifier: BSD-3-Clause
"""The server of a demo, and what the demo keeps there."""

from __future__ import annotations

__all__ = ["Backend"]

import re
import typing

from sake import embedded
from sake import errors
from sake.redis import _connections
from sake.redis import _wire

if typing.TYPE_CHECKING:
    import types

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

    Raises
    ------
    ValueError
        If the URL cannot be used.
    """

    __slots__ = ("_connections", "_server", "database", "is_given", "namespace", "url")

    def __init__(self, redis_url: str | None, /) -> None:
        self.url = redis_url or _BUNDLED
        """What a cache takes as its address, once this is open."""
        self.database = _connections.check_address(self.url)[1] or 0
        """The database that everything goes to."""
        self.namespace: typing.Final = _NAMESPACE
        """What all keys begin with."""
        self.is_given: typing.Final = not self.url.startswith(_BUNDLED)
        """Whether it outlives the demo."""
        self._server: embedded.EmbeddedServer | None = None
        self._connections: _connections.Connections | None = None

    async def __aenter__(self) -> typing_extensions.Self:
        if not self.is_given:
            self._server = embedded.EmbeddedServer()
            await self._server.start()
            self.url = self._server.url

        address, _ = _connections.check_address(self.url)
        self._connections = _connections.Connections(address, password=None, limit=1, options={})
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
            (answer,) = await self._ask(_wire.pack("INFO", "memory"))
        except errors.BackendError:
            return None

        found = _USED_MEMORY.search(answer) if isinstance(answer, bytes) else None
        return int(found[1]) if found else None

    async def _clear(self) -> None:
        pattern = f"{self.namespace}:*"
        cursor: typing.Any = 0
        while True:
            (answer,) = await self._ask(_wire.pack("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT))
            if isinstance(answer, _connections.ReplyError):
                error_message = f"The server does not let the demo look for its keys: {answer}"
                raise errors.BackendError(error_message, exception=answer)

            cursor, keys = answer
            if keys:
                await self._ask(_wire.pack("UNLINK", *keys))

            if int(cursor) == 0:
                return

    async def _ask(self, command: bytes, /) -> list[typing.Any]:
        if self._connections is None:
            error_message = "The backend of this demo is not open"
            raise errors.BackendError(error_message)

        (answers,) = await self._connections.database(self.database).send([_wire.Parcel(0, command)])
        if isinstance(answers, errors.BackendError):
            raise answers

        return answers

    async def _close(self) -> None:
        if self._connections is not None:
            await self._connections.close()
            self._connections = None

        if self._server is not None:
            await self._server.close()
            self._server = None

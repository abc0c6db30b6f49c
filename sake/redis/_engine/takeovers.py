# SPDX-License-Identifier: BSD-3-Clause
"""How one writer of a shard leaves, and the next one waits for that."""

from __future__ import annotations

__all__ = ["Takeovers"]

import asyncio
import contextlib
import typing
from collections import abc as collections

from sake import errors

from .._model.claims import Claims
from .._model.setup import Setup
from .._model.wire import Parcel
from .connections import Connections

_PAUSE: typing.Final = 0.05
"""Seconds between looking whether an earlier writer has gone."""

_MOST_SECONDS: typing.Final = 4.0
"""So long is waited for an earlier writer: what was written meanwhile is kept a little longer."""


class Takeovers:
    """What writers of the same shard say to each other.

    Parameters
    ----------
    connections
        Where to.
    setup
        How the client is set up.
    writer
        What tells this client from others.
    """

    __slots__ = ("_connections", "_setup", "claims")

    def __init__(self, connections: Connections, setup: Setup, writer: str, /) -> None:
        self._connections = connections
        self._setup = setup
        self.claims: typing.Final = Claims(setup.keys, writer)
        """The shards that this client hears, and who has them."""

    async def leave(self, shards: collections.Collection[str], lost: dict[str, bytes], /) -> None:
        """Say that nothing of some shards is written any more, and if that comes late, say so to those who have them.

        Raises
        ------
        sake.errors.BackendError
            If it cannot be said.
        """
        if (farewell := self.claims.farewell(shards)) is None:
            return

        if await self._ask(farewell) != len(shards) and lost:
            await self._ask(self.claims.warning(lost))

    async def outlast(self, shard: str, /) -> None:
        """Wait until nobody who had a shard before writes it, or for some seconds.

        Raises
        ------
        sake.errors.BackendError
            If it cannot be said that nobody waits for them any more.
        """
        until = asyncio.get_running_loop().time() + _MOST_SECONDS
        while True:
            # Who cannot be asked may be there.
            earlier: list[bytes] | None = None
            with contextlib.suppress(errors.BackendError):
                earlier = self.claims.earlier(shard, await self._ask(self.claims.look()))
            if earlier == [] or asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(_PAUSE)

        if earlier:
            await self._ask(self.claims.dismissal(earlier))

    async def has_writer(self, shard: str, /) -> bool:
        """Return whether somebody writes a shard, as far as is known: who crashed has not said so.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be asked.
        """
        return self.claims.has_writer(shard, await self._ask(self.claims.look()))

    async def _ask(self, parcel: Parcel, /) -> typing.Any:
        (answers,) = await self._connections.database(self._setup.reference).send([parcel])
        if isinstance(answers, errors.BackendError):
            raise answers

        return answers[0]

# SPDX-License-Identifier: BSD-3-Clause
"""Asks the server, unless it has not answered for a while."""

from __future__ import annotations

__all__ = ["Asker"]

import asyncio
import contextlib
import logging
import typing
from collections import abc as collections

from sake import errors

from .._model import wire
from .connections import Server

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_LATE: typing.Final = 2
"""After so many questions in a row that were not answered in time, no more are asked."""

_PROBE_SECONDS: typing.Final = 1.0
"""Seconds between attempts to find out whether a server answers again."""

_PING: typing.Final = wire.Parcel(0, wire.pack("PING"))


class Asker:
    """Asks as long as the server answers; when it does not, finds out in the background when it does again.

    Parameters
    ----------
    timeout
        Seconds to wait for an answer.
    spawn
        Runs something in the background.
    """

    __slots__ = ("_late", "_silence", "_spawn", "_timeout")

    def __init__(
        self,
        timeout: float,
        spawn: collections.Callable[[collections.Coroutine[typing.Any, typing.Any, None]], object],
        /,
    ) -> None:
        self._late = 0
        self._silence: errors.BackendError | None = None
        """What went wrong last, while no questions are asked."""
        self._spawn = spawn
        self._timeout = timeout

    async def ask(self, database: Server, commands: list[wire.Parcel], within: float, /) -> list[typing.Any]:
        """Send commands that have one reply each and return their replies, within so many seconds.

        A reply may be an error: one of the server, or a [BackendError][sake.errors.BackendError] where only a part of a
        cluster cannot be asked.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be reached, refuses us or does not answer in time, or did not before.
        """
        if self._silence is not None:
            error_message = f"Nothing is asked before the server answers again: {self._silence}"
            raise errors.BackendError(error_message, exception=self._silence) from self._silence

        if within <= 0:
            error_message = f"{database.name} was not asked: nothing is left of the {self._timeout} seconds"
            raise errors.BackendError(error_message, exception=TimeoutError(error_message))

        try:
            answers = await database.send(commands, within=within)
        except errors.BackendError as exc:
            self._took_too_long(database, exc)
            raise

        self._answered()
        return [answer if isinstance(answer, errors.BackendError) else answer[0] for answer in answers]

    def _took_too_long(self, database: Server, exc: errors.BackendError, /) -> None:
        self._late = self._late + 1 if isinstance(exc.exception, TimeoutError) else 0
        if self._late >= _LATE and self._silence is None:
            self._silence = exc
            _LOGGER.error("Reads are not answered, and fail at once until they are: %s", exc)
            self._spawn(self._probe(database))

    def _answered(self) -> None:
        self._late = 0
        if self._silence is not None:
            self._silence = None
            _LOGGER.warning("The server answers reads again")

    async def _probe(self, database: Server, /) -> None:
        while self._silence is not None:
            await asyncio.sleep(_PROBE_SECONDS)
            with contextlib.suppress(errors.BackendError):
                await database.send([_PING], within=self._timeout)
                self._answered()

# SPDX-License-Identifier: BSD-3-Clause
"""Opening and closing the cache with the client."""

from __future__ import annotations

__all__ = ["Manager"]

import contextlib
import logging
import typing

import tanjun

from sake import _flights
from sake import errors

if typing.TYPE_CHECKING:
    from sake import abc

_LOGGER: typing.Final = logging.getLogger("sake.tanjun")


class Manager:
    """Opens the cache before the client needs it, and closes it after the client has closed."""

    __slots__ = ("_cache", "_client", "_failure", "_flights", "_is_late", "_is_settled")

    def __init__(self, cache: abc.Resource, client: tanjun.abc.Client, /) -> None:
        self._cache = cache
        self._client = client
        self._failure: errors.SakeException | None = None
        self._flights = _flights.Flights()
        self._is_late = client.is_alive
        self._is_settled = False

    @property
    def is_attached(self) -> bool:
        """Whether the client calls what manages this cache already."""
        return self._client.get_component_by_name(self._name) is not None

    @property
    def _name(self) -> str:
        return f"sake-{id(self._cache):x}"

    def attach(self) -> None:
        """Let the client call this."""
        # The client logs and forgets what its callbacks raise. What a component raises when it is opened stops the
        # start, but that is too late for what is asked before, such as the mention prefix.
        self._client.add_client_callback(tanjun.ClientCallbackNames.STARTING, self._on_starting)
        self._client.add_client_callback(tanjun.ClientCallbackNames.CLOSED, self._on_closed)
        component = tanjun.Component(name=self._name)
        component.add_on_open(self._on_open)
        self._client.add_component(component)

    async def settle(self) -> None:
        """Wait until the cache is open, or was found to be one that cannot be opened, if the client is alive."""
        # The client calls all its callbacks for its start at once, and some of them use the cache. None of them should
        # wait for a server that does not answer longer than it takes to find that out once.
        if not self._is_settled and self._client.is_alive:
            with contextlib.suppress(errors.ClosedClient):
                await self._flights.join("open", self._settle)

    async def _settle(self) -> None:
        try:
            await self._cache.open()
        except errors.SakeException as exc:
            self._failure = exc
        else:
            self._failure = None

        self._is_settled = True

    async def _on_starting(self) -> None:
        self._is_late = False
        await self.settle()

    async def _on_open(self) -> None:
        await self.settle()
        if self._failure is None:
            return

        if not self._is_late:
            raise self._failure

        # Nobody waits for what is added to a client that has started.
        _LOGGER.error("The cache cannot be opened, so Tanjun works without it: %s", self._failure)

    async def _on_closed(self) -> None:
        # What is being opened must not call itself settled after this.
        opening, self._flights = self._flights, _flights.Flights()
        await opening.close()
        self._is_settled = False
        await self._cache.close()

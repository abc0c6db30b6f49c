# SPDX-License-Identifier: BSD-3-Clause
"""Opening and closing the cache with the client."""

from __future__ import annotations

__all__ = ["Manager"]

import logging
import typing

import tanjun

from sake import errors

if typing.TYPE_CHECKING:
    from sake.redis import ResourceClient

_LOGGER: typing.Final = logging.getLogger("sake.tanjun")


class Manager:
    """Opens the cache before the client needs it, and closes it after the client has."""

    __slots__ = ("_cache", "_client", "_failure", "_is_late")

    def __init__(self, cache: ResourceClient, client: tanjun.abc.Client, /) -> None:
        self._cache = cache
        self._client = client
        self._failure: errors.SakeException | None = None
        self._is_late = client.is_alive

    def attach(self) -> None:
        """Let the client call this."""
        # The client logs and forgets what its callbacks raise. What a component raises when it is opened stops the
        # start, but that is too late for the mention prefix, which is asked of the cache before.
        self._client.add_client_callback(tanjun.ClientCallbackNames.STARTING, self._on_starting)
        self._client.add_client_callback(tanjun.ClientCallbackNames.CLOSED, self._cache.close)
        component = tanjun.Component(name=f"sake-{id(self._cache):x}")
        component.add_on_open(self._on_open)
        self._client.add_component(component)

    async def _on_starting(self) -> None:
        self._is_late, self._failure = False, None
        try:
            await self._cache.open()
        except errors.SakeException as exc:
            self._failure = exc

    async def _on_open(self) -> None:
        if self._is_late:
            await self._open_late()
        elif self._failure is not None:
            raise self._failure

    async def _open_late(self) -> None:
        try:
            await self._cache.open()
        except errors.SakeException:
            # Nobody waits for what is added to a client that has started.
            _LOGGER.exception("The cache cannot be opened, so Tanjun works without it")

# SPDX-License-Identifier: BSD-3-Clause
"""Bots that never connect, and the way events get into them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import typing
from collections import abc as collections

import hikari
from hikari import impl

Payload = dict[str, typing.Any]

TOKEN: typing.Final = "MTAwMDAwMDAwMDAwMDAwMDAw.none.none"
OWN_ID: typing.Final = hikari.Snowflake(100_000_000_000_000_000)


@dataclasses.dataclass(frozen=True)
class Shard:
    """Stands for the shard that an event came through."""

    id: int = 0
    shard_count: int = 1
    intents: hikari.Intents = hikari.Intents.ALL
    user_id: hikari.Snowflake = OWN_ID

    def get_user_id(self) -> hikari.Snowflake:
        return self.user_id


@functools.cache
def _http_settings() -> impl.HTTPSettings:
    # Each of them reads all of the system's certificates, which takes a tenth of a second.
    return impl.HTTPSettings()


def make_bot(
    *,
    components: hikari.api.CacheComponents = hikari.api.CacheComponents.NONE,
    intents: hikari.Intents = hikari.Intents.ALL,
    max_messages: int = 1,
) -> hikari.GatewayBot:
    """Make a bot that is not started."""
    return hikari.GatewayBot(
        TOKEN,
        auto_chunk_members=False,
        banner=None,
        cache_settings=impl.CacheSettings(components=components, max_messages=max_messages),
        http_settings=_http_settings(),
        intents=intents,
        logs=None,
        suppress_optimization_warning=True,
    )


class Feed:
    """Gives events to a bot's event manager as its shards do: by calling it with a name and a payload.

    The payload is passed on as it is. What the event's listeners do begins when the caller next awaits something that
    has to wait; `settle` waits until all of them are done.
    """

    def __init__(self, bot: hikari.GatewayBot, shard: Shard) -> None:
        self.bot = bot
        self.shard = shard

    def __call__(self, name: str, payload: Payload, /, *, shard: Shard | None = None) -> None:
        through = typing.cast("hikari.api.GatewayShard", shard or self.shard)
        # A shard ignores the events that hikari does not know; raw listeners have been called by then.
        with contextlib.suppress(LookupError):
            self.bot.event_manager.consume_raw_event(name, through, payload)

    def all(self, events: collections.Iterable[tuple[str, Payload]], /) -> None:
        """Give many events in one burst."""
        for name, payload in events:
            self(name, payload)

    async def settle(self) -> None:
        """Wait until every listener of every event so far is done."""
        tasks = typing.cast("impl.EventManagerImpl", self.bot.event_manager)._dispatched_tasks
        while tasks:
            await asyncio.wait(list(tasks), timeout=10)

# SPDX-License-Identifier: BSD-3-Clause
"""What every worker shares: a bot with no gateway, and what a job may ask of whoever fills a cache from it.

Everything here also runs beside the predecessor, in an environment which has hikari and orjson but not this package.
"""

from __future__ import annotations

__all__ = ["Contender", "Readable", "Shard", "build_bot", "consume", "outstanding"]

import asyncio
import logging
import operator
import typing
from collections import abc as collections

import hikari
import hikari.impl

OWN_ID: typing.Final = 100_000_000_000_000_000
# Its first part is the id above, which is all that is read of it.
_TOKEN: typing.Final = "MTAwMDAwMDAwMDAwMDAwMDAw.bench.mark"

# hikari offers no public way to learn how many listeners are still running.
_get_tasks: collections.Callable[[hikari.api.EventManager], set[asyncio.Task[None]]] = operator.attrgetter(
    "_dispatched_tasks"
)


class Shard:
    """As much of a shard as an event manager and a cache ask for."""

    __slots__ = ()

    id = 0
    intents = hikari.Intents.ALL
    shard_count = 1

    def get_user_id(self) -> hikari.Snowflake:
        """Return the bot's own id."""
        return hikari.Snowflake(OWN_ID)


class Readable(typing.Protocol):
    """The reading methods that the jobs call, which all versions have in common."""

    async def get_guild(self, guild_id: int, /) -> hikari.GatewayGuild: ...

    async def get_member(self, guild_id: int, user_id: int, /) -> hikari.Member: ...

    def iter_emojis_for_guild(self, guild_id: int, /) -> collections.AsyncIterable[hikari.KnownCustomEmoji]: ...

    def iter_guild_channels_for_guild(
        self, guild_id: int, /
    ) -> collections.AsyncIterable[hikari.PermissibleGuildChannel]: ...

    def iter_members_for_guild(self, guild_id: int, /) -> collections.AsyncIterable[hikari.Member]: ...

    def iter_roles_for_guild(self, guild_id: int, /) -> collections.AsyncIterable[hikari.Role]: ...


def build_bot(components: hikari.api.CacheComponents, /) -> hikari.GatewayBot:
    """Build a bot which is never started: its event manager is fed by hand."""
    return hikari.GatewayBot(
        _TOKEN,
        auto_chunk_members=False,
        banner=None,
        cache_settings=hikari.impl.CacheSettings(components=components),
        intents=hikari.Intents.ALL,
        logs=None,
        suppress_optimization_warning=True,
    )


def outstanding(bot: hikari.GatewayBot, /) -> int:
    """Count the listeners which are still running."""
    return len(_get_tasks(bot.event_manager))


def consume(bot: hikari.GatewayBot, /) -> collections.Callable[[str, dict[str, typing.Any]], None]:
    """Return what to call with an event's name and payload, which is what hikari's shards call."""
    manager = typing.cast("hikari.impl.EventManagerImpl", bot.event_manager)
    shard = typing.cast("hikari.api.GatewayShard", Shard())

    def feed(name: str, payload: dict[str, typing.Any]) -> None:
        manager.consume_raw_event(name, shard, payload)

    return feed


class _Errors(logging.Handler):
    """Keeps count of what was logged as an error, for a contender that drops events is not a fast one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Count one record."""
        self.count += 1
        if not self.first:
            cause = record.exc_info[1] if record.exc_info else None
            self.first = f"{record.getMessage()[:200]} {cause!r:.200}"


class Contender:
    """Whoever is measured. This one leaves the events to the bot."""

    def __init__(self, components: hikari.api.CacheComponents = hikari.api.CacheComponents.NONE, /) -> None:
        self.bot = build_bot(components)
        self.errors = _Errors()
        logging.getLogger().addHandler(self.errors)

    @property
    def cache(self) -> Readable:
        """Where to read what was stored.

        Raises
        ------
        LookupError
            If it stores nothing that others could read.
        """
        error_message = f"{type(self).__name__} has nothing to read from"
        raise LookupError(error_message)

    async def open(self) -> None:
        """Subscribe to the bot's events."""
        asyncio.get_running_loop().set_exception_handler(self._on_error)

    async def settle(self) -> None:
        """Wait until the effect of everything that was fed can be seen by whoever asks for it."""
        while tasks := _get_tasks(self.bot.event_manager):
            await asyncio.wait(tuple(tasks))

    async def close(self) -> None:
        """Let go of everything."""

    def _on_error(self, _: asyncio.AbstractEventLoop, context: dict[str, typing.Any]) -> None:
        self.errors.handle(logging.makeLogRecord({"msg": f"{context['message']}: {context.get('exception')!r}"}))

# SPDX-License-Identifier: BSD-3-Clause
"""The one listener: hands every gateway event to its handlers before anything else can happen."""

from __future__ import annotations

__all__ = ["Feed", "tell_if_unfed"]

import asyncio
import logging
import secrets
import typing
from collections import abc as collections

import hikari

from .._engine.engine import Engine
from .._model.codec import Payload
from .._model.delta import Departure
from .._model.draft import Draft
from .._model.ids import is_snowflake
from .._model.kinds import SESSIONS
from .._model.statistics import Statistics
from . import events
from .shards import Shards

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_READY: typing.Final = "READY"

_NAMED: typing.Final = 3
"""How many of the parts that were left out an error names."""

_UNFED_SECONDS: typing.Final = 30.0
"""So long after its opening, a cache that a bot could fill and nothing does is told of."""


class Feed:
    """Describes what gateway events change, by the handlers of a client and those that serve every kind.

    Parameters
    ----------
    client
        Has methods marked with `on`.
    statistics
        Is kept up to date.
    """

    __slots__ = ("_engine", "_has_told", "_shards", "_statistics", "handlers")

    def __init__(self, client: object, statistics: Statistics, /) -> None:
        self._engine: Engine | None = None
        self._has_told = False
        self._shards: Shards | None = None
        self._statistics = statistics
        self.handlers: typing.Final = events.find_handlers(self, client)
        """The event table: event name → handlers, in the order in which they are called."""

    def start(self, event_manager: hikari.api.EventManager, engine: Engine, /) -> None:
        """Listen to the events of a bot."""
        self._engine, self._has_told = engine, False
        if SESSIONS in engine.setup.layout:
            self._shards = Shards(engine)
            self._shards.start()
            event_manager.subscribe(hikari.ShardDisconnectedEvent, self._on_disconnected)
        event_manager.subscribe(hikari.ShardPayloadEvent, self._on_payload)

    def stop(self, event_manager: hikari.api.EventManager, /) -> None:
        """Stop listening."""
        event_manager.unsubscribe(hikari.ShardPayloadEvent, self._on_payload)
        if self._shards is not None:
            event_manager.unsubscribe(hikari.ShardDisconnectedEvent, self._on_disconnected)
            self._shards.end()
        self._engine = self._shards = None

    def begin_anew(self) -> collections.Set[str]:
        """Take nothing for current any more that was received so far; return the ids of the guilds."""
        return self._shards.begin_anew() if self._shards is not None else frozenset()

    async def _on_disconnected(self, event: hikari.ShardDisconnectedEvent, /) -> None:
        if self._shards is not None:
            self._shards.lose(event.shard)

    async def _on_payload(self, event: hikari.ShardPayloadEvent, /) -> None:
        # Nothing in here may wait: events are in order only as far as their listeners have not yet done so.
        name, payload, engine = event.name, event.payload, self._engine
        if name in events.WITH_OUTAGES and payload.get("unavailable"):
            name = events.GUILD_UNAVAILABLE

        handlers = self.handlers.get(name)
        if handlers is None or engine is None:
            return
        if engine.loop is not asyncio.get_running_loop():
            self._refuse_other_loop()
            return

        writer, shard = engine.writer, event.shard
        draft = writer.draft
        if self._shards is not None and name != _READY:
            if not self._shards.has(shard):
                return
            draft.session = self._shards.of(shard)
        try:
            for handler in handlers:
                handler(payload, draft, shard)
        except Exception as exc:  # noqa: BLE001 - this is the error boundary of all handlers
            draft.reset()
            self._skip(event, exc)
            return

        if draft.refused:
            self._refuse(event, draft.refused)
            draft.refused = ()
        if draft.steps:
            self._statistics.events += 1
        writer.add(draft)

    def _skip(self, event: hikari.ShardPayloadEvent, exc: Exception, /) -> None:
        self._statistics.skipped += 1
        where = _name(event)
        _LOGGER.error("%s cannot be used and is skipped (%s: %s)", where, type(exc).__name__, exc, exc_info=exc)

    def _refuse_other_loop(self) -> None:
        self._statistics.skipped += 1
        if not self._has_told:
            self._has_told = True
            _LOGGER.error(
                "Events of a bot in another event loop than the cache's are skipped: open the cache in that one"
            )

    def _refuse(self, event: hikari.ShardPayloadEvent, refused: collections.Sequence[str], /) -> None:
        self._statistics.skipped += len(refused)
        named = ", ".join(refused[:_NAMED]) + (" …" if len(refused) > _NAMED else "")
        _LOGGER.error("%s parts of %s cannot be used and are left out: %s", len(refused), _name(event), named)

    @events.on("READY")
    def _plan_departures(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        shard_id, shard_count = payload.get("shard") or (shard.id, shard.shard_count)
        guilds = frozenset(str(guild["id"]) for guild in payload["guilds"])
        for guild in guilds:
            if not is_snowflake(guild):
                error_message = f"{guild[:64]!r} cannot be the id of a guild"
                raise ValueError(error_message)

        draft.depart(Departure(shard_id, shard_count, guilds))
        if (shards := self._shards) is not None:
            session_id = str(payload.get("session_id") or secrets.token_hex(8))
            draft.also(lambda: shards.begin(shard, guilds, session_id))

    @events.on("RESUMED")
    def _plan_resumed(self, _: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        if (shards := self._shards) is not None:
            draft.also(lambda: shards.resume(shard))

    @events.on("GUILD_CREATE")
    def _plan_guild_joined(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        if (shards := self._shards) is not None:
            guild = str(payload["id"])
            draft.enlist({guild})
            draft.also(lambda: shards.join(shard, guild))

    @events.on(events.GUILD_UNAVAILABLE)
    def _plan_guild_unheard(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        # What happens during an outage is not told: the guild comes anew after it.
        guild = str(payload["id"])
        if self._shards is not None:
            draft.enlist({guild})
        draft.forget_lists(self._engine.setup.layout if self._engine else (), guild)

    @events.on("GUILD_DELETE")
    def _plan_guild_left(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        if (shards := self._shards) is not None:
            draft.also(lambda: shards.leave(shard, str(payload["id"])))
        draft.leave(self._engine.setup.layout if self._engine else (), str(payload["id"]))

    @events.on("CHANNEL_DELETE")
    def _plan_channel_emptied(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild = payload.get("guild_id")
        for kind in self._engine.setup.layout if self._engine else ():
            if guild and kind.channel_of is not None:
                draft.clear_channel(kind, str(guild), str(payload["id"]))


def _name(event: hikari.ShardPayloadEvent, /) -> str:
    guild = event.payload.get("guild_id") or (event.payload.get("id") if event.name.startswith("GUILD_") else None)
    # Where a guild's id should be, there may be something that has no text: a number too long, lists too deep.
    return f"{event.name} of guild {guild[:64]!r}" if guild and isinstance(guild, str) else event.name


async def tell_if_unfed(name: str, app: object, engine: Engine, /) -> None:
    """Tell of a cache without an event manager whose bot runs, when nothing has been stored in it for a while."""
    await asyncio.sleep(_UNFED_SECONDS)
    if getattr(app, "is_alive", False) and engine.writer.is_idle and not engine.setup.statistics.batches:
        _LOGGER.warning(
            "%s is open beside a running bot, but has no event_manager and nothing was stored in it. To fill it"
            " here, make it with event_manager=bot.event_manager; if another process does, give it app=bot.rest",
            name,
        )

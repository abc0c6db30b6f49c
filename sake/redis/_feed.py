# SPDX-License-Identifier: BSD-3-Clause
"""The one listener: hands every gateway event to its handlers before anything else can happen."""

from __future__ import annotations

__all__ = ["Feed"]

import logging
import typing

import hikari

from . import _events
from ._codec import Payload
from ._delta import Delta
from ._delta import Departure
from ._engine import Engine
from ._statistics import Statistics

_LOGGER: typing.Final = logging.getLogger("sake.redis")


class Feed:
    """Describes what gateway events change, by the handlers of a client and those that serve every kind.

    Parameters
    ----------
    client
        Has methods marked with `on`.
    statistics
        Is kept up to date.
    """

    __slots__ = ("_engine", "_statistics", "handlers")

    def __init__(self, client: object, statistics: Statistics, /) -> None:
        self._engine: Engine | None = None
        self._statistics = statistics
        self.handlers: typing.Final = _events.find_handlers(self, client)
        """The event table: event name → handlers, in the order in which they are called."""

    def start(self, event_manager: hikari.api.EventManager, engine: Engine, /) -> None:
        """Listen to the events of a bot."""
        self._engine = engine
        event_manager.subscribe(hikari.ShardPayloadEvent, self._on_payload)

    def stop(self, event_manager: hikari.api.EventManager, /) -> None:
        """Stop listening."""
        event_manager.unsubscribe(hikari.ShardPayloadEvent, self._on_payload)
        self._engine = None

    async def _on_payload(self, event: hikari.ShardPayloadEvent, /) -> None:
        # Nothing in here may wait: events are in order only as far as their listeners have not yet done so.
        name, payload, engine = event.name, event.payload, self._engine
        if name in _events.WITH_OUTAGES and payload.get("unavailable"):
            name = _events.GUILD_UNAVAILABLE

        handlers = self.handlers.get(name)
        if handlers is None or engine is None:
            return

        writer = engine.writer
        if name == "READY":
            writer.cut()

        delta, shard = writer.delta, event.shard
        for handler in handlers:
            try:
                handler(payload, delta, shard)
            except Exception as exc:  # noqa: BLE001 - this is the error boundary of all handlers
                self._skip(event, exc)

        self._statistics.events += 1
        writer.changed()

    def _skip(self, event: hikari.ShardPayloadEvent, exc: Exception, /) -> None:
        self._statistics.skipped += 1
        guild = event.payload.get("guild_id") or (event.payload.get("id") if event.name.startswith("GUILD_") else None)
        where = f"{event.name} of guild {guild}" if guild else event.name
        _LOGGER.error("%s cannot be used and is skipped (%s: %s)", where, type(exc).__name__, exc, exc_info=exc)

    @_events.on("READY")
    def _plan_departures(self, payload: Payload, delta: Delta, shard: hikari.api.GatewayShard, /) -> None:
        shard_id, shard_count = payload.get("shard") or (shard.id, shard.shard_count)
        guilds = frozenset(str(guild["id"]) for guild in payload["guilds"])
        delta.departures.append(Departure(shard_id, shard_count, guilds))

    @_events.on("GUILD_DELETE")
    def _plan_guild_left(self, payload: Payload, delta: Delta, _: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["id"])
        for kind in self._engine.layout if self._engine else ():
            if kind.in_guild or kind.keyed_by_guild:
                delta.forget_guild(kind, guild)

    @_events.on("CHANNEL_DELETE")
    def _plan_channel_emptied(self, payload: Payload, delta: Delta, _: hikari.api.GatewayShard, /) -> None:
        guild = payload.get("guild_id")
        for kind in self._engine.layout if self._engine else ():
            if guild and kind.channel_of is not None:
                delta.clear_channel(kind, str(guild), str(payload["id"]))

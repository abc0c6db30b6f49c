# SPDX-License-Identifier: BSD-3-Clause
"""The event table: which handlers describe what an event changes."""

from __future__ import annotations

__all__ = ["GUILD_UNAVAILABLE", "WITH_OUTAGES", "Handler", "find_handlers", "on"]

import typing
from collections import abc as collections

import hikari

from .._model.codec import Payload
from .._model.draft import Draft

Handler = collections.Callable[[Payload, Draft, hikari.api.GatewayShard], None]
"""Describes what an event changes: (payload, draft to describe it in, shard it came through). Does not wait."""

_HandlerT = typing.TypeVar("_HandlerT", bound=collections.Callable[..., None])

_EVENTS: typing.Final = "__sake_events__"

GUILD_UNAVAILABLE: typing.Final = "GUILD_UNAVAILABLE"
"""What a GUILD_CREATE or GUILD_DELETE with `unavailable: true` is called here: the guild has an outage."""


WITH_OUTAGES: typing.Final = frozenset({"GUILD_CREATE", "GUILD_DELETE"})
"""The events that tell of an outage when they have `unavailable: true`."""


def on(*names: str) -> collections.Callable[[_HandlerT], _HandlerT]:
    """Mark a method as the handler of gateway events, by their names in upper case."""

    def mark(handler: _HandlerT, /) -> _HandlerT:
        setattr(handler, _EVENTS, names)
        return handler

    return mark


def find_handlers(*owners: object) -> dict[str, tuple[Handler, ...]]:
    """Return the event table of some objects: their marked methods by event name, base classes first."""
    table: dict[str, tuple[Handler, ...]] = {}
    for owner in owners:
        for cls in reversed(type(owner).mro()):
            for attribute, function in vars(cls).items():
                for name in getattr(function, _EVENTS, ()):
                    table[name] = (*table.get(name, ()), getattr(owner, attribute))

    return table

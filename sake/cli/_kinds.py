# SPDX-License-Identifier: BSD-3-Clause
"""The kinds of entities that live in guilds: how to read them from a cache, and how to build them from payloads."""

from __future__ import annotations

__all__ = ["IN_GUILDS", "GuildKind"]

import dataclasses
import operator
import typing
from collections import abc as collections

import hikari

from sake import _names

if typing.TYPE_CHECKING:
    import sake

_T = typing.TypeVar("_T")
_Payload: typing.TypeAlias = collections.Mapping[str, typing.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class GuildKind(typing.Generic[_T]):
    """A kind of entity that lives in guilds."""

    name: _names.Name
    build: collections.Callable[[hikari.api.EntityFactory, _Payload, hikari.Snowflake], _T]
    """Builds a model from (factory, payload, guild id)."""

    key: collections.Callable[[_T], hikari.Snowflake] = operator.attrgetter("id")
    """Tells a model's id within its guild."""

    ignored: frozenset[str] = frozenset()
    """Fields that depend on when the entity was received."""

    check: collections.Callable[[_T], str | None] | None = None
    """Tells what is wrong with a model by itself."""

    def build_all(
        self, factory: hikari.api.EntityFactory, guild: hikari.Snowflake, truth: _Payload, /
    ) -> collections.Iterator[_T]:
        """Build the models of what is true of a guild."""
        return (self.build(factory, payload, guild) for payload in truth[self.name.list])

    def read(self, cache: sake.RedisCache, guild: hikari.Snowflake, /) -> sake.abc.CacheIterator[_T]:
        """Iterate over those of a guild."""
        entries: sake.abc.CacheIterator[_T] = getattr(cache, self.name.iter_for_guild)(guild)
        return entries

    def read_all(self, cache: sake.RedisCache, /) -> sake.abc.CacheIterator[_T]:
        """Iterate over those of all guilds."""
        entries: sake.abc.CacheIterator[_T] = getattr(cache, self.name.iter_all)()
        return entries


def _build_channel(
    factory: hikari.api.EntityFactory, payload: _Payload, guild: hikari.Snowflake, /
) -> hikari.PermissibleGuildChannel:
    channel = factory.deserialize_channel(payload, guild_id=guild)
    return typing.cast("hikari.PermissibleGuildChannel", channel)


def _check_voice_state(state: hikari.VoiceState, /) -> str | None:
    if state.member is None:
        return "it is stored without its member"

    return None if state.member.id == state.user_id else f"its member is {state.member.id}"


_USER_ID: typing.Final = operator.attrgetter("user_id")

IN_GUILDS: typing.Final[tuple[GuildKind[typing.Any], ...]] = (
    GuildKind(_names.CHANNEL, _build_channel),
    GuildKind(_names.THREAD, lambda factory, payload, guild: factory.deserialize_guild_thread(payload, guild_id=guild)),
    GuildKind(_names.ROLE, lambda factory, payload, guild: factory.deserialize_role(payload, guild_id=guild)),
    GuildKind(
        _names.EMOJI, lambda factory, payload, guild: factory.deserialize_known_custom_emoji(payload, guild_id=guild)
    ),
    GuildKind(_names.STICKER, lambda factory, payload, _: factory.deserialize_guild_sticker(payload)),
    GuildKind(_names.MEMBER, lambda factory, payload, guild: factory.deserialize_member(payload, guild_id=guild)),
    GuildKind(
        _names.PRESENCE,
        lambda factory, payload, guild: factory.deserialize_member_presence(payload, guild_id=guild),
        _USER_ID,
    ),
    GuildKind(
        _names.VOICE_STATE,
        lambda factory, payload, guild: factory.deserialize_voice_state(payload, guild_id=guild),
        _USER_ID,
        frozenset(("member",)),
        _check_voice_state,
    ),
)

# SPDX-License-Identifier: BSD-3-Clause
"""The kinds of entities that live in guilds: how to read them from a cache, and how to build them from payloads."""

from __future__ import annotations

__all__ = ["IN_GUILDS", "GuildKind"]

import dataclasses
import operator
import typing
from collections import abc as collections

import hikari

if typing.TYPE_CHECKING:
    import sake

_T = typing.TypeVar("_T")
_Payload: typing.TypeAlias = collections.Mapping[str, typing.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class GuildKind(typing.Generic[_T]):
    """A kind of entity that lives in guilds."""

    name: str
    """What one of them is called."""

    plural: str
    """What several of them are called."""

    truth: str
    """The name of the list of payloads in what is true of a guild."""

    build: collections.Callable[[hikari.api.EntityFactory, _Payload, hikari.Snowflake], _T]
    """Builds a model from (factory, payload, guild id)."""

    read: collections.Callable[[sake.RedisCache, hikari.Snowflake], sake.abc.CacheIterator[_T]]
    """Iterates over those of a guild."""

    read_all: collections.Callable[[sake.RedisCache], sake.abc.CacheIterator[_T]]
    """Iterates over those of all guilds."""

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
        return (self.build(factory, payload, guild) for payload in truth[self.truth])


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
    GuildKind(
        "channel",
        "channels",
        "channels",
        _build_channel,
        lambda cache, guild: cache.iter_guild_channels_for_guild(guild),
        lambda cache: cache.iter_guild_channels(),
    ),
    GuildKind(
        "thread",
        "threads",
        "threads",
        lambda factory, payload, guild: factory.deserialize_guild_thread(payload, guild_id=guild),
        lambda cache, guild: cache.iter_threads_for_guild(guild),
        lambda cache: cache.iter_threads(),
    ),
    GuildKind(
        "role",
        "roles",
        "roles",
        lambda factory, payload, guild: factory.deserialize_role(payload, guild_id=guild),
        lambda cache, guild: cache.iter_roles_for_guild(guild),
        lambda cache: cache.iter_roles(),
    ),
    GuildKind(
        "emoji",
        "emojis",
        "emojis",
        lambda factory, payload, guild: factory.deserialize_known_custom_emoji(payload, guild_id=guild),
        lambda cache, guild: cache.iter_emojis_for_guild(guild),
        lambda cache: cache.iter_emojis(),
    ),
    GuildKind(
        "sticker",
        "stickers",
        "stickers",
        lambda factory, payload, _: factory.deserialize_guild_sticker(payload),
        lambda cache, guild: cache.iter_stickers_for_guild(guild),
        lambda cache: cache.iter_stickers(),
    ),
    GuildKind(
        "member",
        "members",
        "members",
        lambda factory, payload, guild: factory.deserialize_member(payload, guild_id=guild),
        lambda cache, guild: cache.iter_members_for_guild(guild),
        lambda cache: cache.iter_members(),
    ),
    GuildKind(
        "presence",
        "presences",
        "presences",
        lambda factory, payload, guild: factory.deserialize_member_presence(payload, guild_id=guild),
        lambda cache, guild: cache.iter_presences_for_guild(guild),
        lambda cache: cache.iter_presences(),
        _USER_ID,
    ),
    GuildKind(
        "voice state",
        "voice states",
        "voice_states",
        lambda factory, payload, guild: factory.deserialize_voice_state(payload, guild_id=guild),
        lambda cache, guild: cache.iter_voice_states_for_guild(guild),
        lambda cache: cache.iter_voice_states(),
        _USER_ID,
        frozenset(("member",)),
        _check_voice_state,
    ),
)

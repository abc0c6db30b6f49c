# SPDX-License-Identifier: BSD-3-Clause
"""The table of everything that is stored: one row a kind. Pure."""

from __future__ import annotations

__all__ = [
    "APPLICATIONS",
    "AUTHORIZATIONS",
    "CHANNELS",
    "COMPLETE_MEMBER_LISTS",
    "DM_CHANNELS",
    "DM_CHANNELS_BY_USER",
    "EMOJIS",
    "GUILDS",
    "INVITES",
    "LISTS",
    "ME",
    "MEMBERS",
    "MESSAGES",
    "PRESENCES",
    "ROLES",
    "SESSIONS",
    "SESSION_LIFETIME",
    "STALE_GUILDS",
    "STICKERS",
    "THREADS",
    "UNAVAILABLE_GUILDS",
    "USERS",
    "VOICE_STATES",
    "Kind",
    "Kinds",
    "Shape",
]

import dataclasses
import enum
import typing
from collections import abc as collections

import hikari

from .codec import Payload
from .codec import nested
from .expiry import DEFAULT_EXPIRE
from .expiry import DEFAULT_FAST_EXPIRE
from .expiry import DEFAULT_INVITE_EXPIRE
from .expiry import DEFAULT_SLOW_EXPIRE
from .keys import ResourceIndex

_T_co = typing.TypeVar("_T_co", covariant=True)

_NO_TIME: typing.Final = "1970-01-01T00:00:00+00:00"
_OWN_ID_UNKNOWN: typing.Final = hikari.Snowflake(0)

SESSION_LIFETIME: typing.Final = 90_000
"""Milliseconds after which a session is over whose process was killed, and did not say so."""


class Shape(enum.Enum):
    """How the entities of a kind are laid out in Redis."""

    GUILD_BOUND = enum.auto()
    """One hash a guild: entity id → payload."""

    SINGLE = enum.auto()
    """One string an entity."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Kind(typing.Generic[_T_co]):
    """One kind of entity: where it goes and how a model is built from it."""

    name: str
    index: ResourceIndex
    shape: Shape
    build: collections.Callable[[hikari.api.EntityFactory, Payload, str], _T_co]
    """Builds the model from (factory, payload, guild id as text or "")."""

    id_path: tuple[str, ...] = ("id",)
    """Where a payload carries the id: a name, or the name of an object and one in there."""

    owned: bool = False
    """Whether it is looked up by its id alone, which takes a fact: the guild that the id belongs to."""

    channel_of: collections.Callable[[Payload], str | None] | None = None
    """Returns the id of the channel an entity is found by, for the kinds that are found by channel."""

    lifetime: int | None = None
    """How long an entity is kept unless the client was told otherwise: milliseconds."""

    one_per_guild: bool = False
    """Whether a guild has at most one, under the guild's own id."""

    numeric: bool = True
    """Whether its ids are snowflakes."""

    is_only_one: bool = False
    """Whether there is but one, whose id sake made up."""

    intents: int = int(hikari.Intents.GUILDS)
    """What a bot needs to be told of all of them."""

    noun: str = ""
    """What to call one of them in an error."""

    @property
    def is_mark(self) -> bool:
        """Whether it says only that something is true of a guild, and has no payloads."""
        return self.build is _build_nothing and self.one_per_guild

    @property
    def is_own(self) -> bool:
        """Whether it is sake's own, and tells nothing that Discord told."""
        return self.is_mark or self.name == "session"

    @property
    def in_guild(self) -> bool:
        """Whether the entities are counted as a guild's and go with it."""
        return self.shape is Shape.GUILD_BOUND or self.channel_of is not None


Kinds: typing.TypeAlias = tuple[Kind[typing.Any], ...]
"""Several kinds, of whatever models."""


def _build_channel(
    factory: hikari.api.EntityFactory, payload: Payload, guild: str, /
) -> hikari.PermissibleGuildChannel:
    channel = factory.deserialize_channel(payload, guild_id=hikari.Snowflake(guild))
    if not isinstance(channel, hikari.PermissibleGuildChannel):
        error_message = f"{channel!r} is not a guild channel with permissions"
        raise TypeError(error_message)

    return channel


def _build_thread(factory: hikari.api.EntityFactory, payload: Payload, guild: str, /) -> hikari.GuildThreadChannel:
    return factory.deserialize_guild_thread(payload, guild_id=hikari.Snowflake(guild))


def _build_emoji(factory: hikari.api.EntityFactory, payload: Payload, guild: str, /) -> hikari.KnownCustomEmoji:
    return factory.deserialize_known_custom_emoji(payload, guild_id=hikari.Snowflake(guild))


def _build_sticker(factory: hikari.api.EntityFactory, payload: Payload, guild: str, /) -> hikari.GuildSticker:
    return factory.deserialize_guild_sticker({**payload, "guild_id": guild})


def _build_role(factory: hikari.api.EntityFactory, payload: Payload, guild: str, /) -> hikari.Role:
    return factory.deserialize_role(payload, guild_id=hikari.Snowflake(guild))


def _build_member(factory: hikari.api.EntityFactory, payload: Payload, guild: str, /) -> hikari.Member:
    return factory.deserialize_member(payload, guild_id=hikari.Snowflake(guild))


def _build_presence(factory: hikari.api.EntityFactory, payload: Payload, guild: str, /) -> hikari.MemberPresence:
    return factory.deserialize_member_presence(payload, guild_id=hikari.Snowflake(guild))


def _build_voice_state(factory: hikari.api.EntityFactory, payload: Payload, guild: str, /) -> hikari.VoiceState:
    return factory.deserialize_voice_state(payload, guild_id=hikari.Snowflake(guild))


def _build_invite(factory: hikari.api.EntityFactory, payload: Payload, _: str, /) -> hikari.InviteWithMetadata:
    return factory.deserialize_invite_with_metadata(payload)


def _build_message(factory: hikari.api.EntityFactory, payload: Payload, _: str, /) -> hikari.Message:
    return factory.deserialize_message(payload)


def _build_user(factory: hikari.api.EntityFactory, payload: Payload, _: str, /) -> hikari.User:
    return factory.deserialize_user(payload)


def _build_me(factory: hikari.api.EntityFactory, payload: Payload, _: str, /) -> hikari.OwnUser:
    return factory.deserialize_my_user(payload)


def _build_guild(factory: hikari.api.EntityFactory, payload: Payload, _: str, /) -> hikari.GatewayGuild:
    return factory.deserialize_gateway_guild(payload, user_id=_OWN_ID_UNKNOWN).guild()


def _build_application(factory: hikari.api.EntityFactory, payload: Payload, _: str, /) -> hikari.Application:
    return factory.deserialize_application(payload)


def _build_authorization(
    factory: hikari.api.EntityFactory, payload: Payload, _: str, /
) -> hikari.AuthorizationApplication:
    # hikari builds these only as part of what a token may do, which nothing here is about.
    information: dict[str, typing.Any] = {"application": payload, "scopes": [], "expires": _NO_TIME}
    return factory.deserialize_authorization_information(information).application


def _build_dm_channel(factory: hikari.api.EntityFactory, payload: Payload, _: str, /) -> hikari.DMChannel:
    return factory.deserialize_dm(payload)


def _build_nothing(_: hikari.api.EntityFactory, __: Payload, ___: str, /) -> None:
    return None


def _voice_channel(payload: Payload, /) -> str | None:
    return _text(payload["channel_id"])


def _parent_channel(payload: Payload, /) -> str | None:
    return _text(payload["parent_id"])


def _invite_channel(payload: Payload, /) -> str | None:
    return _text(payload.get("channel_id") or nested(payload, "channel").get("id"))


def _text(entity: str | int | None, /) -> str | None:
    return None if entity is None else str(entity)


_EXPRESSIONS = int(hikari.Intents.GUILDS | hikari.Intents.GUILD_EMOJIS)
_GUILD = Shape.GUILD_BOUND

CHANNELS: typing.Final = Kind(
    "channel", ResourceIndex.CHANNEL, _GUILD, _build_channel, owned=True, noun="Guild channel"
)
EMOJIS: typing.Final = Kind(
    "emoji", ResourceIndex.EMOJI, _GUILD, _build_emoji, owned=True, intents=_EXPRESSIONS, noun="Emoji"
)
ROLES: typing.Final = Kind("role", ResourceIndex.ROLE, _GUILD, _build_role, owned=True, noun="Role")
STICKERS: typing.Final = Kind(
    "sticker", ResourceIndex.STICKER, _GUILD, _build_sticker, owned=True, intents=_EXPRESSIONS, noun="Sticker"
)
THREADS: typing.Final = Kind(
    "thread", ResourceIndex.THREAD, _GUILD, _build_thread, owned=True, channel_of=_parent_channel, noun="Thread"
)
MEMBERS: typing.Final = Kind(
    "member",
    ResourceIndex.MEMBER,
    _GUILD,
    _build_member,
    id_path=("user", "id"),
    intents=int(hikari.Intents.GUILDS | hikari.Intents.GUILD_MEMBERS),
    noun="Member",
)
PRESENCES: typing.Final = Kind(
    "presence",
    ResourceIndex.PRESENCE,
    _GUILD,
    _build_presence,
    id_path=("user", "id"),
    intents=int(hikari.Intents.GUILDS | hikari.Intents.GUILD_PRESENCES),
    noun="Presence",
)
VOICE_STATES: typing.Final = Kind(
    "voice_state",
    ResourceIndex.VOICE_STATE,
    _GUILD,
    _build_voice_state,
    id_path=("user_id",),
    channel_of=_voice_channel,
    intents=int(hikari.Intents.GUILDS | hikari.Intents.GUILD_VOICE_STATES),
    noun="Voice state",
)
INVITES: typing.Final = Kind(
    "invite",
    ResourceIndex.INVITE,
    Shape.SINGLE,
    _build_invite,
    id_path=("code",),
    channel_of=_invite_channel,
    lifetime=DEFAULT_INVITE_EXPIRE,
    numeric=False,
    noun="Invite",
)
MESSAGES: typing.Final = Kind(
    "message", ResourceIndex.MESSAGE, Shape.SINGLE, _build_message, lifetime=DEFAULT_FAST_EXPIRE, noun="Message"
)
USERS: typing.Final = Kind("user", ResourceIndex.USER, Shape.SINGLE, _build_user, lifetime=DEFAULT_EXPIRE, noun="User")
ME: typing.Final = Kind(
    "me", ResourceIndex.USER, Shape.SINGLE, _build_me, numeric=False, is_only_one=True, noun="The bot's own user"
)
GUILDS: typing.Final = Kind("guild", ResourceIndex.GUILD, _GUILD, _build_guild, one_per_guild=True, noun="Guild")
UNAVAILABLE_GUILDS: typing.Final = Kind(
    "guild-unavailable", ResourceIndex.GUILD, _GUILD, _build_nothing, one_per_guild=True
)
STALE_GUILDS: typing.Final = Kind("guild-stale", ResourceIndex.GUILD, _GUILD, _build_nothing, one_per_guild=True)
SESSIONS: typing.Final = Kind(
    "session", ResourceIndex.REFERENCE, Shape.SINGLE, _build_nothing, lifetime=SESSION_LIFETIME, numeric=False
)
"""What says that a bot hears of all that happens in the guilds of a shard: `<shard id>-<shard count>` → its token."""
APPLICATIONS: typing.Final = Kind(
    "application",
    ResourceIndex.APPLICATION,
    Shape.SINGLE,
    _build_application,
    lifetime=DEFAULT_SLOW_EXPIRE,
    numeric=False,
    is_only_one=True,
    noun="The bot's application",
)
AUTHORIZATIONS: typing.Final = Kind(
    "authorization",
    ResourceIndex.APPLICATION,
    Shape.SINGLE,
    _build_authorization,
    lifetime=DEFAULT_SLOW_EXPIRE,
    numeric=False,
    is_only_one=True,
    noun="The bot's application",
)
DM_CHANNELS: typing.Final = Kind(
    "dm_channel",
    ResourceIndex.DM_CHANNEL,
    Shape.SINGLE,
    _build_dm_channel,
    lifetime=DEFAULT_SLOW_EXPIRE,
    noun="Direct message channel",
)
DM_CHANNELS_BY_USER: typing.Final = Kind(
    "dm_channel-user", ResourceIndex.DM_CHANNEL, Shape.SINGLE, _build_nothing, lifetime=DEFAULT_SLOW_EXPIRE
)

LISTS: typing.Final = {
    kind: Kind(f"{kind.name}-list", kind.index, _GUILD, _build_nothing, one_per_guild=True)
    for kind in (CHANNELS, EMOJIS, GUILDS, MEMBERS, PRESENCES, ROLES, STICKERS, THREADS, VOICE_STATES)
}
"""Kind → the mark of guilds of which a session heard everything of that kind; it holds the token of the session."""

COMPLETE_MEMBER_LISTS: typing.Final = LISTS[MEMBERS]

# SPDX-License-Identifier: BSD-3-Clause
"""Direct message channels of the bot."""

from __future__ import annotations

__all__ = ["DMChannelCache"]

import contextlib
import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc
from sake import errors

from .._client.application import asking_discord
from .._client.client import ResourceClient
from .._client.events import on
from .._model import models
from .._model import people
from .._model.codec import Payload
from .._model.codec import nested
from .._model.draft import Draft
from .._model.expiry import to_lifetime
from .._model.kinds import DM_CHANNELS
from .._model.kinds import DM_CHANNELS_BY_USER
from .._model.kinds import Kinds
from . import stores

_BOT_DM: typing.Final = 1
"""Where an interaction happened: in the channel of its user and the bot, not in one of two other users."""


class DMChannelCache(ResourceClient, abc.DMChannelCache):
    """Redis implementation of [sake.abc.DMChannelCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (DM_CHANNELS, DM_CHANNELS_BY_USER)

    def with_dm_channel_expire(self, expire: abc.ExpireT, /) -> typing_extensions.Self:
        """Set how long direct message channels are kept after they were last used.

        Parameters
        ----------
        expire : sake.abc.ExpireT
            Seconds, with millisecond precision, or a time delta. Infinity and NaN mean for ever, [None][] goes back to
            the default: `default_expire` if it was given, else a week.

        Returns
        -------
        Self
            The client, to chain calls.

        Raises
        ------
        ValueError
            If it is not positive.
        TypeError
            If it is neither seconds, a time delta nor [None][].
        """
        self._lifetimes.set(DM_CHANNELS, expire)
        self._lifetimes.set(DM_CHANNELS_BY_USER, expire)
        return self

    @on("INTERACTION_CREATE")
    def _plan_dm_channel(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        channel, user = nested(payload, "channel"), nested(payload, "user")
        is_own = channel.get("type") == hikari.ChannelType.DM and payload.get("context", _BOT_DM) == _BOT_DM
        if is_own and people.is_whole(user):
            _put(draft, {**channel, "recipients": [user]})

    @typing_extensions.override
    async def clear_dm_channels(self) -> None:
        await stores.clear(self._engine(), DM_CHANNELS)
        await stores.clear(self._engine(), DM_CHANNELS_BY_USER)

    @typing_extensions.override
    async def delete_dm_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        engine, channel = self._engine(), stores.text(channel_id)
        data = await stores.find(engine, DM_CHANNELS, "", channel)
        if data is None:
            return

        users: list[str] = []
        with contextlib.suppress(errors.InvalidDataFound):
            users.append(_user_of(engine.codec.load(data, f"{DM_CHANNELS.name} {channel}")))

        def describe(draft: Draft) -> None:
            draft.drop(DM_CHANNELS, "", channel)
            for user in users:
                draft.drop(DM_CHANNELS_BY_USER, "", user)

        await stores.write(engine, describe)

    @typing_extensions.override
    async def get_dm_channel(self, channel_id: hikari.Snowflakeish, /) -> hikari.DMChannel:
        return await stores.get(self._engine(), DM_CHANNELS, "", stores.text(channel_id))

    @typing_extensions.override
    async def get_dm_channel_for_user(self, user_id: hikari.Snowflakeish, /) -> hikari.DMChannel:
        engine, user = self._engine(), stores.text(user_id)
        data = await stores.find(engine, DM_CHANNELS_BY_USER, "", user)
        if data is None:
            error_message = f"No direct message channel with user {user} is stored"
            raise errors.EntryNotFound(error_message)

        place = engine.codec.load(data, f"{DM_CHANNELS_BY_USER.name} {user}")
        return await stores.get(engine, DM_CHANNELS, "", str(place["id"]))

    @typing_extensions.override
    async def get_dm_channels(
        self, channel_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.DMChannel]:
        return await stores.get_many(self._engine(), DM_CHANNELS, "", channel_ids)

    @typing_extensions.override
    async def fetch_dm_channel(self, user_id: hikari.Snowflakeish, /) -> hikari.DMChannel:
        user = hikari.Snowflake(stores.text(user_id))
        return await self._engine().flights.join((DM_CHANNELS.name, user), lambda: self._obtain_dm_channel(user))

    async def _obtain_dm_channel(self, user_id: hikari.Snowflake, /) -> hikari.DMChannel:
        with contextlib.suppress(errors.EntryNotFound, errors.InvalidDataFound):
            return await self.get_dm_channel_for_user(user_id)

        what = f"A direct message channel with user {user_id}"
        with asking_discord(what):
            try:
                channel = await self.app.rest.create_dm_channel(user_id)
            except (hikari.BadRequestError, hikari.ForbiddenError, hikari.NotFoundError) as exc:
                error_message = f"{what} is not stored, and Discord makes none ({type(exc).__name__}: {exc})"
                raise errors.EntryNotFound(error_message, exception=exc) from exc

        # The channel is there for the caller whether or not the server has it yet.
        with contextlib.suppress(errors.BackendError):
            await self.set_dm_channel(channel)

        return channel

    @typing_extensions.override
    def iter_dm_channels(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.DMChannel]:
        return stores.iter_all(self._engine, DM_CHANNELS, window_size)

    async def set_dm_channel(self, channel: Payload | hikari.DMChannel, /, *, expire_time: abc.ExpireT = None) -> None:
        """Store a direct message channel, in place of what was stored of it.

        Parameters
        ----------
        channel : collections.Mapping[str, typing.Any] | hikari.DMChannel
            The channel as Discord sends it through REST, or the model that hikari made of that. It is not changed.
        expire_time : sake.abc.ExpireT
            How long to keep it: seconds, with millisecond precision, or a time delta. Infinity and NaN mean for ever,
            [None][] means as long as all direct message channels.

        Raises
        ------
        ValueError
            If the payload has no `id`, or its first recipient has none, or the expire time is not positive.
        TypeError
            If what is given is no mapping, or the expire time is neither seconds, a time delta nor [None][].
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The channel is kept and will be written.
        """
        if isinstance(channel, hikari.DMChannel):
            payload = models.dm_channel_payload(channel)
        else:
            payload = dict(stores.as_payload(channel))

        stores.key_of(payload, "id")
        stores.key_of(payload, "recipients")
        stores.key_of(payload["recipients"][0], "id")
        lifetime = to_lifetime(expire_time, "expire_time")
        await stores.write(self._engine(), lambda draft: _put(draft, payload, lifetime))


def _put(draft: Draft, channel: dict[str, typing.Any], lifetime: int | None = None, /) -> None:
    entity = str(channel["id"])
    draft.put(DM_CHANNELS, "", entity, channel, lifetime)
    draft.put(DM_CHANNELS_BY_USER, "", _user_of(channel), {"id": entity}, lifetime)


def _user_of(channel: Payload, /) -> str:
    return str(channel["recipients"][0]["id"])

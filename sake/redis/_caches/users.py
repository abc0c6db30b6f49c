# SPDX-License-Identifier: BSD-3-Clause
"""Users, from wherever Discord sends them whole, and the bot's own user."""

from __future__ import annotations

__all__ = ["UserCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from .._client.client import ResourceClient
from .._client.events import on
from .._model import people
from .._model.codec import Payload
from .._model.codec import nested
from .._model.draft import Draft
from .._model.expiry import to_lifetime
from .._model.kinds import ME
from .._model.kinds import USERS
from .._model.kinds import Kinds
from . import stores

_ME: typing.Final = "me"
_WITH_THIN_USERS: typing.Final = ("emojis", "stickers")
"""Lists whose users lack fields that users have elsewhere."""


class UserCache(ResourceClient, abc.MeCache, abc.UserCache):
    """Redis implementation of [sake.abc.UserCache][] and [sake.abc.MeCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (USERS, ME)

    def with_user_expire(self, expire: abc.ExpireT, /) -> typing_extensions.Self:
        """Set how long users are kept after they were last received.

        Parameters
        ----------
        expire : sake.abc.ExpireT
            Seconds, with millisecond precision, or a time delta. Infinity and NaN mean for ever, [None][] goes back to
            the default: `default_expire` if it was given, else an hour.

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
        self._lifetimes.set(USERS, expire)
        return self

    @on("READY")
    def _plan_own_user(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        user = payload["user"]
        draft.put(ME, "", _ME, user)
        self._lay_users(draft, [user])

    @on("USER_UPDATE")
    def _plan_own_user_update(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.put(ME, "", _ME, dict(payload))
        self._lay_users(draft, [dict(payload)])

    @on("GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "GUILD_BAN_ADD", "GUILD_BAN_REMOVE")
    def _plan_user(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put(draft, payload.get("user"))

    @on("VOICE_STATE_UPDATE", "TYPING_START", "MESSAGE_REACTION_ADD")
    def _plan_user_of_member(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put(draft, nested(payload, "member").get("user"))

    @on("GUILD_CREATE", "GUILD_UPDATE", "GUILD_EMOJIS_UPDATE", "GUILD_STICKERS_UPDATE")
    def _plan_thin_users(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        for name in _WITH_THIN_USERS:
            self._lay_users(draft, people.of(payload.get(name) or ()))

    @on("GUILD_CREATE")
    def _plan_users_of_scheduled_events(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put_each(draft, people.of(payload.get("guild_scheduled_events") or (), "creator"))

    @on("GUILD_CREATE", "GUILD_MEMBERS_CHUNK")
    def _plan_users_of_members(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        # After those above: what members carry is all that Discord tells of a user.
        people.put_all_of(draft, payload.get("members") or ())

    @on("MESSAGE_CREATE", "MESSAGE_UPDATE")
    def _plan_users_of_message(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put_each(draft, people.in_message(payload))

    @on("INTERACTION_CREATE")
    def _plan_users_of_interaction(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put_each(draft, people.in_interaction(payload))

    @on("INVITE_CREATE")
    def _plan_users_of_invite(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put_each(draft, people.in_invite(payload))

    @on("INTEGRATION_CREATE", "INTEGRATION_UPDATE")
    def _plan_users_of_integration(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put_each(draft, (payload.get("user"), nested(payload, "application").get("bot")))

    @on("THREAD_MEMBERS_UPDATE")
    def _plan_users_of_thread(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        added = payload.get("added_members") or ()
        people.put_each(draft, (nested(thread_member, "member").get("user") for thread_member in added))

    @on("GUILD_SCHEDULED_EVENT_CREATE", "GUILD_SCHEDULED_EVENT_UPDATE", "GUILD_SCHEDULED_EVENT_DELETE")
    def _plan_user_of_scheduled_event(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        people.put(draft, payload.get("creator"))

    @typing_extensions.override
    async def delete_me(self) -> None:
        await stores.delete(self._engine(), ME, "", _ME)

    @typing_extensions.override
    async def get_me(self) -> hikari.OwnUser:
        return await stores.get(self._engine(), ME, "", _ME)

    async def set_me(self, payload: Payload, /) -> None:
        """Store the bot's own user.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The user as Discord sends it to the bot itself. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The user is kept and will be written.
        """
        stores.key_of(payload, "id")
        await stores.write(self._engine(), lambda draft: draft.put(ME, "", _ME, dict(payload)))

    @typing_extensions.override
    async def clear_users(self) -> None:
        await stores.clear(self._engine(), USERS)

    @typing_extensions.override
    async def delete_user(self, user_id: hikari.Snowflakeish, /) -> None:
        await stores.delete(self._engine(), USERS, "", stores.text(user_id))

    @typing_extensions.override
    async def get_user(self, user_id: hikari.Snowflakeish, /) -> hikari.User:
        return await stores.get(self._engine(), USERS, "", stores.text(user_id))

    @typing_extensions.override
    async def get_users(
        self, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.User]:
        return await stores.get_many(self._engine(), USERS, "", user_ids)

    @typing_extensions.override
    def iter_users(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.User]:
        return stores.iter_all(self._engine, USERS, window_size)

    async def set_user(self, payload: Payload, /, *, expire_time: abc.ExpireT = None) -> None:
        """Store a user, in place of what was stored of them.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The user as Discord sends it. It is not changed.
        expire_time : sake.abc.ExpireT
            How long to keep the user: seconds, with millisecond precision, or a time delta. Infinity and NaN mean for
            ever, [None][] means as long as all users.

        Raises
        ------
        ValueError
            If the payload has no `id`, or the expire time is not positive.
        TypeError
            If what is given is no mapping, or the expire time is neither seconds, a time delta nor [None][].
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The user is kept and will be written.
        """
        user, lifetime = stores.key_of(payload, "id"), to_lifetime(expire_time, "expire_time")
        await stores.write(self._engine(), lambda draft: draft.put(USERS, "", user, dict(payload), lifetime))

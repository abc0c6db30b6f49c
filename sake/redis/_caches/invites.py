# SPDX-License-Identifier: BSD-3-Clause
"""Invites."""

from __future__ import annotations

__all__ = ["InviteCache"]

import contextlib
import datetime
import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc
from sake import errors

from .._client.client import ResourceClient
from .._client.events import on
from .._engine.engine import Engine
from .._model import ids
from .._model import people
from .._model.codec import Payload
from .._model.codec import nested
from .._model.draft import Draft
from .._model.expiry import invite_lifetime
from .._model.expiry import to_lifetime
from .._model.kinds import INVITES
from .._model.kinds import Kinds
from . import stores


class InviteCache(ResourceClient, abc.InviteCache):
    """Redis implementation of [sake.abc.InviteCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (INVITES,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILD_INVITES

    def with_invite_expire(self, expire: abc.ExpireT, /) -> typing_extensions.Self:
        """Set how long invites are kept which never expire themselves.

        Parameters
        ----------
        expire : sake.abc.ExpireT
            Seconds, with millisecond precision, or a time delta. Infinity and NaN mean for ever, [None][] goes back to
            the default: `default_expire` if it was given, else 30 days.

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
        self._lifetimes.set(INVITES, expire)
        return self

    @on("INVITE_CREATE")
    def _plan_invite(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        _put(draft, payload, None)

    @on("INVITE_DELETE")
    def _plan_invite_deleted(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.drop(INVITES, _guild_of(payload), ids.to_code(payload["code"], "code"))

    @typing_extensions.override
    async def clear_invites(self) -> None:
        await stores.clear(self._engine(), INVITES)

    @typing_extensions.override
    async def delete_invite(self, invite_code: str, /) -> None:
        engine, code = self._engine(), ids.to_code(invite_code, "invite_code")
        stored = await stores.find(engine, INVITES, "", code)
        if stored is not None:
            await stores.delete(engine, INVITES, _guild_of_stored(engine, stored, code), code)

    @typing_extensions.override
    async def get_invite(self, invite_code: str, /) -> hikari.InviteWithMetadata:
        return await stores.get(self._engine(), INVITES, "", ids.to_code(invite_code, "invite_code"))

    @typing_extensions.override
    async def get_invites(
        self, invite_codes: collections.Iterable[str], /
    ) -> collections.Mapping[str, hikari.InviteWithMetadata]:
        codes = [ids.to_code(code, "invite_codes") for code in invite_codes]
        return await stores.get_named(self._engine(), INVITES, codes)

    @typing_extensions.override
    def iter_invites(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.InviteWithMetadata]:
        return stores.iter_all(self._engine, INVITES, window_size)

    async def set_invite(self, payload: Payload, /, *, expire_time: abc.ExpireT = None) -> None:
        """Store an invite and the users that it holds, in place of what was stored of them.

        One that has already expired is removed instead.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The invite with its metadata, as Discord sends it. It is not changed.
        expire_time : sake.abc.ExpireT
            How long to keep the invite: seconds, with millisecond precision, or a time delta. Infinity and NaN mean for
            ever, [None][] means until it expires, and as long as all invites if it never does.

        Raises
        ------
        ValueError
            If the payload has no `code` or one that cannot be, or the expire time is not positive.
        TypeError
            If what is given is no mapping, or the expire time is neither seconds, a time delta nor [None][].
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The invite is kept and will be written.
        """
        ids.to_code(stores.key_of(payload, "code"))
        lifetime = to_lifetime(expire_time, "expire_time")

        def describe(draft: Draft) -> None:
            _put(draft, payload, lifetime)
            self._put_users(draft, people.in_invite(payload))

        await stores.write(self._engine(), describe)


def _put(draft: Draft, payload: Payload, lifetime: int | None, /) -> None:
    guild, code = _guild_of(payload), ids.to_code(payload["code"], "code")
    if lifetime is None:
        lifetime = invite_lifetime(payload, datetime.datetime.now(tz=datetime.UTC))
        if lifetime is not None and lifetime <= 0:
            draft.drop(INVITES, guild, code)
            return

    draft.put(INVITES, guild, code, dict(payload), lifetime)


def _guild_of_stored(engine: Engine, stored: bytes, code: str, /) -> str:
    # What cannot be read is removed all the same. Its places in lookup tables go when its guild does.
    with contextlib.suppress(errors.InvalidDataFound, AttributeError):
        guild = _guild_of(engine.codec.load(stored, f"{INVITES.name} {code}"))
        if ids.is_snowflake(guild):
            return guild

    return ""


def _guild_of(payload: Payload, /) -> str:
    return str(payload.get("guild_id") or nested(payload, "guild").get("id") or "")

# SPDX-License-Identifier: BSD-3-Clause
"""Messages."""

from __future__ import annotations

__all__ = ["MessageCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from .._client.client import ResourceClient
from .._client.events import on
from .._model import people
from .._model.codec import Payload
from .._model.draft import Draft
from .._model.expiry import to_lifetime
from .._model.kinds import MESSAGES
from .._model.kinds import Kinds
from . import stores


class MessageCache(ResourceClient, abc.MessageCache):
    """Redis implementation of [sake.abc.MessageCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (MESSAGES,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.ALL_MESSAGES

    def with_message_expire(self, expire: abc.ExpireT, /) -> typing_extensions.Self:
        """Set how long messages are kept after they were created. An update does not prolong it.

        Parameters
        ----------
        expire : sake.abc.ExpireT
            Seconds, with millisecond precision, or a time delta. Infinity and NaN mean for ever, [None][] goes back to
            the default: `default_expire` if it was given, else five minutes.

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
        self._lifetimes.set(MESSAGES, expire)
        return self

    @on("MESSAGE_CREATE")
    def _plan_message(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.put(MESSAGES, "", str(payload["id"]), dict(payload))

    @on("MESSAGE_UPDATE")
    def _plan_message_update(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.patch(MESSAGES, "", str(payload["id"]), payload)

    @on("MESSAGE_DELETE")
    def _plan_message_deleted(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.drop(MESSAGES, "", str(payload["id"]))

    @on("MESSAGE_DELETE_BULK")
    def _plan_messages_deleted(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        for message in payload["ids"]:
            draft.drop(MESSAGES, "", str(message))

    @typing_extensions.override
    async def clear_messages(self) -> None:
        await stores.clear(self._engine(), MESSAGES)

    @typing_extensions.override
    async def delete_message(self, message_id: hikari.Snowflakeish, /) -> None:
        await stores.delete(self._engine(), MESSAGES, "", stores.text(message_id))

    @typing_extensions.override
    async def get_message(self, message_id: hikari.Snowflakeish, /) -> hikari.Message:
        return await stores.get(self._engine(), MESSAGES, "", stores.text(message_id))

    @typing_extensions.override
    async def get_messages(
        self, message_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.Message]:
        return await stores.get_many(self._engine(), MESSAGES, "", message_ids)

    @typing_extensions.override
    def iter_messages(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.Message]:
        return stores.iter_all(self._engine, MESSAGES, window_size)

    async def set_message(self, payload: Payload, /, *, expire_time: abc.ExpireT = None) -> None:
        """Store a message and the users that it holds, in place of what was stored of them.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The message as Discord sends it. It is not changed.
        expire_time : sake.abc.ExpireT
            How long to keep the message: seconds, with millisecond precision, or a time delta. Infinity and NaN mean
            for ever, [None][] means as long as all messages.

        Raises
        ------
        ValueError
            If the payload has no `id`, or the expire time is not positive.
        TypeError
            If what is given is no mapping, or the expire time is neither seconds, a time delta nor [None][].
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The message is kept and will be written.
        """
        message, lifetime = stores.key_of(payload, "id"), to_lifetime(expire_time, "expire_time")

        def describe(draft: Draft) -> None:
            draft.put(MESSAGES, "", message, dict(payload), lifetime)
            self._put_users(draft, people.in_message(payload))

        await stores.write(self._engine(), describe)

    async def update_message(self, payload: Payload, /, *, expire_time: abc.ExpireT = None) -> bool:
        """Lay the fields of a partial message over a stored one.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The fields that changed, and the message's `id`. It is not changed.
        expire_time : sake.abc.ExpireT
            How long to keep the message from now on: seconds, with millisecond precision, or a time delta. Infinity and
            NaN mean for ever, [None][] means for the time it has left.

        Returns
        -------
        bool
            Whether the message is stored. One that is not stays so.

        Raises
        ------
        ValueError
            If the payload has no `id`, or the expire time is not positive.
        TypeError
            If what is given is no mapping, or the expire time is neither seconds, a time delta nor [None][].
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away.
        sake.errors.InvalidDataFound
            If what is stored cannot be read.
        """
        engine = self._engine()
        message, lifetime = stores.key_of(payload, "id"), to_lifetime(expire_time, "expire_time")
        stored = await stores.find(engine, MESSAGES, "", message)
        if stored is None:
            return False

        engine.codec.load(stored, f"message {message}")
        await stores.write(engine, lambda draft: draft.patch(MESSAGES, "", message, payload, None, lifetime))
        return True

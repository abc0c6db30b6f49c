# SPDX-License-Identifier: BSD-3-Clause
"""The bot's own application."""

from __future__ import annotations

__all__ = ["ApplicationCache"]

import asyncio
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
from .._engine.engine import Engine
from .._model import models
from .._model.codec import Payload
from .._model.draft import Draft
from .._model.expiry import to_lifetime
from .._model.kinds import APPLICATIONS
from .._model.kinds import AUTHORIZATIONS
from .._model.kinds import Kinds
from . import stores

_OWN: typing.Final = "own"


class ApplicationCache(ResourceClient, abc.ApplicationCache):
    """Redis implementation of [sake.abc.ApplicationCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (APPLICATIONS, AUTHORIZATIONS)

    def with_application_expire(self, expire: abc.ExpireT, /) -> typing_extensions.Self:
        """Set how long the application is kept before Discord is asked for it again.

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
        self._lifetimes.set(APPLICATIONS, expire)
        self._lifetimes.set(AUTHORIZATIONS, expire)
        return self

    @on("READY")
    def _plan_application_checked(self, payload: Payload, _: Draft, __: hikari.api.GatewayShard, /) -> None:
        # This application has its id and flags only, so it is no replacement for a stored one. But it tells when the
        # bot's token is now that of another application, whose owner is not the stored one.
        if application := payload.get("application"):
            engine = self._engine()
            engine.spawn("sake application check", _forget_others(engine, str(application["id"])))

    @typing_extensions.override
    async def delete_application(self) -> None:
        await stores.write(self._engine(), _drop)

    @typing_extensions.override
    async def get_application(self) -> hikari.Application:
        return await stores.get(self._engine(), APPLICATIONS, "", _OWN)

    @typing_extensions.override
    async def get_authorization_application(self) -> hikari.AuthorizationApplication:
        engine = self._engine()
        fallback, data = await asyncio.gather(
            stores.find(engine, APPLICATIONS, "", _OWN), stores.find(engine, AUTHORIZATIONS, "", _OWN)
        )
        data = data or fallback
        if data is None:
            error_message = "The application is not stored, neither as it is nor as part of an authorization"
            raise errors.EntryNotFound(error_message)

        return engine.codec.build(
            lambda payload: AUTHORIZATIONS.build(engine.factory, payload, ""), data, f"{AUTHORIZATIONS.name} {_OWN}"
        )

    @typing_extensions.override
    async def fetch_application(self) -> hikari.Application:
        return await self._engine().flights.join(APPLICATIONS.name, self._obtain_application)

    @typing_extensions.override
    async def fetch_authorization_application(self) -> hikari.AuthorizationApplication:
        return await self._engine().flights.join(AUTHORIZATIONS.name, self._obtain_authorization)

    async def _obtain_application(self) -> hikari.Application:
        with contextlib.suppress(errors.EntryNotFound, errors.InvalidDataFound):
            return await self.get_application()

        if self.app.rest.token_type is not hikari.TokenType.BOT:
            error_message = "The application is not stored, and only a bot's token can ask Discord for it"
            raise errors.EntryNotFound(error_message)

        with asking_discord("The application"):
            application = await self.app.rest.fetch_application()

        await _keep(self.set_application(application))
        return application

    async def _obtain_authorization(self) -> hikari.AuthorizationApplication:
        with contextlib.suppress(errors.EntryNotFound, errors.InvalidDataFound):
            return await self.get_authorization_application()

        if self.app.rest.token_type is hikari.TokenType.BOT:
            payload = models.application_payload(await self.fetch_application())
            return AUTHORIZATIONS.build(self._engine().factory, payload, "")

        with asking_discord("The application"):
            application = (await self.app.rest.fetch_authorization()).application

        await _keep(self.set_authorization_application(application))
        return application

    async def set_application(
        self, application: Payload | hikari.Application, /, *, expire_time: abc.ExpireT = None
    ) -> None:
        """Store the application, in place of what was stored of it.

        Parameters
        ----------
        application : collections.Mapping[str, typing.Any] | hikari.Application
            The application as Discord sends it through REST, or the model that hikari made of that. It is not changed.
        expire_time : sake.abc.ExpireT
            How long to keep it: seconds, with millisecond precision, or a time delta. Infinity and NaN mean for ever,
            [None][] means as long as was set by `with_application_expire`.

        Raises
        ------
        ValueError
            If the payload has no `id` or no `owner` (those of gateway events have none), or the expire time is not
            positive.
        TypeError
            If what is given is no mapping, or the expire time is neither seconds, a time delta nor [None][].
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The application is kept and will be written.
        """
        if isinstance(application, hikari.Application):
            payload = models.application_payload(application)
        else:
            payload = dict(stores.as_payload(application))

        for name in ("id", "owner"):
            stores.key_of(payload, name)

        lifetime = to_lifetime(expire_time, "expire_time")
        await stores.write(self._engine(), lambda draft: draft.put(APPLICATIONS, "", _OWN, payload, lifetime))

    async def set_authorization_application(
        self, application: Payload | hikari.AuthorizationApplication, /, *, expire_time: abc.ExpireT = None
    ) -> None:
        """Store the application as a process without the bot's token sees it.

        Parameters
        ----------
        application : collections.Mapping[str, typing.Any] | hikari.AuthorizationApplication
            The `application` of what Discord tells about an authorization, or the model that hikari made of it. It is
            not changed.
        expire_time : sake.abc.ExpireT
            How long to keep it: seconds, with millisecond precision, or a time delta. Infinity and NaN mean for ever,
            [None][] means as long as was set by `with_application_expire`.

        Raises
        ------
        ValueError
            If the payload has no `id`, or the expire time is not positive.
        TypeError
            If what is given is no mapping, or the expire time is neither seconds, a time delta nor [None][].
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The application is kept and will be written.
        """
        if isinstance(application, hikari.AuthorizationApplication):
            payload = models.authorization_payload(application)
        else:
            payload = dict(stores.as_payload(application))

        stores.key_of(payload, "id")
        lifetime = to_lifetime(expire_time, "expire_time")
        await stores.write(self._engine(), lambda draft: draft.put(AUTHORIZATIONS, "", _OWN, payload, lifetime))


async def _keep(writing: collections.Awaitable[None], /) -> None:
    # What was fetched is there for the caller whether or not the server has it yet.
    with contextlib.suppress(errors.BackendError):
        await writing


def _drop(draft: Draft, /) -> None:
    draft.drop(APPLICATIONS, "", _OWN)
    draft.drop(AUTHORIZATIONS, "", _OWN)


async def _forget_others(engine: Engine, own: str, /) -> None:
    for kind in (APPLICATIONS, AUTHORIZATIONS):
        data = await stores.find(engine, kind, "", _OWN)
        if data is not None and str(engine.codec.load(data, kind.name)["id"]) != own:
            await stores.write(engine, _drop)
            return

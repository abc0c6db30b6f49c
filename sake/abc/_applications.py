# SPDX-License-Identifier: BSD-3-Clause
"""Interface of the cache of the bot's own application."""

from __future__ import annotations

__all__ = ["ApplicationCache"]

import abc

import hikari

from sake.abc import _base


class ApplicationCache(_base.Resource, abc.ABC):
    """Cache of the bot's own application: whose it is, and what it is called.

    Discord sends no events about it (logging in tells its id and flags only), so it is asked for once by the process
    that needs it first, and kept for all processes until its lifetime is over. What changes meanwhile, such as the
    members of the team that owns it, is seen after that, or at once after `delete_application`.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def delete_application(self) -> None:
        """Remove the application, also as `get_authorization_application` knows it.

        Nothing happens if it is not stored.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_application(self) -> hikari.Application:
        """Get the application.

        Returns
        -------
        hikari.Application
            The stored application.

        Raises
        ------
        sake.errors.EntryNotFound
            If the application is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_authorization_application(self) -> hikari.AuthorizationApplication:
        """Get the application as a process without the bot's token sees it.

        An [Application][hikari.applications.Application] that is stored answers this too, since it tells more.

        Returns
        -------
        hikari.AuthorizationApplication
            The stored application.

        Raises
        ------
        sake.errors.EntryNotFound
            If the application is stored in neither form.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def fetch_application(self) -> hikari.Application:
        """Get the application; if it is not stored, ask Discord for it and store it.

        All who wait for it at the same time share one request, also if that fails.

        Returns
        -------
        hikari.Application
            The application.

        Raises
        ------
        sake.errors.EntryNotFound
            If the application is not stored, and Discord cannot be asked since that takes a bot's token.
        sake.errors.DiscordError
            If the application is not stored, and Discord cannot be reached, or refuses: the message says why.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def fetch_authorization_application(self) -> hikari.AuthorizationApplication:
        """Get the application as a process without the bot's token sees it; if it is not stored, ask Discord for it.

        All who wait for it at the same time share one request, also if that fails.

        Returns
        -------
        hikari.AuthorizationApplication
            The application.

        Raises
        ------
        sake.errors.DiscordError
            If the application is stored in neither form, and Discord cannot be reached, or refuses: the message says
            why.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

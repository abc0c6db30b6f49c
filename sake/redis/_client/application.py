# SPDX-License-Identifier: BSD-3-Clause
"""A REST client in the place of an application, which models can be bound to, and what its errors become."""

from __future__ import annotations

__all__ = ["Application", "asking_discord"]

import contextlib
from collections import abc as collections

import hikari
import typing_extensions

from sake import errors


class Application(hikari.RESTAware):
    """Makes an application of a REST client."""

    __slots__ = ("_rest",)

    def __init__(self, rest: hikari.api.RESTClient, /) -> None:
        self._rest = rest

    @property
    @typing_extensions.override
    def entity_factory(self) -> hikari.api.EntityFactory:
        return self._rest.entity_factory

    @property
    @typing_extensions.override
    def rest(self) -> hikari.api.RESTClient:
        return self._rest

    @property
    @typing_extensions.override
    def http_settings(self) -> hikari.api.HTTPSettings:
        return self._rest.http_settings

    @property
    @typing_extensions.override
    def proxy_settings(self) -> hikari.api.ProxySettings:
        return self._rest.proxy_settings

    @property
    @typing_extensions.override
    def executor(self) -> None:
        return None


@contextlib.contextmanager
def asking_discord(what: str, /) -> collections.Generator[None, None, None]:
    """Make ours of whatever hikari raises where Discord is asked for something, also of an answer it cannot read.

    Raises
    ------
    sake.errors.DiscordError
        If hikari raised something.
    """
    try:
        yield
    except errors.SakeException:
        raise
    except Exception as exc:
        cause = f"{type(exc).__name__}: {exc}"
        error_message = f"{what} is not stored, and Discord cannot be asked for it now ({cause})"
        raise errors.DiscordError(error_message, exception=exc) from exc

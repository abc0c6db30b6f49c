# SPDX-License-Identifier: BSD-3-Clause
"""A REST client in the place of an application, which models can be bound to."""

from __future__ import annotations

__all__ = ["Application"]

import hikari
import typing_extensions


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

# SPDX-License-Identifier: BSD-3-Clause
"""Measures hikari-sake 1.1.2, with its defaults or with `orjson`.

Its package is also called `sake`: run this with the Python of its own environment.
"""

from __future__ import annotations

import typing

import contenders
import jobs
import orjson
import worker

import sake.redis


class _Predecessor(contenders.Contender):
    def __init__(self, url: str, /, **options: typing.Any) -> None:
        super().__init__()
        self._cache = sake.redis.RedisCache(url, self.bot, self.bot.event_manager, **options)

    @property
    def cache(self) -> contenders.Readable:
        return typing.cast("contenders.Readable", self._cache)

    async def open(self) -> None:
        await super().open()
        await self._cache.open()

    async def close(self) -> None:
        await self._cache.close()


async def _measure(order: worker.Order, /) -> jobs.Figures:
    if order.contender == "orjson":
        return await jobs.do(_Predecessor(order.url, dumps=orjson.dumps, loads=orjson.loads), order)

    return await jobs.do(_Predecessor(order.url), order)


if __name__ == "__main__":
    worker.run(_measure)

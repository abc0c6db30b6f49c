# SPDX-License-Identifier: BSD-3-Clause
"""Measures this package: everything cached, in one database."""

from __future__ import annotations

import typing

import contenders
import jobs
import worker

import sake.redis


class _Sake(contenders.Contender):
    def __init__(self, url: str, /) -> None:
        super().__init__()
        self._cache = sake.redis.RedisCache(url, self.bot, self.bot.event_manager, database=0)
        # No event manager: it holds nothing back that is not on the server.
        self._reader = sake.redis.RedisCache(url, self.bot, database=0)

    @property
    def cache(self) -> contenders.Readable:
        return typing.cast("contenders.Readable", self._reader)

    async def open(self) -> None:
        await super().open()
        await self._cache.open()
        await self._reader.open()

    async def settle(self) -> None:
        await super().settle()
        await self._cache.flush()

    async def close(self) -> None:
        await self._reader.close()
        await self._cache.close()


async def _measure(order: worker.Order, /) -> jobs.Figures:
    return await jobs.do(_Sake(order.url), order)


if __name__ == "__main__":
    worker.run(_measure)

# SPDX-License-Identifier: BSD-3-Clause
"""Measures the same reads with nothing but redis-py (`redis`), or nothing but decoding (`decode`)."""

from __future__ import annotations

import typing
import urllib.parse

import contenders
import hikari
import jobs
import orjson
import redis.asyncio
import worker

_KEY: typing.Final = "members"


class _Members:
    """One guild's members, as JSON in a hash."""

    def __init__(self, order: worker.Order, /) -> None:
        guild = orjson.loads(order.read_setup()[-1][1])
        self._factory = contenders.build_bot(hikari.api.CacheComponents.NONE).entity_factory
        self.guild_id = hikari.Snowflake(guild["id"])
        self.payloads = {
            member["user"]["id"]: orjson.dumps({**member, "guild_id": guild["id"]}) for member in guild["members"]
        }

    def build(self, data: bytes, /) -> hikari.Member:
        """Build a model from what the server returned."""
        return self._factory.deserialize_member(orjson.loads(data), guild_id=self.guild_id)


async def _measure_decode(order: worker.Order, /) -> jobs.Figures:
    members = _Members(order)
    payloads = list(members.payloads.values())
    build = members.build
    jobs.freeze()

    async def iterate() -> int:
        count = 0
        for data in payloads:
            build(data)
            count += 1

        return count

    return await jobs.time_iteration(len(payloads), order, iterate)


async def _measure_redis(order: worker.Order, /) -> jobs.Figures:
    members = _Members(order)
    build = members.build
    user_ids = [int(user_id) for user_id in members.payloads]
    path = urllib.parse.unquote(urllib.parse.urlsplit(order.url).path)
    async with redis.asyncio.Redis(unix_socket_path=path) as client:
        for user_id, data in members.payloads.items():
            await client.hset(_KEY, user_id, data)

        async def get(user_id: int, /) -> object:
            return await client.hget(_KEY, str(user_id))

        async def get_many(ids: list[int], /) -> object:
            async with client.pipeline(transaction=False) as pipeline:
                for user_id in ids:
                    pipeline.hget(_KEY, str(user_id))

                return [build(data) for data in await pipeline.execute()]

        return await jobs.time_gets(user_ids, order, get, get_many)


async def _measure(order: worker.Order, /) -> jobs.Figures:
    if order.contender == "decode":
        return await _measure_decode(order)

    return await _measure_redis(order)


if __name__ == "__main__":
    worker.run(_measure)

# SPDX-License-Identifier: BSD-3-Clause
"""The second process of a demo: it only reads. Run with `python -m sake.cli._reader`.

It is told what to do by lines of JSON on standard input, and tells what it does by lines of JSON on standard output. It
ends when it is told to, or when standard input ends. In that case the first process was killed, and this one does what
that cannot do any more: it removes what the demo keeps on a server that is not the demo's own.
"""

from __future__ import annotations

__all__ = ["main"]

import asyncio
import contextlib
import dataclasses
import os
import sys
import threading
import typing
from collections import abc as collections

import hikari
import orjson

import sake
from sake import errors
from sake.cli import _backend
from sake.cli import _comparison
from sake.cli import _load
from sake.cli import _loops

_COUNT_SECONDS: typing.Final = 1.0
_LATE_SECONDS: typing.Final = 0.25
_LONGEST_LINE: typing.Final = 2**31
_READ_SIZE: typing.Final = 1 << 18
_REPORT_SECONDS: typing.Final = 0.25
_STANDARD_INPUT: typing.Final = 0

_Order: typing.TypeAlias = dict[str, typing.Any]


def main() -> int:
    """Do what standard input says.

    Returns
    -------
    int
        The exit code: 1 if the server is away when it has to be there, else 0.
    """
    return _loops.run(_serve(_read_orders()))


async def _serve(orders: collections.AsyncIterator[_Order], /) -> int:
    setup = await anext(orders, None)
    if setup is None:
        return 0

    app = hikari.RESTApp()
    await app.start()
    try:
        async with app.acquire() as rest, sake.RedisCache(**setup["cache"], app=rest) as cache:
            if await _work(cache, rest.entity_factory, orders):
                return 0
    except errors.BackendError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Nobody listens any more; what Python flushes when it ends must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        await app.close()

    if setup["cleans_up"]:
        await _clean_up(setup["cache"]["address"])

    return 1


async def _clean_up(address: str, /) -> None:
    with contextlib.suppress(errors.BackendError):
        async with _backend.Backend(address):
            # What is there is removed now and afterwards, when the server has done the last that it was sent.
            await asyncio.sleep(_LATE_SECONDS)


async def _work(
    cache: sake.RedisCache, factory: hikari.api.EntityFactory, orders: collections.AsyncIterator[_Order], /
) -> bool:
    """Read until there are orders, carry them out, and return whether the end was one of them."""
    comparison = _comparison.Comparison(cache, factory)
    async with _reading(cache):
        order = await anext(orders, None)

    while order is not None:
        if "end" in order:
            return True

        if "guild" in order:
            verdict = await comparison.compare_guild(order["guild"])
        else:
            verdict = await comparison.compare_rest(order["rest"])

        _tell(verdict=dataclasses.asdict(verdict))
        order = await anext(orders, None)

    return False


@contextlib.asynccontextmanager
async def _reading(cache: sake.RedisCache, /) -> collections.AsyncGenerator[None, None]:
    """Read, count and report until something else is to be done."""
    load = _load.Load(cache)
    counts: dict[str, int] = {}
    tasks = [
        asyncio.create_task(load.run(), name="sake demo reads"),
        asyncio.create_task(_count(cache, counts), name="sake demo counts"),
        asyncio.create_task(_report(load, counts), name="sake demo reports"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()

        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

        _tell_load(load, counts)


async def _count(cache: sake.RedisCache, counts: dict[str, int], /) -> None:
    while True:
        with contextlib.suppress(errors.BackendError):
            counts.update(await _load.count(cache))

        await asyncio.sleep(_COUNT_SECONDS)


async def _report(load: _load.Load, counts: dict[str, int], /) -> None:
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        _tell_load(load, counts)


def _tell_load(load: _load.Load, counts: dict[str, int], /) -> None:
    _tell(load={"reads": load.reads, "errors": load.errors, "error": load.error, "counts": counts})


def _tell(**message: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


async def _read_orders() -> collections.AsyncIterator[_Order]:
    stream = asyncio.StreamReader(limit=_LONGEST_LINE)
    # Not every platform has pipes that an event loop can wait for.
    thread = threading.Thread(target=_pump, args=(stream, asyncio.get_running_loop()), daemon=True, name="sake orders")
    thread.start()
    while line := await stream.readline():
        yield orjson.loads(line)


def _pump(stream: asyncio.StreamReader, loop: asyncio.AbstractEventLoop, /) -> None:
    # The loop is closed when the process ends for another reason than the end of its input.
    with contextlib.suppress(RuntimeError):
        while data := os.read(_STANDARD_INPUT, _READ_SIZE):
            loop.call_soon_threadsafe(stream.feed_data, data)

        loop.call_soon_threadsafe(stream.feed_eof)


if __name__ == "__main__":
    sys.exit(main())

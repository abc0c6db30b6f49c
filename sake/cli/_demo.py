# SPDX-License-Identifier: BSD-3-Clause
"""The demo: a bot fills its cache, another process reads it."""

from __future__ import annotations

__all__ = ["Settings", "run"]

import asyncio
import contextlib
import dataclasses
import datetime
import time
import typing
from collections import abc as collections

import hikari

import sake
from sake import errors
from sake.cli import _backend
from sake.cli import _comparison
from sake.cli import _loops
from sake.cli import _monitor
from sake.cli import _queries
from sake.cli import _reader_process
from sake.cli import _truth

if typing.TYPE_CHECKING:
    from sake import testing
    from sake.cli import _screen

_LARGE_THRESHOLD: typing.Final = 250
_MARGIN: typing.Final = datetime.timedelta(hours=1)
"""How much longer than the demo everything is kept, so that all of it can be compared."""

_POLL_SECONDS: typing.Final = 0.05
_PRIVILEGED: typing.Final = hikari.Intents.GUILD_MEMBERS | hikari.Intents.GUILD_PRESENCES
_PRIVILEGED_REFUSED: typing.Final = 4014
_SHOWN_DIFFERENCES: typing.Final = 20
_WITHIN_SECONDS: typing.Final = 120.0
"""Seconds that anything may take which is not limited by an option."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of a demo."""

    cluster: bool
    """Whether it has a Redis Cluster of its own in place of one server."""
    guilds: int
    """Number of guilds."""
    members: int
    """Number of members of all guilds."""
    rate: float
    """Events a second."""
    seconds: float
    """For how long events happen."""
    shards: int
    """Number of shards."""
    seed: int
    """Seed of the world."""
    privileged: bool
    """Whether privileged intents are asked of the real Discord."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Stage:
    """Everything that is there for as long as a demo lasts."""

    cache: sake.RedisCache
    monitor: _monitor.Monitor
    reader: _reader_process.ReaderProcess
    screen: _screen.Screen

    def find_faults(self) -> list[str]:
        """Tell what went wrong on the way."""
        numbers, reader = self.cache.statistics, self.reader
        faults: list[str] = []
        if numbers.skipped:
            faults.append(f"{numbers.skipped} payloads could not be used")

        if numbers.dropped:
            faults.append(f"{numbers.dropped} entries were given up")

        if reader.errors:
            faults.append(f"the second process failed to read {reader.errors} times, at last: {reader.error}")

        if not reader.is_alive:
            faults.append("the second process has ended by itself")

        return faults


def run(settings: Settings, screen: _screen.Screen, /, *, token: str | None, redis_url: str | None) -> int:
    """Run the demo.

    Parameters
    ----------
    settings
        Its options.
    screen
        Where to show it.
    token
        The bot's token for the real Discord; [None][] makes one up.
    redis_url
        The server to use; [None][] starts bundled ones.

    Returns
    -------
    int
        The exit code: 0 if what is stored is right and nothing went wrong, 130 after Ctrl-C, else 1.
    """
    try:
        backend = _backend.Backend(redis_url, cluster=settings.cluster)
        if token is not None:
            return _loops.run(_run_real(settings, screen, backend, token))

        from sake import testing

        screen.say(f"Making up {settings.guilds:,} guilds with {settings.members:,} members")
        world = testing.World(
            seed=settings.seed,
            guilds=settings.guilds,
            members=settings.members,
            shard_count=settings.shards,
            large_threshold=_LARGE_THRESHOLD,
        )
        return _loops.run(_run_loopback(settings, screen, backend, world))
    except KeyboardInterrupt:
        return _loops.INTERRUPTED
    except (errors.SakeException, hikari.HikariError, _reader_process.ReaderError, TimeoutError, ValueError) as error:
        screen.say(f"The demo has failed. {_explain(error)}")
        return 1


def _explain(error: Exception, /) -> str:
    if isinstance(error, hikari.GatewayServerClosedConnectionError) and error.code == _PRIVILEGED_REFUSED:
        return (
            "Discord does not let this application have the privileged intents. Enable the server members and the "
            "presence intent on its page in the developer portal, or try --no-privileged."
        )

    return f"{type(error).__name__}: {error}"


async def _run_loopback(
    settings: Settings, screen: _screen.Screen, backend: _backend.Backend, world: testing.World, /
) -> int:
    from sake import testing

    async with testing.LoopbackDiscord(world, shards=settings.shards, large_threshold=_LARGE_THRESHOLD) as discord:
        bot = discord.bot(cache_settings=_without_cache(), suppress_optimization_warning=True)
        async with _set_up(bot, screen, backend, settings) as stage:
            stage.cache.chunk_on_guild_create(bot)
            async with contextlib.AsyncExitStack() as stack:
                async with stage.monitor.watching():
                    await _fill(stage, discord, stack.enter_async_context(_running(bot)))
                    played = await _play(settings, stage, discord)

                _show_figures(stage, played)
                await _queries.show(stage.cache, screen)
                return await _compare(stage, world)


async def _fill(stage: _Stage, discord: testing.LoopbackDiscord, start: collections.Awaitable[None], /) -> None:
    """Let the bot connect, and wait until everything that it is told then is stored."""
    stage.monitor.phase = "connecting"
    began = time.monotonic()
    await start
    await discord.wait_ready(within=_WITHIN_SECONDS)
    await _settle(stage, discord)
    took = time.monotonic() - began
    stage.screen.say(f"All guilds and their members were received and stored in {took:.1f} s")
    await stage.reader.wait_reading(within=_WITHIN_SECONDS)


async def _play(settings: Settings, stage: _Stage, discord: testing.LoopbackDiscord, /) -> str:
    """Let events happen, wait until all they did is stored, and return how many it were."""
    stage.monitor.phase = "events are happening"
    stage.monitor.forget_lag()
    began = time.monotonic()
    played = await discord.play(duration=settings.seconds, rate=settings.rate)
    took = time.monotonic() - began
    stage.monitor.phase = "settling"
    await _settle(stage, discord)
    # For the last figures.
    await asyncio.sleep(stage.screen.interval)
    count = sum(played.values())
    rate = count / took if played else 0.0
    return f"{count:,} events of {len(played)} kinds happened in {took:.1f} s, {rate:,.0f} a second"


async def _settle(stage: _Stage, discord: testing.LoopbackDiscord, /) -> None:
    """Wait until everything that was sent, and what was requested for it, is stored."""
    await discord.settle(within=_WITHIN_SECONDS)
    await _wait_for_members(stage.cache, discord.world)
    await stage.cache.flush()


async def _wait_for_members(cache: sake.RedisCache, world: testing.World, /) -> None:
    """Wait until the members have been received that were requested."""
    missing = [guild.id for guild in world.guilds.values() if guild.available]
    deadline = asyncio.get_running_loop().time() + _WITHIN_SECONDS
    while missing := [guild for guild in missing if not await cache.is_member_list_complete(int(guild))]:
        if asyncio.get_running_loop().time() > deadline:
            error_message = f"{len(missing)} guilds' members have not been received within {_WITHIN_SECONDS:.0f} s"
            raise TimeoutError(error_message)

        await asyncio.sleep(_POLL_SECONDS)


async def _compare(stage: _Stage, world: testing.World, /) -> int:
    faults = stage.find_faults()
    stage.screen.title("Compared with the truth by the second process, field by field")
    verdict = _comparison.Verdict()
    for guild in world.guilds.values():
        verdict.add(await stage.reader.compare_guild(_truth.of_guild(world, guild)))

    verdict.add(await stage.reader.compare_rest(_truth.of_rest(world)))
    _show_verdict(stage.screen, verdict)
    return _show_faults(stage.screen, faults) or int(bool(verdict.differences))


def _show_figures(stage: _Stage, played: str = "", /) -> None:
    numbers, reader, say = stage.cache.statistics, stage.reader, stage.screen.say
    stage.screen.title("What happened")
    if played:
        say(f"  {played}")

    say(f"  {numbers.events:,} events were stored in {numbers.batches:,} batches, {stage.monitor.describe_lag()}")
    say(f"  the second process has read {reader.reads:,} entities, with {reader.errors} errors")


def _show_verdict(screen: _screen.Screen, verdict: _comparison.Verdict, /) -> None:
    screen.say(f"  {', '.join(f'{number:,} x {kind}' for kind, number in verdict.compared.items())}")
    for note in verdict.notes:
        screen.say(f"  {note}")

    for difference in verdict.differences[:_SHOWN_DIFFERENCES]:
        screen.say(f"  {difference}")

    hidden = len(verdict.differences) - _SHOWN_DIFFERENCES
    if hidden > 0:
        screen.say(f"  and {hidden:,} more")

    total = f"{sum(verdict.compared.values()):,} entities compared"
    screen.say(
        f"{total}: {len(verdict.differences):,} differences" if verdict.differences else f"{total}: no differences"
    )


def _show_faults(screen: _screen.Screen, faults: collections.Sequence[str], /) -> int:
    for fault in faults:
        screen.say(f"Something went wrong: {fault}")

    return int(bool(faults))


async def _run_real(settings: Settings, screen: _screen.Screen, backend: _backend.Backend, token: str, /) -> int:
    intents = sake.RedisCache.all_intents()
    bot = hikari.GatewayBot(
        token,
        banner=None,
        cache_settings=_without_cache(),
        intents=intents if settings.privileged else intents & ~_PRIVILEGED,
        logs=None,
        suppress_optimization_warning=True,
    )
    async with _set_up(bot, screen, backend, settings) as stage:
        if settings.privileged:
            stage.cache.chunk_on_guild_create(bot)

        async with stage.monitor.watching():
            stage.monitor.phase = "connecting"
            async with _running(bot):
                stage.monitor.phase = "connected, Ctrl-C ends it"
                await _watch(bot, settings.seconds)

        await stage.cache.flush()
        _show_figures(stage)
        await _queries.show(stage.cache, screen)
        return _show_faults(screen, stage.find_faults())


async def _watch(bot: hikari.GatewayBot, seconds: float, /) -> None:
    """Wait until the time is over, Ctrl-C, or the bot's end."""
    over = asyncio.create_task(_loops.until_interrupted(seconds), name="sake demo end")
    left = asyncio.create_task(bot.join(), name="sake demo bot")
    try:
        done, _ = await asyncio.wait((over, left), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (over, left):
            task.cancel()

        await asyncio.gather(over, left, return_exceptions=True)


@contextlib.asynccontextmanager
async def _set_up(
    bot: hikari.GatewayBot, screen: _screen.Screen, backend: _backend.Backend, settings: Settings, /
) -> collections.AsyncGenerator[_Stage, None]:
    kept = datetime.timedelta(seconds=settings.seconds) + _MARGIN
    async with backend:
        cache = sake.RedisCache(
            backend.url, bot, bot.event_manager, database=backend.database, namespace=backend.namespace
        )
        cache.with_message_expire(kept).with_user_expire(kept)
        reader = _reader_process.ReaderProcess(
            cleans_up=backend.is_given, address=backend.url, database=backend.database, namespace=backend.namespace
        )
        async with cache, reader:
            yield _Stage(cache, _monitor.Monitor(screen, backend, cache, reader), reader, screen)


@contextlib.asynccontextmanager
async def _running(bot: hikari.GatewayBot, /) -> collections.AsyncGenerator[None, None]:
    try:
        await bot.start(check_for_updates=False)
        yield
    finally:
        if bot.is_alive:
            await bot.close()


def _without_cache() -> hikari.impl.CacheSettings:
    return hikari.impl.CacheSettings(components=hikari.api.CacheComponents.NONE)

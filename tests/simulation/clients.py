# SPDX-License-Identifier: BSD-3-Clause
"""Bots with a cache each, and every call of one: what it may raise, and how long it may take."""

from __future__ import annotations

import asyncio
import contextlib
import typing
from collections import abc as collections
from collections import deque

import hikari
from _support import adversary
from _support import gateway

import sake
import sake.redis
from simulation import events as events_
from simulation import loop as loop_

if typing.TYPE_CHECKING:
    from simulation import world as world_

LIMITS: typing.Final = {
    "open": 17.0,
    "close": 12.0,
    "flush": 17.0,
    "write": 17.0,
    "read": 1.25,
    "iterate": 17.0,
}
"""Seconds that a call may take: the documented time, and a little."""

_SLOWNESS: typing.Final = 6.0
"""How much longer everything but reading may take on a slow link."""

Work = collections.Callable[[typing.Any], collections.Coroutine[typing.Any, typing.Any, typing.Any]]


class CallCancelled(Exception):  # noqa: N818 - nothing went wrong
    """The story cancelled the call."""


class Client:
    """One process: a bot, and its cache."""

    def __init__(
        self, world: world_.World, name: str, cls: type[typing.Any], *, is_fed: bool, lag: float = 0.0
    ) -> None:
        self.name = name
        self.host = f"{name} {world.number_of_processes()}"
        self.context = loop_.on_host(self.host)
        self._readies = 0
        self.is_fed = is_fed
        self.is_open = False
        self.is_busy = False
        """Whether it is being opened or closed."""
        self.seen: dict[events_.Beacon, int] = {}
        """How new the newest answer about each beacon was at least."""
        self._cls = cls
        self._lag = lag
        self._inbox: deque[tuple[float, world_.Telling]] = deque()
        self._killed: asyncio.Future[None] = world.loop.create_future()
        self._world = world
        self.bot = self.context.run(gateway.make_bot)
        self._feed = gateway.Feed(self.bot, gateway.Shard())
        setup = world.story.setup
        options: dict[str, typing.Any] = {
            "default_expire": 20_000,
            "database": setup.database,
            "max_connections_per_db": setup.connections,
        }
        if setup.backlog_limit is not None:
            options["backlog_limit"] = setup.backlog_limit
        self.cache: typing.Any = self.context.run(
            lambda: cls(world.stage.address, self.bot, self.bot.event_manager if is_fed else None, **options)
        )
        for index, database in setup.overrides:
            self.cache.with_index_override(sake.redis.ResourceIndex[index], override=database)

    def again(self) -> Client:
        """Return the same bot in a new process."""
        return Client(self._world, self.name, self._cls, is_fed=self.is_fed, lag=self._lag)

    def receive(self, telling: world_.Telling) -> None:
        """Let an event arrive, in its order, as soon as the bot is there and not behind."""
        loop = self._world.loop
        self._inbox.append((loop.time() + self._lag, telling))
        loop.call_at(loop.time() + self._lag + 0.000_01, self.pump, context=self.context)

    @property
    def is_behind(self) -> bool:
        """Whether something has not arrived yet."""
        return bool(self._inbox)

    def pump(self) -> None:
        """Give the bot what is due."""
        now = self._world.loop.time()
        while self._inbox and self._inbox[0][0] <= now and self.is_open and not self.is_busy:
            _, telling = self._inbox.popleft()
            payload = events_.copy_of(telling.payload)
            if telling.name == "READY" and self._world.is_rolling:
                self._readies += 1
                payload["session_id"] = f"{self.host} {self._readies}"
                if self._readies > len(adversary.SHARDS):
                    self._world.lost("who is behind hears of messages after it has left the shard")
            self._feed(telling.name, payload, shard=telling.shard)
            self._world.told(self, telling, payload)

    def kill(self) -> None:
        """End the process, in the middle of whatever it does."""
        self._tell_of_end()
        self._world.loop.kill(self.host)
        for link in self._world.network.links_of(self.host):
            link.vanish()
        self.is_open = self.is_busy = False
        self._killed.set_result(None)

    def _tell_of_end(self) -> None:
        if self.is_fed and self._world.is_rolling:
            self._world.lost("a shard was left, and whoever had it before has not heard of it yet")

    @property
    def is_killed(self) -> bool:
        """Whether its process was ended."""
        return self._killed.done()

    async def open(self) -> None:
        """Open the cache, as often as it takes; errors are looked at."""
        if self.is_open or self.is_busy:
            return
        self.is_busy = True
        for _ in range(30):
            if self.is_killed:
                return
            with contextlib.suppress(sake.BackendError, CallCancelled):
                await self.call("open", "open", lambda cache: cache.open())
                self.is_open = True
                break
            await asyncio.sleep(1.0)
        self.is_busy = False
        self.pump()

    async def close(self, cancel: float | None = None) -> None:
        """Close the cache; if that is cancelled, once more."""
        if not self.is_open or self.is_busy:
            return
        self._tell_of_end()
        self.is_busy = True
        with contextlib.suppress(CallCancelled):
            await self.call("close", "close", lambda cache: cache.close(), cancel=cancel)
        if cancel is not None:
            with contextlib.suppress(CallCancelled):
                await self.call("close", "close", lambda cache: cache.close())
        self.is_open = self.is_busy = False

    async def call(self, label: str, limit: str, work: Work, *, cancel: float | None = None) -> typing.Any:
        """Call the cache and return the answer.

        Raises
        ------
        sake.SakeException, ValueError
            Whatever the cache raised, as far as it may.
        CallCancelled
            If it was cancelled, or went on for ever.
        """
        world = self._world
        began, was_well = world.loop.time(), world.is_well(5.0)
        seconds = LIMITS[limit] * (_SLOWNESS if world.is_slow and "read" not in limit else 1.0)
        world.trace.note(self.name, label, "begins")
        task = world.loop.create_task(work(self.cache), context=self.context, name=f"{self.name} {label}")
        if cancel is not None:
            world.loop.call_later(cancel, task.cancel)
        done, _ = await asyncio.wait({task, self._killed}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self.is_killed:
            raise CallCancelled
        if not done:
            world.fail(f"{limit} takes too long", f"{self.name}: {label} is not done after {seconds} s")
            world.give_up(task)
            raise CallCancelled
        outcome = "cancelled" if task.cancelled() else type(task.exception()).__name__
        world.trace.note(self.name, label, outcome)
        if task.cancelled():
            if cancel is None:
                world.fail("cancelled by itself", f"{self.name}: {label}")
            raise CallCancelled
        exc = task.exception()
        if exc is None:
            return task.result()
        if isinstance(exc, ValueError) and "odd" in label:
            raise exc
        if not isinstance(exc, sake.SakeException):
            world.fail(f"raises {type(exc).__name__}", f"{self.name}: {label}: {exc!r}", exc)
            raise CallCancelled from exc
        if isinstance(exc, sake.BackendError) and was_well and world.is_well(5.0):
            world.fail("raises while the server is well", f"{self.name}: {label}: {exc}", exc)
        if isinstance(exc, sake.ClosedClient) and self.is_open and not self.is_busy and world.loop.time() == began:
            world.fail("closed though open", f"{self.name}: {label}")
        raise exc


def cache_class(names: tuple[str, ...]) -> type[typing.Any]:
    """Make a cache of some classes."""
    bases = tuple(getattr(sake.redis, name) for name in names)
    return bases[0] if len(bases) == 1 else type("Cache", bases, {"__slots__": ()})


def has(cache: object, method: str) -> bool:
    """Return whether a cache has a method, which depends on what it is made of."""
    return hasattr(cache, method)


def stamp_of(model: typing.Any) -> str:
    """Return what an entity of the square or a beacon shows."""
    if isinstance(model, hikari.Member):
        return str(model.nickname)
    if isinstance(model, hikari.MemberPresence):
        return model.activities[0].name
    if isinstance(model, hikari.VoiceState):
        return model.session_id
    if isinstance(model, hikari.Message):
        return str(model.content)
    return str(model.name)

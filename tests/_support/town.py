# SPDX-License-Identifier: BSD-3-Clause
"""A bot in guilds that are spread over the nodes of a cluster, and another client that sees what arrives."""

from __future__ import annotations

import asyncio
import contextlib
import time
import typing
from collections import abc as collections

import hikari

import sake
import sake.redis
from sake import testing

from . import gateway
from . import keys
from . import own_cluster
from . import own_server

Payload = dict[str, typing.Any]

ROLES: typing.Final = 3
_NOTHING_ELSE: typing.Final[dict[str, list[Payload]]] = {
    name: [] for name in ("channels", "emojis", "members", "presences", "stickers", "threads", "voice_states")
}
_PAUSE: typing.Final = 0.02
_SECONDS: typing.Final = 30.0


class Town:
    """A bot in some guilds, each with three roles, which are renamed again and again."""

    def __init__(self, cluster: own_cluster.OwnCluster, guilds: int, **options: typing.Any) -> None:
        self._make = testing.Payloads(seed=1)
        self._renamed = 0
        bot = gateway.make_bot()
        self.cache = sake.redis.RedisCache(cluster.url, bot, bot.event_manager, **options)
        self.cluster = cluster
        self.feed = gateway.Feed(bot, gateway.Shard())
        self.guilds = [number << 22 for number in range(1, guilds + 1)]
        self.names: dict[tuple[int, int], str] = {}
        """What each role of each guild was called last."""
        self.other = sake.redis.RedisCache(cluster.url, bot.rest)

    async def __aenter__(self) -> typing.Self:
        await self.cache.open()
        await self.other.open()
        try:
            for guild in self.guilds:
                self.join(guild)
            await self.cache.flush()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cache.close()
        await self.other.close()

    def at(self, node: own_cluster.Node) -> list[int]:
        """Return the guilds that a node has."""
        primary_of = self.cluster.primaries_by_key()
        return [guild for guild in self.guilds if primary_of(keys.in_guild("role", guild)) is node]

    def roles(self, guild: int) -> list[int]:
        """Return the ids of a guild's roles."""
        return [guild + number for number in range(1, ROLES + 1)]

    def join(self, guild: int) -> None:
        """Let the bot receive a guild."""
        roles = [self._make.role(id=str(role), name="name 0") for role in self.roles(guild)]
        self.names |= {(guild, role): "name 0" for role in self.roles(guild)}
        self.feed("GUILD_CREATE", self._make.guild(id=str(guild), roles=roles, **_NOTHING_ELSE))

    def ready(self, guilds: collections.Iterable[int]) -> None:
        """Let the shard be ready, and hear which guilds it has."""
        stubs = [{"id": str(guild), "unavailable": True} for guild in guilds]
        self.feed("READY", {**testing.World(guilds=1, members=2).ready(), "guilds": stubs})

    def leave(self, guild: int) -> None:
        """Let the bot leave a guild."""
        self.names = {place: name for place, name in self.names.items() if place[0] != guild}
        self.feed("GUILD_DELETE", {"id": str(guild)})

    def rename(self, guild: int, role: int) -> str:
        """Let a role be renamed."""
        self._renamed += 1
        name = self.names[guild, role] = f"name {self._renamed}"
        payload = self._make.role(id=str(role), name=name)
        self.feed("GUILD_ROLE_UPDATE", {"guild_id": str(guild), "role": payload})
        return name

    def rename_all(self) -> None:
        """Let all roles be renamed."""
        for guild, role in self.names:
            self.rename(guild, role)

    async def arrives(self, guild: int, role: int, name: str) -> float:
        """Wait until the other client sees a name or a later one, and return how many seconds that took."""
        begun = time.monotonic()
        while time.monotonic() - begun < _SECONDS:
            with contextlib.suppress(sake.SakeException):
                found = await self.other.get_role(role, guild_id=guild)
                if int(found.name.rpartition(" ")[2]) >= int(name.rpartition(" ")[2]):
                    return time.monotonic() - begun
            await asyncio.sleep(0.003)

        error_message = f"{name} did not arrive"
        raise TimeoutError(error_message)

    @contextlib.asynccontextmanager
    async def busy(self, guilds: collections.Sequence[int]) -> collections.AsyncIterator[list[float]]:
        """Let roles of some guilds be renamed all the time; give how many seconds each took to be seen by others."""
        lags: list[float] = []
        over = asyncio.Event()

        async def rename() -> None:
            async with asyncio.TaskGroup() as group:
                while not over.is_set():
                    guild = guilds[self._renamed % len(guilds)]
                    role = self.roles(guild)[self._renamed % ROLES]
                    group.create_task(see(guild, role, self.rename(guild, role)))
                    await asyncio.sleep(_PAUSE)

        async def see(guild: int, role: int, name: str) -> None:
            lags.append(await self.arrives(guild, role, name))

        task = asyncio.create_task(rename())
        try:
            yield lags
        finally:
            over.set()
            await task

    async def settled(self) -> None:
        """Wait until all is written and copied."""
        await self.caught_up()
        await own_server.eventually(self.cluster.copied)

    async def caught_up(self) -> None:
        """Wait until all is written."""
        while True:
            with contextlib.suppress(sake.BackendError):
                await self.cache.flush()
                return
            await asyncio.sleep(0.02)

    async def complete(self, guilds: collections.Collection[int] | None = None) -> None:
        """Wait until others see what each role (of some guilds) was called last, and nothing else.

        A node that was away and comes back may be replaced only then, and what it had is written once more.
        """
        deadline = time.monotonic() + _SECONDS
        while wrong := await self._wrong(guilds):
            assert time.monotonic() < deadline, f"what is stored, and what it should be: {wrong}"
            await asyncio.sleep(_PAUSE)

    async def _wrong(self, guilds: collections.Collection[int] | None) -> dict[typing.Any, typing.Any]:
        """Return what others see of roles, and what they should."""
        await self.caught_up()
        try:
            stored = await self.stored()
        except sake.BackendError as exc:
            return {"all": exc}

        places = {place for place in stored.keys() | self.names if guilds is None or place[0] in guilds}
        both = {place: (stored.get(place), self.names.get(place)) for place in places}
        return {place: names for place, names in both.items() if names[0] != names[1]}

    async def stored(self) -> dict[tuple[int, int], str]:
        """Return what each role of each guild is called, as the other client sees it."""
        found = [role async for role in self.other.iter_roles()]
        assert len({role.id for role in found}) == len(found), "something is there twice"
        return {(int(role.guild_id), int(role.id)): role.name for role in found}

    async def own_view(self) -> dict[tuple[int, int], str]:
        """Return what the bot itself sees when it asks for each role by its id alone."""
        found: dict[tuple[int, int], str] = {}
        for _, role in self.names:
            known = await self.cache.get_role(hikari.Snowflake(role))
            found[int(known.guild_id), role] = known.name
        return found

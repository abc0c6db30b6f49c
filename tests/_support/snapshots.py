# SPDX-License-Identifier: BSD-3-Clause
"""Everything that hikari's cache and sake's hold, as plain data that can be compared."""

from __future__ import annotations

import asyncio
import dataclasses
import typing
from collections import abc as collections

import hikari
import pytest

import sake.redis
from _support import models
from sake import _names
from sake import abc
from sake import errors

Found = dict[typing.Any, typing.Any]
"""Id → fields."""


@dataclasses.dataclass(frozen=True)
class GuildKind:
    """How to ask both caches for the entities of a kind that live in guilds."""

    called: _names.Name
    key: str = "id"
    by_id_alone: bool = True
    by_channel: str | None = None

    @property
    def name(self) -> str:
        return self.called.plural

    @property
    def iterator(self) -> str:
        return self.called.iter_all

    @property
    def getter(self) -> str:
        return self.called.get

    @property
    def view_for_guild(self) -> str | None:
        return None if self.called is _names.CHANNEL else f"get_{self.called.list}_view_for_guild"


GUILD_KINDS: typing.Final = (
    GuildKind(_names.CHANNEL),
    GuildKind(_names.EMOJI),
    GuildKind(_names.MEMBER, by_id_alone=False),
    GuildKind(_names.PRESENCE, "user_id", by_id_alone=False),
    GuildKind(_names.ROLE),
    GuildKind(_names.STICKER),
    GuildKind(_names.THREAD, by_channel="parent_id"),
    GuildKind(_names.VOICE_STATE, "user_id", by_id_alone=False, by_channel="channel_id"),
)

Expectation = dict[str, Found]
"""Kind → id → fields; the ids of kinds that live in guilds are (guild id, id)."""


def of_hikari(cache: hikari.api.Cache, guild_ids: collections.Iterable[int], /) -> Expectation:
    """Return what hikari's cache holds."""
    me = cache.get_me()
    found: Expectation = {
        "me": {} if me is None else {"me": models.plain(me)},
        "guilds": {int(guild): models.plain(model) for guild, model in cache.get_guilds_view().items()},
        "unavailable": {int(guild): {} for guild in cache.get_unavailable_guilds_view()},
        "invites": {code: models.plain(model) for code, model in cache.get_invites_view().items()},
        "messages": {int(message): models.plain(model) for message, model in cache.get_messages_view().items()},
    }
    for kind in GUILD_KINDS:
        entities = found[kind.name] = {}
        if kind.view_for_guild is None:
            for channel in cache.get_guild_channels_view().values():
                entities[int(channel.guild_id), int(channel.id)] = models.plain(channel)
        else:
            view = getattr(cache, kind.view_for_guild)
            for guild in guild_ids:
                for entity, model in view(guild).items():
                    entities[guild, int(entity)] = models.plain(model)

    return found


@dataclasses.dataclass
class Comparison:
    """Asks a cache for everything that is expected of it, in every way there is."""

    cache: sake.redis.RedisCache
    expected: Expectation
    guild_ids: collections.Sequence[int]
    tolerated: collections.Callable[[str, str, object], bool]
    window_size: int = 1000
    exact_lengths: bool = True
    """Whether every stored thread can be built: `len` counts the others too."""
    differences: list[str] = dataclasses.field(default_factory=list[str])

    async def run(self) -> list[str]:
        """Return what is not as expected, in words."""
        await asyncio.gather(
            self._compare_guilds(),
            self._compare_own_user(),
            self._compare_global("invites", self.cache.iter_invites(window_size=self.window_size), "code"),
            self._compare_global("messages", self.cache.iter_messages(window_size=self.window_size), "id"),
            self._compare_users(),
            *map(self._compare_kind, GUILD_KINDS),
        )
        return self.differences

    async def run_getters(self, absent: collections.Mapping[str, collections.Iterable[typing.Any]], /) -> list[str]:
        """Ask for each entity alone; `absent` are more ids of each kind, which may not be there."""
        lookups = [
            (kind.name, key) for kind in GUILD_KINDS for key in {*self.expected[kind.name], *absent.get(kind.name, ())}
        ]
        lookups += [
            (name, key) for name in ("invites", "messages") for key in {*self.expected[name], *absent.get(name, ())}
        ]
        models_found = await asyncio.gather(*(self._get(name, key) for name, key in lookups))
        for (name, key), found in zip(lookups, models_found, strict=True):
            expected = {key: self.expected[name][key]} if key in self.expected[name] else {}
            self._report(name, f"{name} by id", expected, {} if found is None else {key: found})

        return self.differences

    async def _get(self, name: str, key: typing.Any) -> dict[str, typing.Any] | None:
        kind = next((kind for kind in GUILD_KINDS if kind.name == name), None)
        try:
            if kind is None:
                found = await (self.cache.get_invite(key) if name == "invites" else self.cache.get_message(key))
            elif kind.by_id_alone:
                found = await getattr(self.cache, kind.getter)(key[1])
                hinted = await getattr(self.cache, kind.getter)(key[1], guild_id=key[0])
                self._report(name, f"{name} by id and guild", {key: models.plain(found)}, {key: models.plain(hinted)})
            else:
                found = await getattr(self.cache, kind.getter)(*key)
        except (errors.EntryNotFound, errors.InvalidDataFound):
            return None

        return models.plain(found)

    async def _compare_own_user(self) -> None:
        try:
            found = {"me": models.plain(await self.cache.get_me())}
        except errors.EntryNotFound:
            found = {}
        self._report("me", "me", self.expected["me"], found)

    async def _compare_guilds(self) -> None:
        await self._compare_global("guilds", self.cache.iter_guilds(window_size=self.window_size), "id")
        stored = self.expected["guilds"]
        unavailable = await self.cache.get_unavailable_guild_ids()
        self._report(
            "unavailable",
            "ids of unavailable guilds",
            self.expected["unavailable"],
            {int(guild): {} for guild in unavailable if int(guild) in stored},
        )
        for guild in self.guild_ids:
            try:
                found: object = await self.cache.is_guild_available(guild)
            except errors.EntryNotFound:
                # A guild that is not stored may be known to be unavailable; hikari's cache forgets that.
                found = None
            expected = guild not in self.expected["unavailable"] if guild in stored else None
            if found is not expected and not (expected is None and found is False):
                self.differences.append(f"guild {guild} available: expected {expected}, is {found}")

    async def _compare_users(self) -> None:
        ids = [user for _, user in self.expected["members"]]
        missing = set(ids) - {int(user) for user in await self.cache.get_users(ids)}
        self.differences += [f"user {user} of a stored member is missing" for user in missing]

    async def _compare_global(self, name: str, iterator: collections.AsyncIterator[typing.Any], key: str) -> None:
        found = await _collect(iterator, lambda model: _id(model, key))
        self._report(name, f"all {name}", self.expected[name], found)

    async def _compare_kind(self, kind: GuildKind) -> None:
        expected = self.expected[kind.name]
        iterate = getattr(self.cache, kind.iterator)
        found = await _collect(iterate(window_size=self.window_size), lambda m: (int(m.guild_id), _id(m, kind.key)))
        self._report(kind.name, f"all {kind.name}", expected, found)
        iterate_guild = getattr(self.cache, f"{kind.iterator}_for_guild")
        for guild in self.guild_ids:
            found = await _collect(
                iterate_guild(guild, window_size=self.window_size), lambda m: (int(m.guild_id), _id(m, kind.key))
            )
            here = {key: fields for key, fields in expected.items() if key[0] == guild}
            self._report(kind.name, f"{kind.name} of guild {guild}", here, found)
            if kind.name != "channels":
                await self._compare_length(f"{kind.name} of guild {guild}", len(here), iterate_guild(guild))

        if kind.by_channel is not None:
            await self._compare_channels(kind, kind.by_channel)

    async def _compare_channels(self, kind: GuildKind, field: str) -> None:
        expected = self.expected[kind.name]
        channels = {fields[field] for fields in expected.values()} | {key[1] for key in self.expected["channels"]}
        iterate = getattr(self.cache, f"{kind.iterator}_for_channel")
        for channel in channels:
            found = await _collect(iterate(channel), lambda m: (int(m.guild_id), _id(m, kind.key)))
            here = {key: fields for key, fields in expected.items() if fields[field] == channel}
            self._report(kind.name, f"{kind.name} of channel {channel}", here, found)
            await self._compare_length(f"{kind.name} of channel {channel}", len(here), iterate(channel))

    async def _compare_length(self, where: str, expected: int, iterator: abc.CacheIterator[typing.Any]) -> None:
        length = await iterator.len()
        if length != expected and (self.exact_lengths or length < expected):
            self.differences.append(f"len of {where}: expected {expected}, is {length}")

    def _report(self, kind: str, where: str, expected: Found, found: Found) -> None:
        if expected == found:
            return

        self.differences += [f"{where}: {key} is missing" for key in expected.keys() - found.keys()]
        self.differences += [f"{where}: {key} should not be there" for key in found.keys() - expected.keys()]
        for key in expected.keys() & found.keys():
            for name in expected[key].keys() | found[key].keys():
                wanted, got = expected[key].get(name, "no such field"), found[key].get(name, "no such field")
                if wanted != got and not self.tolerated(kind, name, wanted):
                    self.differences.append(f"{where}: {name} of {key} should be {wanted!r}, is {got!r}")


def _id(model: typing.Any, key: str) -> int | str:
    found = getattr(model, key)
    return found if isinstance(found, str) else int(found)


async def _collect(
    iterator: collections.AsyncIterator[typing.Any], key: collections.Callable[[typing.Any], typing.Any]
) -> Found:
    found: Found = {}
    async for model in iterator:
        where = key(model)
        if where in found:
            pytest.fail(f"{where} was returned twice")
        found[where] = models.plain(model)

    return found

# SPDX-License-Identifier: BSD-3-Clause
"""Odd events by the thousand: nobody else's entity is lost, and nothing is written where nothing belongs.

`SAKE_FUZZ` says how many odd events there are on the bundled server (and a tenth as many texts), `SAKE_FUZZ_SEED` what
the first of them are made of. `nox -s fuzz` does all of it.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import pathlib
import re
import traceback
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import leaks
from _support import odd
from _support import own_server
from _support import samples
from _support import servers

import sake
import sake.redis
from sake import testing

EVENTS: typing.Final = int(os.environ.get("SAKE_FUZZ", "3000"))
TEXTS: typing.Final = EVENTS // 10
SEED: typing.Final = int(os.environ.get("SAKE_FUZZ_SEED", "0"))

_IN_A_BURST: typing.Final = 100
_NEIGHBOURS_IN_A_BURST: typing.Final = 20
_SECONDS: typing.Final = 15.0
_ENTRIES: typing.Final = 12

_PAGE: typing.Final = pathlib.Path(__file__).parents[2] / "docs" / "architecture.md"
_SNOWFLAKE: typing.Final = "[0-9]{1,20}"
_CODE: typing.Final = "[A-Za-z0-9_-]{1,64}"
_SHARD: typing.Final = "(?:[0-9]+-[0-9]+|shards)"

Wanted = dict[str, list[str]]
"""The ids of what must be found, by kind."""

pytestmark = pytest.mark.timeout(120 + EVENTS // 50)


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


@pytest.fixture
def oddities() -> odd.Oddities:
    return odd.Oddities(SEED)


class Scheme:
    """The keys that the documentation names, and what may be in them."""

    def __init__(self) -> None:
        page = _PAGE.read_text(encoding="utf-8")
        table = page.partition("<!-- storage table")[2].partition("<!-- end of storage table")[0]
        found = re.findall(r"^\| (\S+) \|(.*)$", table, re.MULTILINE)
        self._patterns = [
            (form, self._key_of(kind, key), self._entry_of(kind))
            for kind, row in found
            for form, key in re.findall(r"`([A-Z]+) ([^`]+)`", row)
        ]
        assert len(self._patterns) > len(found) > 10

    @staticmethod
    def _entry_of(kind: str) -> str:
        singles = {"invite": _CODE, "me": "me", "application": "own", "authorization": "own", "session": _SHARD}
        singles["writers"] = f"{_SHARD}(?::[0-9a-f]+)?"
        return singles.get(kind, _SNOWFLAKE)

    def _key_of(self, kind: str, key: str) -> str:
        pattern = re.escape(key)
        bucket, entry = "[0-9]{1,5}", self._entry_of(kind)
        placeholders = {"<guild>": _SNOWFLAKE, "<bucket>": bucket, "<shard>": _SHARD, "<id>": entry}
        placeholders["<writer>"] = "[0-9a-f]+"
        for name, ids in placeholders.items():
            pattern = pattern.replace(re.escape(name), ids)
        return pattern

    def fits(self, key: bytes, form: str, entries: collections.Iterable[bytes]) -> bool:
        """Return whether a key of such a form with such entries is one of them."""
        text = key.decode("latin-1")
        for known, pattern, entry in self._patterns:
            if known == form and re.fullmatch(pattern, text, re.ASCII):
                return all(re.fullmatch(entry, name.decode("latin-1"), re.ASCII) for name in entries)
        return False


async def _strangers(raw: redis.asyncio.Redis) -> list[tuple[bytes, str]]:
    scheme = Scheme()
    found: list[tuple[bytes, str]] = []
    async for key in raw.scan_iter(count=1_000):
        form = (await raw.type(key)).decode().upper()
        entries: collections.Iterable[bytes] = ()
        if form == "HASH":
            entries = await raw.hkeys(key)
        elif form == "SET":
            entries = await raw.smembers(key)
        if not scheme.fits(key, form, entries):
            found.append((key, form))
    return found


def _complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged that is no skipped event, and forget what was."""
    found = []
    for record in caplog.get_records("call"):
        text = record.getMessage()
        if record.name.startswith("sake"):
            if "bug" in text or record.levelno > logging.ERROR:
                found.append(text)
        elif record.exc_info and record.exc_info[2] and _is_ours(record.exc_info[2]):
            found.append("".join(traceback.format_exception(record.exc_info[1])))
    caplog.clear()
    return found


def _is_ours(trace: typing.Any) -> bool:
    return any(f"{os.sep}sake{os.sep}redis{os.sep}" in frame.filename for frame in traceback.extract_tb(trace))


async def _found(cache: sake.redis.RedisCache, wanted: Wanted) -> set[str]:
    """Return which of the neighbours another client finds."""
    guild = int(odd.Neighbours.GUILD)
    ids = {kind: [int(id_) for id_ in of_kind] for kind, of_kind in wanted.items()}
    answers: list[collections.Mapping[typing.Any, object]] = [
        await cache.get_members(guild, ids.get("member", ())),
        await cache.get_presences(guild, ids.get("presence", ())),
        await cache.get_roles(ids.get("role", ())),
        await cache.get_guild_channels(ids.get("channel", ())),
        await cache.get_threads(ids.get("thread", ())),
        await cache.get_messages(ids.get("message", ())),
        await cache.get_invites(wanted.get("invite", ())),
    ]
    return {str(id_) for answer in answers for id_ in answer}


class Street:
    """Odd events and sound ones, in bursts, through one bot."""

    def __init__(self, bot: hikari.GatewayBot, oddities: odd.Oddities) -> None:
        self._odd_feed = gateway.Feed(bot, gateway.Shard(0, 2))
        self._oddities = oddities
        self._neighbours = odd.Neighbours()
        self._sound_feed = gateway.Feed(bot, odd.Neighbours.SHARD)

    def burst(self, count: int) -> Wanted:
        """Give so many odd events, and sound ones among them; return the ids of what those store, by kind."""
        wanted: Wanted = {}
        for number in range(count):
            self._odd_feed(*self._oddities.event())
            if number % (_IN_A_BURST // _NEIGHBOURS_IN_A_BURST) == 0:
                kind, id_, event = self._neighbours.event()
                wanted.setdefault(kind, []).append(id_)
                self._sound_feed(*event)
        return wanted

    async def settle(self) -> None:
        """Wait until hikari is done with what it was given."""
        await self._odd_feed.settle()


async def _come(
    what: str, wanted: set[str], find: collections.Callable[[], collections.Awaitable[collections.Set[str]]]
) -> None:
    """Wait until another client finds all that was wanted."""
    missing = wanted
    try:
        async with asyncio.timeout(_SECONDS):
            while True:
                missing = wanted - await find()
                if not missing:
                    return
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(
            f"seed {SEED}, {what}: {len(missing)} of {len(wanted)} neighbours were lost, such as {min(missing)}"
        )


async def _all_found(reader: sake.redis.RedisCache, wanted: Wanted, what: str) -> None:
    await _come(what, {id_ for ids in wanted.values() for id_ in ids}, lambda: _found(reader, wanted))


async def _everything_can_be_iterated(reader: sake.redis.RedisCache) -> None:
    for name, arguments in samples.ITERATORS.items():
        async with asyncio.timeout(_SECONDS):
            await getattr(reader, name)(*arguments)


async def test_odd_events_cost_no_neighbour_and_write_nothing_outside_the_scheme_of_keys(
    server: servers.Server,
    make_cache: typing.Any,
    bot: hikari.GatewayBot,
    oddities: odd.Oddities,
    raw: redis.asyncio.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = await make_cache(database=0)
    reader = await make_cache(fed=False, database=0)
    street = Street(bot, oddities)
    for start in range(0, server.share(EVENTS), _IN_A_BURST):
        what = f"from odd event {start}"
        wanted = street.burst(_IN_A_BURST)
        await street.settle()
        await _all_found(reader, wanted, what)
        assert not (complaints := _complaints(caplog)), (what, complaints[0])
    assert cache.statistics.skipped > 0
    assert cache.statistics.dropped == cache.statistics.failures == 0
    assert await _strangers(raw) == []
    await _everything_can_be_iterated(reader)
    async with asyncio.timeout(_SECONDS):
        await cache.close()


async def test_odd_events_in_an_outage_cost_no_neighbour(
    own: own_server.OwnServer, oddities: odd.Oddities, caplog: pytest.LogCaptureFixture
) -> None:
    bot = gateway.make_bot()
    street = Street(bot, oddities)
    async with (
        sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0) as cache,
        sake.redis.RedisCache(own.url, gateway.make_bot(), database=0) as reader,
    ):
        for start in range(0, max(EVENTS // 10, 2 * _IN_A_BURST), _IN_A_BURST):
            own.kill()
            wanted = street.burst(_IN_A_BURST)
            await street.settle()
            await own_server.eventually(lambda: cache.statistics.is_away)
            own.start()
            await _all_found_again(reader, wanted, f"from odd event {start}")
            assert not (complaints := _complaints(caplog)), complaints[0]
        assert cache.statistics.dropped == 0
        with own.client() as blocking:
            assert all(Scheme().fits(key, *_look(blocking, key)) for key in blocking.scan_iter())


async def _all_found_again(reader: sake.redis.RedisCache, wanted: Wanted, what: str) -> None:
    async with asyncio.timeout(_SECONDS):
        while True:
            try:
                await reader.get_guilds([1])
            except sake.BackendError:
                await asyncio.sleep(0.01)
            else:
                break
    await _all_found(reader, wanted, what)


def _look(client: redis.Redis, key: bytes) -> tuple[str, list[bytes]]:
    form = client.type(key).decode().upper()
    if form == "HASH":
        return form, list(client.hkeys(key))
    return form, list(client.smembers(key)) if form == "SET" else []


@pytest.mark.parametrize("depth", [100, 300, 900, 20_000])
async def test_what_is_nested_deeper_than_can_be_stored_is_skipped_alone(
    make_cache: typing.Any, bot: hikari.GatewayBot, caplog: pytest.LogCaptureFixture, depth: int
) -> None:
    await make_cache(database=0)
    reader = await make_cache(fed=False, database=0)
    feed = gateway.Feed(bot, odd.Neighbours.SHARD)
    make = testing.Payloads(seed=7)
    deep = odd.nested(depth)
    answer = make.message(id="1")
    for _ in range(depth):
        answer = {**make.message(id="2"), "referenced_message": answer} if depth < 1_000 else answer
    feed("MESSAGE_CREATE", make.message(id="5", components=deep))
    feed("MESSAGE_CREATE", answer)
    feed("INTERACTION_CREATE", {"id": "1", "type": 2, "data": {"options": deep, "resolved": deep}})
    feed("GUILD_CREATE", make.guild(id="44", roles=[make.role(id="8"), make.role(id="9", tags=deep)]))
    kind, id_, event = odd.Neighbours().event()
    feed(*event)
    await _all_found(reader, {kind: [id_]}, f"{depth} levels")
    assert set(await reader.get_roles([8])) == {8}
    assert not _complaints(caplog)


async def test_numbers_that_json_does_not_have_harm_nobody(
    make_cache: typing.Any, bot: hikari.GatewayBot, caplog: pytest.LogCaptureFixture
) -> None:
    await make_cache(database=0)
    reader = await make_cache(fed=False, database=0)
    feed = gateway.Feed(bot, odd.Neighbours.SHARD)
    make, guild = testing.Payloads(seed=7), odd.Neighbours.GUILD
    wanted = []
    for number, value in enumerate(odd.NUMBERS):
        feed("GUILD_ROLE_CREATE", {"guild_id": guild, "role": make.role(id=str(2 * number + 2), position=value)})
        feed("GUILD_ROLE_CREATE", {"guild_id": guild, "role": make.role(id=value)})
        feed("GUILD_ROLE_CREATE", {"guild_id": guild, "role": make.role(id=str(2 * number + 1))})
        feed("INVITE_CREATE", {**make.invite(), "max_age": value})
        feed("GUILD_MEMBERS_CHUNK", {"guild_id": guild, "members": [], "chunk_index": value, "chunk_count": value})
        wanted.append(str(2 * number + 1))
    await _all_found(reader, {"role": wanted}, "odd numbers")
    assert not _complaints(caplog)


# Each builds, of a guild's lists, the event that brings one: the name of the list, and the event of its entries.
Lists = dict[str, collections.Callable[[list[typing.Any]], tuple[str, typing.Any]]]
_PLACE: typing.Final = {"guild_id": odd.Neighbours.GUILD}
LISTS: Lists = {
    "roles": lambda entries: ("GUILD_CREATE", _guild(roles=entries)),
    "channels": lambda entries: ("GUILD_CREATE", _guild(channels=entries)),
    "members": lambda entries: ("GUILD_CREATE", _guild(members=entries)),
    "emojis": lambda entries: ("GUILD_EMOJIS_UPDATE", {**_PLACE, "emojis": entries}),
    "stickers": lambda entries: ("GUILD_STICKERS_UPDATE", {**_PLACE, "stickers": entries}),
    "threads": lambda entries: ("THREAD_LIST_SYNC", {**_PLACE, "threads": entries, "members": []}),
    "presences": lambda entries: ("GUILD_CREATE", _guild(presences=entries)),
    "voice_states": lambda entries: ("GUILD_CREATE", _guild(voice_states=entries)),
    "chunk": lambda entries: ("GUILD_MEMBERS_CHUNK", _chunk(entries)),
}


def _guild(**lists: list[typing.Any]) -> dict[str, typing.Any]:
    empty: dict[str, list[typing.Any]] = {name: [] for name in (*LISTS, "stage_instances", "guild_scheduled_events")}
    return {**testing.Payloads(seed=17).guild(id=odd.Neighbours.GUILD), **empty, **lists}


def _chunk(members: list[typing.Any]) -> dict[str, typing.Any]:
    return {**_PLACE, "members": members, "chunk_index": 0, "chunk_count": 1}


def _entries(make: testing.Payloads, name: str) -> list[typing.Any]:
    builders: dict[str, collections.Callable[..., typing.Any]] = {
        "roles": make.role,
        "channels": make.channel,
        "members": make.member,
        "chunk": make.member,
        "emojis": make.emoji,
        "stickers": make.sticker,
        "threads": lambda: make.thread(parent_id="77"),
        "presences": lambda: make.presence(status="idle"),
        "voice_states": lambda: make.voice_state(channel_id="78"),
    }
    return [builders[name]() for _ in range(_ENTRIES)]


def _id(entry: typing.Any) -> str:
    return str(entry.get("id") or entry.get("user_id") or entry["user"]["id"])


async def _listed(reader: sake.redis.RedisCache, name: str, ids: list[str]) -> set[str]:
    guild, numbers = int(odd.Neighbours.GUILD), [int(id_) for id_ in ids]
    match name:
        case "roles":
            found: collections.Mapping[hikari.Snowflake, object] = await reader.get_roles(numbers)
        case "channels":
            found = await reader.get_guild_channels(numbers)
        case "members" | "chunk":
            found = await reader.get_members(guild, numbers)
        case "emojis":
            found = await reader.get_emojis(numbers)
        case "stickers":
            found = await reader.get_stickers(numbers)
        case "threads":
            found = await reader.get_threads(numbers)
        case "presences":
            found = await reader.get_presences(guild, numbers)
        case _:
            found = await reader.get_voice_states(guild, numbers)
    return {str(id_) for id_ in found}


async def test_half_characters_in_an_entry_of_a_list_cost_that_entry_alone(
    server: servers.Server,
    make_cache: typing.Any,
    bot: hikari.GatewayBot,
    oddities: odd.Oddities,
    raw: redis.asyncio.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = await make_cache(database=0)
    reader = await make_cache(fed=False, database=0)
    feed = gateway.Feed(bot, odd.Neighbours.SHARD)
    make = testing.Payloads(seed=SEED)
    texts, names = 0, itertools.cycle(LISTS)
    while texts < server.share(TEXTS):
        name = next(names)
        entries = _entries(make, name)
        spoiled = oddities.sample(_ENTRIES, _ENTRIES // 2)
        sound = [_id(entry) for place, entry in enumerate(entries) if place not in spoiled]
        for place in spoiled:
            entries[place] = oddities.spoil_text(entries[place], oddities.text())
        texts += len(spoiled)
        feed(*LISTS[name](entries))
        await feed.settle()
        find = functools.partial(_listed, reader, name, sound)
        await _come(f"after {texts} texts, in {name}", set(sound), find)
        assert not (complaints := _complaints(caplog)), complaints[0]
    assert cache.statistics.skipped >= texts
    assert cache.statistics.dropped == 0
    assert await _strangers(raw) == []

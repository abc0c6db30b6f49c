# SPDX-License-Identifier: BSD-3-Clause
"""What must hold whenever the server is looked into, and when everything has come to rest."""

from __future__ import annotations

import re
import typing
from collections import abc as collections

from _support import models
from _support import snapshots

import sake
from simulation import clients as clients_
from simulation import events as events_

if typing.TYPE_CHECKING:
    from simulation import world as world_

_STAMP: typing.Final = re.compile(rb"sq\.(\d+)\.(\d+)")
_IGNORED: typing.Final = frozenset({("messages", "is_tts")})
"""What is changed by hand."""

_OF_ONE_FILLER: typing.Final = frozenset({("threads", "member")})
"""What depends on which of two bots comes first: THREAD_MEMBER_UPDATE of a thread that only the other has stored."""

Differences = list[str]


def torn(stamps: collections.Sequence[str], *, may_be_empty: bool) -> str | None:
    """Return what is wrong with a list of the square, if it is not one that was sent."""
    if not stamps:
        return None if may_be_empty else "is empty"
    if len(set(stamps)) > 1:
        return f"is of several times: {sorted(set(stamps))}"
    wanted = int(stamps[0].rpartition(".")[2])
    return None if len(stamps) == wanted else f"has {len(stamps)} of {wanted} entities"


def look_into(data: collections.Mapping[bytes, typing.Any]) -> dict[str, list[str]]:
    """Return the lists of the square in a database: kind → what its entities show."""
    found: dict[str, list[str]] = {}
    prefix, end = b"{%b}:" % events_.SQUARE.encode(), (b"-channel", b"-stale")
    for key, value in data.items():
        where = key.find(prefix)
        name = key[where + len(prefix) :]
        if where < 0 or name.endswith(end) or b":" in name or not hasattr(value, "values"):
            continue
        stamps = [match[0].decode() for entry in value.values() if (match := _STAMP.search(entry))]
        if stamps:
            found[name.decode()] = stamps
    return found


def marked_complete(data: collections.Mapping[bytes, typing.Any], guild: str) -> bool:
    """Return whether a database says that a guild's member list is complete."""
    return any(key.endswith(b"{%b}:member-list" % guild.encode()) and value for key, value in data.items())


def check_server(world: world_.World, server: typing.Any) -> None:
    """Look for half a guild, and for a list that is said to be complete and is not."""
    for index, data in server.databases():
        lists = look_into(data)
        for name, stamps in lists.items():
            if wrong := torn(stamps, may_be_empty=True):
                world.fail("half a guild", f"database {index}: {name} of the square {wrong}")
        known = world.lists_seen.setdefault(index, set())
        if (emptied := known - lists.keys()) and not world.may_lose_lists:
            world.fail(
                "half a guild", f"database {index}: {sorted(emptied)} of the square are gone, and nobody took them"
            )
        known |= lists.keys()
        times = {stamp.split(".")[1] for stamps in lists.values() for stamp in stamps}
        if len(times) > 1 and not world.may_miss_changes:
            world.fail("half a guild", f"database {index}: lists of the square are of several times: {sorted(times)}")
        if marked_complete(data, events_.SQUARE) and not lists.get("member"):
            world.fail("a list that is not complete", f"database {index}: the square has no members and is complete")


async def compare(world: world_.World, client: clients_.Client) -> Differences:
    """Return where a cache differs from what is expected, and is asked in every way."""
    expected = world.expected.snapshot()
    is_healed = world.expected.is_lossy
    found: Differences = []
    for kind in snapshots.GUILD_KINDS:
        if clients_.has(client.cache, kind.iterator):
            models_ = await _collect(client, kind.iterator)
            stored = {(int(m.guild_id), _id(m, kind.key)): models.plain(m) for m in models_}
            found += _differences(world, kind.name, expected[kind.name], stored)
    if clients_.has(client.cache, "iter_guilds"):
        stored_guilds = {int(m.id): models.plain(m) for m in await _collect(client, "iter_guilds")}
        found += _differences(world, "guilds", expected["guilds"], stored_guilds)
        if not is_healed:
            found += await _compare_outages(world, client, expected)
    if not is_healed and not world.expected.evicted:
        for name, key in (("invites", "code"), ("messages", "id")):
            if clients_.has(client.cache, f"iter_{name}"):
                stored_single = {_id(m, key): models.plain(m) for m in await _collect(client, f"iter_{name}")}
                found += _differences(world, name, expected[name], stored_single)
    if not is_healed:
        found += await _compare_owned(world, client, expected)
        found += await _compare_hand(world, client)
    return found


async def _collect(client: clients_.Client, iterator: str) -> list[typing.Any]:
    async def collect(cache: typing.Any) -> list[typing.Any]:
        return [model async for model in getattr(cache, iterator)()]

    return typing.cast("list[typing.Any]", await client.call(iterator, "iterate", collect))


def _id(model: typing.Any, key: str) -> int | str:
    found = getattr(model, key)
    return found if isinstance(found, str) else int(found)


def _differences(
    world: world_.World, kind: str, expected: snapshots.Found, stored: snapshots.Found
) -> collections.Iterator[str]:
    ignored = _IGNORED | (_OF_ONE_FILLER if world.story.setup.fillers > 1 else frozenset())
    for key in sorted(expected.keys() | stored.keys(), key=str):
        guild = key[0] if isinstance(key, tuple) else key
        if (kind not in {"messages", "invites"} and str(guild) not in world.compared) or world.is_by_hand(kind, key):
            continue
        if key not in stored:
            yield f"{kind}: {key} is missing"
        elif key not in expected:
            yield f"{kind}: {key} should not be there"
        else:
            for name in expected[key].keys() | stored[key].keys():
                wanted, got = expected[key].get(name, "nothing"), stored[key].get(name, "nothing")
                is_known = (kind, name) in ignored or world.expected.oracle.tolerated(kind, name, wanted)
                if wanted != got and not is_known:
                    yield f"{kind}: {name} of {key} should be {wanted!r}, is {got!r}"


async def _compare_outages(
    world: world_.World, client: clients_.Client, expected: snapshots.Expectation
) -> Differences:
    marked = {str(g) for g in await client.call("outages", "iterate", lambda cache: cache.get_unavailable_guild_ids())}
    stored = {str(guild) for guild in expected["guilds"]} & set(world.compared)
    wanted = {str(guild) for guild in expected["unavailable"]}
    return [
        f"unavailable: {guild} {'is missing' if guild in wanted else 'should not be there'}"
        for guild in sorted((wanted ^ marked) & stored)
    ]


async def _compare_owned(world: world_.World, client: clients_.Client, expected: snapshots.Expectation) -> Differences:
    """Look a few entities up by their id alone."""
    found: Differences = []
    for kind in snapshots.GUILD_KINDS:
        if not kind.by_id_alone or not clients_.has(client.cache, kind.getter):
            continue
        for key in sorted(expected[kind.name])[:2]:
            if str(key[0]) in world.compared:
                try:
                    getter, entity = kind.getter, key[1]
                    await client.call(f"{getter} {entity}", "read", lambda c, g=getter, e=entity: getattr(c, g)(e))
                except sake.EntryNotFound:
                    found.append(f"{kind.name}: {key} is not found by its id")
    return found


async def _compare_hand(world: world_.World, client: clients_.Client) -> Differences:
    found: Differences = []
    for (kind, entity), allowed in world.expected.hand.items():
        if not clients_.has(client.cache, f"get_{kind}"):
            continue
        here = (int(events_.HAND),) if kind == "member" else ()
        try:
            model = await client.call(
                f"get_{kind}", "read", lambda c, k=kind, h=here, e=entity: getattr(c, f"get_{k}")(*h, int(e))
            )
            stamp: str | None = clients_.stamp_of(model)
        except sake.EntryNotFound:
            stamp = None
        if stamp not in allowed and not (stamp is None and world.expected.evicted and kind == "message"):
            found.append(f"{kind}: {entity}, written by hand, shows {stamp}, not one of {allowed}")
    return found


async def check_complete(world: world_.World, client: clients_.Client) -> None:
    """Compare lists that are said to be complete with who is really there."""
    if not clients_.has(client.cache, "is_member_list_complete"):
        return
    complete = await client.call("is complete", "read", lambda cache: cache.is_member_list_complete(int(events_.CROWD)))
    if complete:
        members = {
            str(member.id)
            for member in await _collect(client, "iter_members")
            if int(member.guild_id) == int(events_.CROWD)
        }
        if members != world.stream.crowd:
            missing = len(world.stream.crowd - members)
            world.fail("a list that is not complete", f"the crowd: {len(members)} members, {missing} are missing")

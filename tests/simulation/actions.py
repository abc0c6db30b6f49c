# SPDX-License-Identifier: BSD-3-Clause
"""What is asked of a cache, and what the answers may be."""

from __future__ import annotations

import contextlib
import threading
import typing

from _support import snapshots

import sake
from sake import _names
from simulation import clients as clients_
from simulation import events as events_
from simulation import odd as odd_

if typing.TYPE_CHECKING:
    from simulation import world as world_

Client = clients_.Client
World = typing.TypeVar("World", bound="world_.World")

_ITERATORS: typing.Final = {name.list: name.iter_all for name in _names.IN_GUILDS}
_ALL: typing.Final = (
    *(kind.iterator for kind in snapshots.GUILD_KINDS),
    "iter_guilds",
    "iter_messages",
    "iter_invites",
)


async def read(world: world_.World, client: Client, what: str, number: int, cancel: float | None) -> None:
    """Ask something, and look at the answer."""
    with contextlib.suppress(clients_.CallCancelled, sake.SakeException, ValueError):
        await _READS[what](world, client, number, cancel)


async def write(world: world_.World, client: Client, what: str, number: int, cancel: float | None) -> None:
    """Change something by hand."""
    with contextlib.suppress(clients_.CallCancelled, sake.SakeException, ValueError):
        await _WRITES[what](world, client, number, cancel)


def read_elsewhere(world: world_.World, client: Client) -> None:
    """Ask in another thread, with an event loop of its own: an error of sake's, and nothing is spoilt."""
    if not clients_.has(client.cache, "get_role"):
        return

    def run() -> None:
        other = world.stage.other_loop()
        try:
            other.run_until_complete(client.cache.get_role(1))
        except (sake.SakeException, ValueError):
            pass
        except Exception as exc:  # noqa: BLE001 - that is what is looked for
            world.fail(f"raises {type(exc).__name__}", f"{client.name}: a read in another thread: {exc!r}", exc)
        finally:
            other.close()

    thread = threading.Thread(target=client.context.copy().run, args=(run,))
    thread.start()
    thread.join()


async def _read_beacon(world: world_.World, client: Client, place: int, cancel: float | None) -> None:
    kind, entity = beacon = events_.BEACONS[place % len(events_.BEACONS)]
    if not clients_.has(client.cache, f"get_{kind}"):
        return

    expected = world.expected
    oldest, asked = client.seen.get(beacon, 0), expected.current(beacon)
    settled = expected.as_of(beacon, world.loop.time() - world.patience) if world.is_well(world.patience) else 0
    stamp: str | None
    try:
        model = await client.call(
            f"get_{kind} {place}",
            "read",
            lambda cache: (
                cache.get_member(int(events_.TOWER), int(entity))
                if kind == "member"
                else getattr(cache, f"get_{kind}")(int(entity))
            ),
            cancel=cancel,
        )
        stamp = clients_.stamp_of(model)
    except sake.EntryNotFound:
        stamp = None

    found = expected.newest(beacon, stamp)
    if stamp not in world.ever:
        world.fail("an answer that never was", f"{client.name}: {beacon} shows {stamp}")
    if found is None or world.may_miss_changes or world.story.setup.fillers > 1 or (expected.evicted and stamp is None):
        return
    if client.is_fed and found < asked and not client.is_behind:
        world.fail("an event is not seen", f"{client.name}: {beacon} shows {stamp}, {asked - found} changes too old")
    elif found < oldest:
        world.fail("goes back in time", f"{client.name}: {beacon} shows {stamp}, which is older than before")
    elif found < settled:
        world.fail("liveness", f"{client.name}: {beacon} shows {stamp} after {world.patience} s")
    client.seen[beacon] = max(client.seen.get(beacon, 0), expected.oldest(beacon, stamp, oldest))


async def _read_square(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    name = events_.SQUARE_LISTS[number % len(events_.SQUARE_LISTS)]
    method = f"{_ITERATORS[name]}_for_guild"
    if not clients_.has(client.cache, method):
        return

    async def collect(cache: typing.Any) -> list[str]:
        return [clients_.stamp_of(model) async for model in getattr(cache, method)(int(events_.SQUARE))]

    stamps = await client.call(method, "iterate", collect, cancel=cancel)
    world.check_square(f"{client.name}: {method}", stamps)


async def _read_all(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    method = _ALL[number % len(_ALL)]
    if not clients_.has(client.cache, method):
        return

    async def collect(cache: typing.Any) -> int:
        return len([model async for model in getattr(cache, method)(window_size=(1, 3, 1_000)[number % 3])])

    await client.call(method, "iterate", collect, cancel=cancel)


async def _read_length(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    method = _ALL[number % len(_ALL)]
    if clients_.has(client.cache, method):
        await client.call(f"len of {method}", "iterate", lambda cache: getattr(cache, method)().len(), cancel=cancel)


async def _read_complete(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    if clients_.has(client.cache, "is_member_list_complete"):
        guild = int((events_.SQUARE, events_.CROWD)[number % 2])
        await client.call("is complete", "read", lambda cache: cache.is_member_list_complete(guild), cancel=cancel)


async def _read_available(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    if clients_.has(client.cache, "is_guild_available"):
        guild = int(world.guild_ids[number % len(world.guild_ids)])
        await client.call("is available", "read", lambda cache: cache.is_guild_available(guild), cancel=cancel)


async def _read_many(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    ids = [int(entity) for kind, entity in events_.BEACONS if kind == "role"] + [1, 2, number]
    if clients_.has(client.cache, "get_roles"):
        await client.call("get_roles", "read", lambda cache: cache.get_roles(ids), cancel=cancel)


async def _read_odd(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    method, arguments = odd_.lookups(number)
    if not clients_.has(client.cache, method):
        return

    limit = "write" if method.startswith("delete") else "read"
    neighbour = world.loop.create_task(_read_beacon(world, client, number, None), context=client.context)
    try:
        await client.call(f"odd {method}", limit, lambda cache: getattr(cache, method)(*arguments), cancel=cancel)
    finally:
        with contextlib.suppress(clients_.CallCancelled, sake.SakeException):
            await neighbour


async def _set(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    kind, place = ("role", "member", "message")[number % 3], number // 3 % 3
    if not clients_.has(client.cache, f"set_{kind}"):
        return

    world.stream.generation += 1
    stamp = f"h.{world.stream.generation}"
    payload = world.stream.by_hand(kind, place, stamp)
    key = kind, str(payload["user"]["id"] if kind == "member" else payload["id"])
    method, here = f"set_{kind}", () if kind == "message" else (int(events_.HAND),)
    await _by_hand(world, client, key, stamp, f"{method} {place}", lambda c: getattr(c, method)(*here, payload), cancel)


async def _delete(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    kind, place = ("role", "member", "message")[number % 3], number // 3 % 3
    method = f"delete_{kind}"
    if not clients_.has(client.cache, method):
        return

    payload = world.stream.by_hand(kind, place, "")
    entity = str(payload["user"]["id"] if kind == "member" else payload["id"])
    here = (int(events_.HAND),) if kind == "member" else ()
    work: clients_.Work = lambda cache: getattr(cache, method)(*here, int(entity))  # noqa: E731
    await _by_hand(world, client, (kind, entity), None, f"{method} {place}", work, cancel)


async def _by_hand(
    world: world_.World,
    client: Client,
    key: events_.Beacon,
    stamp: str | None,
    label: str,
    work: clients_.Work,
    cancel: float | None,
) -> None:
    world.writing[key] = world.writing.get(key, 0) + 1
    clears = world.clears.get(key[0], 0)
    world.expected.may_write(key, stamp)
    try:
        await client.call(label, "write", work, cancel=cancel)
        is_alone = world.writing[key] == 1 and world.clears.get(key[0], 0) == clears and clears % 2 == 0
        if is_alone and not world.doubtful(key):
            world.expected.write(key, stamp)
    except BaseException:
        # What was kept is written later, perhaps after what is written by hand next.
        world.doubt(key)
        raise
    finally:
        world.writing[key] -= 1


async def _clear(world: world_.World, client: Client, number: int, cancel: float | None) -> None:
    method = ("clear_roles_for_guild", "clear_members_for_guild")[number % 2]
    if not clients_.has(client.cache, method):
        return

    kind = ("role", "member")[number % 2]
    for key in [key for key in world.expected.hand if key[0] == kind]:
        world.expected.may_write(key, None)
    world.clears[kind] = world.clears.get(kind, 0) + 1
    await client.call(method, "write", lambda cache: getattr(cache, method)(int(events_.HAND)), cancel=cancel)
    # One that failed is written later: from then on it may come at any time.
    world.clears[kind] += 1


async def _update(world: world_.World, client: Client, place: int, cancel: float | None) -> None:
    messages = [entity for kind, entity in events_.BEACONS if kind == "message"]
    payload = {"id": messages[place % len(messages)], "tts": True}
    if clients_.has(client.cache, "update_message"):
        lifetime = (3_000.0, None, 3_000.0)[place % 3]
        await client.call(
            "update_message", "write", lambda cache: cache.update_message(payload, expire_time=lifetime), cancel=cancel
        )


async def _clear_all(world: world_.World, client: Client, method: str, cancel: float | None) -> None:
    if clients_.has(client.cache, method):
        world.emptied(f"{method} was called")
        await client.call(method, "write", lambda cache: getattr(cache, method)(), cancel=cancel)


async def _clear_members(world: world_.World, client: Client, _: int, cancel: float | None) -> None:
    await _clear_all(world, client, "clear_members", cancel)


async def _clear_guilds(world: world_.World, client: Client, _: int, cancel: float | None) -> None:
    await _clear_all(world, client, "clear_guilds", cancel)


_READS: typing.Final = {
    "all": _read_all,
    "available": _read_available,
    "beacon": _read_beacon,
    "complete": _read_complete,
    "length": _read_length,
    "many": _read_many,
    "odd": _read_odd,
    "square": _read_square,
}
_WRITES: typing.Final = {
    "clear": _clear,
    "clear_guilds": _clear_guilds,
    "clear_members": _clear_members,
    "delete": _delete,
    "set": _set,
    "update": _update,
}

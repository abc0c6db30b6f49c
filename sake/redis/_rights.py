# SPDX-License-Identifier: BSD-3-Clause
"""Which commands are used on which keys, and how to ask the server whether we may, without doing any of it. Pure."""

from __future__ import annotations

__all__ = ["ABORTED", "CLUSTER", "END", "THROWN_AWAY", "Probe", "find_problem", "probes"]

import itertools
import typing
from collections import abc as collections

from . import _wire
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._replies import ReplyError

AnyKind = Kind[typing.Any]

Probe = tuple[str, bytes]
"""What a command is to be called, and the packed command."""

_BEGIN: typing.Final = _wire.pack("MULTI")
ABORTED: typing.Final = _BEGIN + _wire.pack("EXISTS")
"""Begins a transaction that cannot be executed, as it has a command in it that has too few arguments.

What is said after that is checked against the rights of the user, and then thrown away.
"""

END: typing.Final = _wire.pack("EXEC")

THROWN_AWAY: typing.Final = "EXECABORT"
"""How a server answers to `END` that has thrown away what it was asked."""

CLUSTER: typing.Final = "is a node of a Redis Cluster, which sake does not support yet"
"""What is wrong with such a server."""

_NOT_NEEDED: typing.Final = ""
"""The name of what is asked only to learn what the server is."""

_NAMED: typing.Final = 5
"""How many of the commands that are not allowed are named."""

_Uses = tuple[str, str]
"""The commands that read a key, and those that write it."""

_ARGUMENTS: typing.Final[dict[str, tuple[str, ...]]] = {
    "EXISTS": (),
    "HDEL": ("0",),
    "HEXISTS": ("0",),
    "HGET": ("0",),
    "HGETALL": (),
    "HKEYS": (),
    "HLEN": (),
    "HMGET": ("0",),
    "HSCAN": ("0",),
    "HSET": ("0", "0"),
    "HVALS": (),
    "MGET": (),
    "MSET": ("0",),
    "PERSIST": (),
    "PEXPIRE": ("1",),
    "SADD": ("0",),
    "SET": ("0",),
    "SMEMBERS": (),
    "SMISMEMBER": ("0",),
    "SREM": ("0",),
    "UNLINK": (),
}
"""What follows the key."""

_LIST: typing.Final[_Uses] = ("HLEN HMGET HSCAN HVALS", "EXISTS HDEL HEXISTS HKEYS HSET PERSIST PEXPIRE UNLINK")
_WHOLE: typing.Final[_Uses] = ("HKEYS HLEN HMGET HSCAN HVALS", "HDEL HEXISTS HSET UNLINK")
_MARKS: typing.Final[_Uses] = ("SMEMBERS SMISMEMBER", "SADD SREM UNLINK")
_SINGLE: typing.Final[_Uses] = ("MGET", "MSET PEXPIRE SET UNLINK")
_GUILDS: typing.Final[_Uses] = ("SMEMBERS", "SADD SREM")
_OWNERS: typing.Final[_Uses] = ("HMGET", "HDEL HSET")
_PLACES: typing.Final[_Uses] = ("", "HDEL HGET HKEYS HSET")
_CHANNELS: typing.Final[_Uses] = ("HGETALL HLEN", "HDEL HKEYS HSET")


def probes(keys: Keys, kinds: collections.Iterable[AnyKind], /, *, writes: bool) -> list[Probe]:
    """Return the commands that are needed to read some kinds in one database, and to write them if `writes`."""
    found: dict[str, bytes] = {}
    all_keys: list[str] = []
    for kind in kinds:
        for key, (reading, writing) in _keys_of(keys, kind).items():
            all_keys.append(key)
            for command in f"{reading} {writing if writes else ''}".split():
                found[f"{command} {key}"] = _wire.pack(command, key, *_ARGUMENTS[command])
        if kind.shape is Shape.STRING:
            found["SCAN"] = _wire.pack("SCAN", "0")
        if kind.shape is Shape.GUILD_HASH and writes:
            key = keys.in_guild(kind.name, "0")
            found[f"RENAME {key}:staging"] = _wire.pack("RENAME", f"{key}:staging", key)

    if writes:
        found["EVAL"] = _wire.pack("EVAL", "return 0", 0)
        found["MULTI"] = _BEGIN

    # A node of a Cluster does not answer for keys in different slots.
    return [*found.items(), (_NOT_NEEDED, _wire.pack("EXISTS", *all_keys))]


def find_problem(answers: collections.Mapping[str, object], /) -> tuple[str, ReplyError] | None:
    """Return what is in the way of a client, by the answers to what it needs, and the answer that says so."""
    refusals = {name: answer for name, answer in answers.items() if isinstance(answer, ReplyError)}
    for answer in refusals.values():
        if answer.is_cluster:
            return CLUSTER, answer

    forbidden = {name: answer for name, answer in refusals.items() if answer.is_forbidden and name}
    if not forbidden:
        return None

    named = ", ".join(itertools.islice(forbidden, _NAMED))
    more = f" and {len(forbidden) - _NAMED} more" if len(forbidden) > _NAMED else ""
    return f"does not allow this user {named}{more}", next(iter(forbidden.values()))


def _keys_of(keys: Keys, kind: AnyKind, /) -> dict[str, _Uses]:
    """Return a kind's keys, and the commands that read and write each."""
    if kind.shape is Shape.HASH:
        return {keys.whole(kind.name): _WHOLE}
    if kind.shape is Shape.SET:
        return {keys.whole(kind.name): _MARKS}

    found: dict[str, _Uses] = {}
    if kind.shape is Shape.STRING:
        found[keys.single(kind.name, "0")] = _SINGLE
    else:
        found[keys.in_guild(kind.name, "0")] = _LIST
    if kind.in_guild:
        found[keys.guilds(kind.name)] = _GUILDS
    if kind.owned:
        found[keys.owners(kind.name)] = _OWNERS
    if kind.channel_of is not None:
        found[keys.channels_in_guild(kind.name, "0")] = _PLACES
        found[keys.in_channel(kind.name, "0")] = _CHANNELS

    return found

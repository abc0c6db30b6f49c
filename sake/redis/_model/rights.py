# SPDX-License-Identifier: BSD-3-Clause
"""Which commands are used on which keys, and how to ask the server whether we may, without doing any of it. Pure."""

from __future__ import annotations

__all__ = ["ABORTED", "CLUSTER", "END", "SENTINEL", "THROWN_AWAY", "Probe", "find_problem", "probes"]

import itertools
import typing
from collections import abc as collections

from . import wire
from .keys import Keys
from .kinds import SESSIONS
from .kinds import Kind
from .kinds import Shape
from .replies import ReplyError
from .setup import Setup

AnyKind = Kind[typing.Any]

Probe = tuple[str, bytes]
"""What a command is to be called, and the packed command."""

_BEGIN: typing.Final = wire.pack("MULTI")
ABORTED: typing.Final = _BEGIN + wire.pack("EXISTS")
"""Begins a transaction that cannot be executed, as it has a command in it that has too few arguments.

What is said after that is checked against the rights of the user, and then thrown away.
"""

END: typing.Final = wire.pack("EXEC")

THROWN_AWAY: typing.Final = "EXECABORT"
"""How a server answers to `END` that has thrown away what it was asked."""

CLUSTER: typing.Final = "is a node of a Redis Cluster, whose address has to begin with redis+cluster://"
"""What is wrong with such a server."""

SENTINEL: typing.Final = "knows no transactions, as a Sentinel, whose address has to begin with redis+sentinel://"
"""What is wrong with what stores nothing."""

_NOT_NEEDED: typing.Final = ""
"""The name of what is asked only to learn what the server is."""

_NAMED: typing.Final = 5
"""How many of the commands that are not allowed are named."""

_Uses = tuple[str, str]
"""The commands that read a key, and those that write it."""

_ARGUMENTS: typing.Final[dict[str, tuple[str, ...]]] = {
    "EXISTS": (),
    "GET": (),
    "HDEL": ("0",),
    "HEXISTS": ("0",),
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
    "SCARD": (),
    "SET": ("0",),
    "SISMEMBER": ("0",),
    "SMEMBERS": (),
    "SREM": ("0",),
    "UNLINK": (),
}
"""What follows the key."""

_CHANNELS: typing.Final[_Uses] = ("HGETALL", "HDEL HSET HVALS UNLINK")
_FACTS: typing.Final[_Uses] = ("HMGET", "HDEL HSET")
_GUILDS: typing.Final[_Uses] = ("SCARD SISMEMBER SMEMBERS", "SADD SREM")
_LIST: typing.Final[_Uses] = ("HLEN HMGET HSCAN HVALS", "HDEL HEXISTS HKEYS HSET PERSIST PEXPIRE UNLINK")
_META: typing.Final[_Uses] = ("GET", "SET")
_WRITERS: typing.Final[_Uses] = ("", "HDEL HGETALL HMGET HSET")
_SINGLE: typing.Final[_Uses] = ("MGET", "MSET PEXPIRE SET UNLINK")


def probes(setup: Setup, index: int, /, *, writes: bool) -> list[Probe]:
    """Return the commands that are needed to read what is in one database, and to write it if `writes`."""
    kinds = [kind for kind, database in setup.layout.items() if database == index]
    keys = {setup.keys.meta(): _META}
    keys |= {key: uses for kind in kinds for key, uses in _keys_of(setup.keys, kind).items()}
    if SESSIONS in kinds:
        keys[setup.keys.writers()] = _WRITERS
    if index == setup.reference and setup.knows_guilds:
        keys |= {setup.keys.guilds(): _GUILDS, setup.keys.guild_of("0"): _FACTS}

    found: dict[str, bytes] = {}
    for key, (reading, writing) in keys.items():
        for command in f"{reading} {writing if writes else ''}".split():
            found[f"{command} {key}"] = wire.pack(command, key, *_ARGUMENTS[command])
    for kind in kinds:
        if kind.shape is Shape.SINGLE:
            found["SCAN"] = wire.pack("SCAN", "0")
        elif writes:
            key = setup.keys.in_guild(kind.name, "0")
            found[f"RENAME {key}:staging"] = wire.pack("RENAME", f"{key}:staging", key)

    if writes:
        found["EVAL"] = wire.pack("EVAL", "return 0", 0)
        found["MULTI"] = _BEGIN

    # A node of a Cluster does not answer for keys in different slots.
    return [*found.items(), (_NOT_NEEDED, wire.pack("EXISTS", *keys))]


def find_problem(
    answers: collections.Mapping[str, object], /, *, is_node: bool = False
) -> tuple[str, ReplyError] | None:
    """Return what is in the way of a client, by the answers to what it needs, and the answer that says so.

    Where it `is_node`, nothing is wrong with a node of a Cluster.
    """
    refusals = {name: answer for name, answer in answers.items() if isinstance(answer, ReplyError)}
    for answer in refusals.values():
        if answer.is_cluster and not is_node:
            return CLUSTER, answer

    forbidden = {name: answer for name, answer in refusals.items() if answer.is_forbidden and name}
    if not forbidden:
        return None

    named = ", ".join(itertools.islice(forbidden, _NAMED))
    more = f" and {len(forbidden) - _NAMED} more" if len(forbidden) > _NAMED else ""
    return f"does not allow this user {named}{more}", next(iter(forbidden.values()))


def _keys_of(keys: Keys, kind: AnyKind, /) -> dict[str, _Uses]:
    """Return a kind's keys, and the commands that read and write each."""
    found: dict[str, _Uses]
    if kind.shape is Shape.GUILD_BOUND:
        found = {keys.in_guild(kind.name, "0"): _LIST}
    else:
        found = {keys.single(kind.name, "0"): _SINGLE}
    if kind.channel_of is not None:
        found[keys.channels_in_guild(kind.name, "0")] = _CHANNELS
    return found

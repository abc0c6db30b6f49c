# SPDX-License-Identifier: BSD-3-Clause
"""Models of hikari as plain data, which unlike the models compare field by field."""

from __future__ import annotations

import datetime
import enum
import functools
import typing
from collections import abc as collections

import attr
import hikari
from hikari.internal import enums

_APPLICATION: typing.Final = frozenset({"app", "_app"})
_REFERENCES: typing.Final = (hikari.PartialUser, hikari.PartialMessage, hikari.PartialChannel, hikari.PartialGuild)
_PLAIN: typing.Final = (
    bool,
    bytes,
    datetime.datetime,
    datetime.timedelta,
    enum.Enum,
    enums.Enum,
    enums.Flag,
    float,
    int,
    str,
    type(None),
    hikari.UndefinedType,
)


def plain(model: object, /) -> dict[str, typing.Any]:
    """Return the type and the fields of a model.

    Users, members, messages, channels and guilds inside it are only their ids: hikari's own cache gives their newest
    state, whatever the entity that carries them was sent with.
    """
    return {"": type(model).__name__, **{name: _value(getattr(model, name)) for name in _fields(type(model))}}


@functools.cache
def _fields(cls: type) -> tuple[str, ...]:
    if attr.has(cls):
        names = [field.name for field in attr.fields(cls)]
    else:
        names = [name for base in cls.__mro__ for name in getattr(base, "__slots__", ())]

    found = tuple(name for name in names if name not in _APPLICATION)
    if not found:
        error_message = f"{cls} has no fields to compare"
        raise TypeError(error_message)

    return found


def _value(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, _REFERENCES):
        return int(value.id)
    if isinstance(value, collections.Mapping):
        return {_value(key): _value(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return frozenset(map(_value, value))
    if isinstance(value, collections.Sequence):
        return tuple(map(_value, value))

    return plain(value)

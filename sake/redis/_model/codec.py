# SPDX-License-Identifier: BSD-3-Clause
"""Payload ⇄ bytes ⇄ model, and what to say when that fails. Pure."""

from __future__ import annotations

__all__ = ["Codec", "Payload", "is_object", "nested"]

import types
import typing
from collections import abc as collections

import orjson

from sake import errors

Payload = collections.Mapping[str, typing.Any]
"""A decoded JSON object as Discord sends it. sake never changes one."""

_NOTHING: typing.Final[Payload] = types.MappingProxyType({})

_T = typing.TypeVar("_T")


def is_object(given: object, /) -> typing.TypeGuard[dict[str, typing.Any]]:
    """Return whether a part of a payload is an object, which nobody promises."""
    return isinstance(given, dict)


def nested(payload: Payload, name: str, /) -> Payload:
    """Return an object that a payload holds under a name, or an empty one."""
    found: object = payload.get(name)
    # Of what is asked here, this is what it is as good as always.
    if found is None or is_object(found):
        return found or _NOTHING

    return typing.cast("Payload", found) if isinstance(found, collections.Mapping) else _NOTHING


class Codec:
    """Turns payloads into stored bytes and back with the functions the client was given."""

    __slots__ = ("dumps", "loads")

    def __init__(
        self,
        dumps: collections.Callable[[dict[str, typing.Any]], bytes] = orjson.dumps,
        loads: collections.Callable[[bytes], dict[str, typing.Any]] = orjson.loads,
    ) -> None:
        self.dumps: typing.Final = dumps
        self.loads: typing.Final = loads

    def load(self, data: bytes, key: str, /) -> dict[str, typing.Any]:
        """Decode stored bytes; `key` names the entry in the error.

        Raises
        ------
        sake.errors.InvalidDataFound
            If they are not something that `loads` understands, or no object.
        """
        try:
            payload: object = self.loads(data)
            if not is_object(payload):
                raise TypeError(f"it is no object but {type(payload).__name__}")  # noqa: TRY301
        except Exception as exc:
            error_message = f"The entry {key} holds {len(data)} bytes that cannot be decoded: {exc}"
            raise errors.InvalidDataFound(error_message, exception=exc) from exc

        return payload

    def overlay(self, parts: collections.Iterable[bytes], key: str, /) -> dict[str, typing.Any]:
        """Decode stored bytes and partial payloads, and lay each over those before it; raises as `load` does."""
        whole: dict[str, typing.Any] = {}
        for part in parts:
            # What somebody else wrote may be a list.
            whole = {**whole, **self.load(part, key)}

        return whole

    def build(self, builder: collections.Callable[[Payload], _T], data: bytes, key: str, /) -> _T:
        """Decode stored bytes and make a model of them; `key` names the entry in the error.

        Raises
        ------
        sake.errors.InvalidDataFound
            If the bytes cannot be decoded, or this version of hikari cannot build a model from the payload.
        """
        payload = self.load(data, key)
        try:
            return builder(payload)
        except Exception as exc:
            cause = f"{type(exc).__name__}: {exc}"
            error_message = f"The entry {key} holds a payload that hikari cannot build a model from ({cause})"
            raise errors.InvalidDataFound(error_message, exception=exc) from exc

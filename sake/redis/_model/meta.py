# SPDX-License-Identifier: BSD-3-Clause
"""What a namespace says of itself: how its keys are laid out, and how its values are encoded. Pure."""

from __future__ import annotations

__all__ = ["LAYOUT", "Meta"]

import contextlib
import typing

import orjson

from . import wire
from .codec import Codec
from .keys import Keys
from .replies import ReplyError

LAYOUT: typing.Final = 2
"""The number of the layout that [sake.redis._model.keys][] and [sake.redis._model.kinds][] describe."""

_SAMPLE: typing.Final[dict[str, typing.Any]] = {"sake": LAYOUT}
_FIRST_BYTES: typing.Final = 2
_NAMED: typing.Final = 100


class Meta:
    """Compares what a database says of itself with what a client would write.

    Parameters
    ----------
    keys
        Names the keys.
    codec
        Encodes values.
    """

    __slots__ = ("_value", "founding", "greeting", "greetings", "slot")

    def __init__(self, keys: Keys, codec: Codec, /) -> None:
        self._value: typing.Final = orjson.dumps({"layout": LAYOUT, "values": _format_of(codec)})
        self.greeting: typing.Final = wire.pack("GET", keys.meta())
        """Asks what it says: one reply."""
        self.greetings: int = 0
        """How many connections were made: after another one, a server may answer that has forgotten what was known."""
        founding = wire.pack("SET", keys.meta(), self._value, "NX") + self.greeting
        self.founding: typing.Final = wire.Parcel(keys.slot_of(keys.meta()), founding, 2)
        """Says it where nothing is said yet, and asks."""

    def find_problem(self, stored: object, /) -> str | None:
        """Return why a client cannot use a database that says that of itself."""
        if stored is None or stored == self._value:
            return None
        if isinstance(stored, ReplyError):
            # Whatever else is in the way is told when it is.
            return "holds something else under the name of its meta key" if stored.code == "WRONGTYPE" else None

        layout, values = _read(typing.cast("bytes", stored))
        own_layout, own_values = _read(self._value)
        return (
            f"holds layout {layout} with values in the format {values}, and this client uses layout {own_layout} with "
            f"values in the format {own_values}: use another namespace or database, or clear this one"
        )


def _format_of(codec: Codec, /) -> str:
    """Return what distinguishes what a codec makes from what others do."""
    encoded = bytes(codec.dumps(dict(_SAMPLE)))
    with contextlib.suppress(ValueError):
        if orjson.loads(encoded) == _SAMPLE:
            return "JSON"

    return f"0x{encoded[:_FIRST_BYTES].hex()}"


def _read(stored: bytes, /) -> tuple[str, str]:
    with contextlib.suppress(Exception):
        said = orjson.loads(stored)
        return str(said["layout"]), str(said["values"])

    return repr(stored[:_NAMED]), "?"

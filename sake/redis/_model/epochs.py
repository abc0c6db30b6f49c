# SPDX-License-Identifier: BSD-3-Clause
"""Whether a server still has what it said it has. Pure.

With every batch its number is written. A server that was started again with older data, or that another took the place
of which was behind, has an older number: then what was written since has to be written again.
"""

from __future__ import annotations

__all__ = ["Epoch", "Epochs"]

import secrets
import typing
from collections import abc as collections
from collections import deque

from . import wire
from .keys import Keys
from .replies import ReplyError
from .wire import Parcel

_LIFETIME: typing.Final = 604_800_000
"""Milliseconds after which the number of a writer is forgotten that has ended, or that wrote nothing."""


class Epoch:
    """The numbers of the batches that one place was sent.

    Parameters
    ----------
    epochs
        Tells when something was forgotten.
    key
        Under which the number is stored.
    slot
        Where that is.
    """

    __slots__ = ("_epochs", "_floor", "_key", "_numbers", "_slot", "greeting")

    def __init__(self, epochs: Epochs, key: str, slot: int, /) -> None:
        self._epochs = epochs
        self._floor = 0
        """The last number of those before `_numbers`."""
        self._key = key
        self._numbers: deque[int] = deque()
        """What was acknowledged and is kept, to be written again if it is forgotten."""
        self._slot = slot
        self.greeting: typing.Final = wire.pack("GET", key)
        """Asks for the number: one reply."""

    def stamp(self, number: int, /) -> Parcel:
        """Return what writes the number of a batch."""
        return Parcel(self._slot, wire.pack("SET", self._key, number, "PX", _LIFETIME))

    @property
    def acknowledged(self) -> int:
        """The number of the last batch that is known to be written."""
        return self._numbers[-1] if self._numbers else self._floor

    def acknowledge(self, number: int, /) -> None:
        """Take note that a batch was written."""
        self._numbers.append(number)

    def prune(self, oldest: int, /) -> None:
        """Take note that only batches from this one on are kept."""
        while self._numbers and self._numbers[0] < oldest:
            self._floor = self._numbers.popleft()

    def hear(self, stored: object, acknowledged: int, /) -> None:
        """Compare the number that is stored with the one that was acknowledged when it was asked for."""
        if isinstance(stored, ReplyError):
            return

        text = typing.cast("bytes | None", stored) or b""
        number = int(text) if text.isdigit() else 0
        if number < min(acknowledged, self.acknowledged):
            is_kept = number >= self._floor
            self._floor = number
            self._numbers.clear()
            self._epochs.tell(number, is_kept=is_kept)


class Epochs:
    """The epochs of all places that one writer writes to.

    Parameters
    ----------
    keys
        Names the keys.
    """

    __slots__ = ("_epochs", "_keys", "is_kept", "oldest_lost", "on_loss", "token")

    def __init__(self, keys: Keys, /) -> None:
        self._epochs: dict[tuple[int, str], Epoch] = {}
        self._keys = keys
        self.token: typing.Final = secrets.token_hex(4)
        """What tells this writer from others."""
        self.is_kept: bool = True
        """Whether all that was forgotten is kept."""
        self.on_loss: collections.Callable[[], None] = lambda: None
        """Is called when something was forgotten."""
        self.oldest_lost: int | None = None
        """The number of the last batch that is still there, if something was forgotten."""

    def of(self, database: int, tag: str, /) -> Epoch:
        """Return the epoch of a database, or of that node of a Cluster which has the slot of a tag."""
        place = (database, tag)
        if place not in self._epochs:
            key = self._keys.epoch(self.token, tag)
            self._epochs[place] = Epoch(self, key, self._keys.slot_of(key))
        return self._epochs[place]

    def slot_of(self, key: str, /) -> int:
        """Return in which place a key is."""
        return self._keys.slot_of(key)

    def prune(self, oldest: int, /) -> None:
        """Take note that only batches from this one on are kept."""
        for epoch in self._epochs.values():
            epoch.prune(oldest)

    def tell(self, number: int, /, *, is_kept: bool) -> None:
        """Take note that a place has forgotten what came after this batch."""
        self.oldest_lost = number if self.oldest_lost is None else min(number, self.oldest_lost)
        self.is_kept = self.is_kept and is_kept
        self.on_loss()

    def heard(self) -> tuple[int, bool] | None:
        """Return what was forgotten since this was asked last: after which batch, and whether all of it is kept."""
        if self.oldest_lost is None:
            return None

        found = self.oldest_lost, self.is_kept
        self.oldest_lost, self.is_kept = None, True
        return found

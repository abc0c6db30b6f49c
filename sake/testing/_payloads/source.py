# SPDX-License-Identifier: BSD-3-Clause
"""Seeded randomness, a clock that only moves forward, unique ids and words."""

from __future__ import annotations

__all__ = ["Payload", "Source"]

import datetime
import random
import typing
from collections import abc as collections

_T = typing.TypeVar("_T")

Payload: typing.TypeAlias = dict[str, typing.Any]
"""A JSON object as the gateway sends it."""

_DISCORD_EPOCH: typing.Final = 1_420_070_400_000
_MILLISECONDS_A_DAY: typing.Final = 86_400_000
_SERIAL_BITS: typing.Final = 22
_SERIAL_MASK: typing.Final = (1 << _SERIAL_BITS) - 1
_UTC: typing.Final = datetime.UTC

_ADJECTIVES: typing.Final = (
    "amber",
    "brave",
    "calm",
    "dusty",
    "eager",
    "fuzzy",
    "gentle",
    "hasty",
    "icy",
    "jolly",
    "keen",
    "lucid",
    "misty",
    "noble",
    "odd",
    "proud",
    "quiet",
    "rusty",
    "silver",
    "tidy",
)
_NOUNS: typing.Final = (
    "anchor",
    "badger",
    "comet",
    "dune",
    "ember",
    "falcon",
    "garnet",
    "harbor",
    "island",
    "jaguar",
    "kettle",
    "lantern",
    "meadow",
    "nebula",
    "otter",
    "pepper",
    "quartz",
    "raven",
    "summit",
    "tundra",
)
_SENTENCES: typing.Final = (
    "did anyone look at the new patch notes?",
    "brb, making coffee",
    "that is the third time today, we should write it down",
    "I will be in the voice channel around eight",
    "thanks, that fixed it for me",
    "could a moderator pin this please",
    "the event starts in ten minutes, grab a drink and a chair, we have a lot of ground to cover tonight",
    "no idea, it worked yesterday",
    "gg everyone, same time next week?",
    "here is the screenshot I promised",
    "I tried turning it off and on again and now the lamp speaks French, so I would call that a partial success",
    "+1",
    "who is up for a quick match",
    "please read the rules before you post links here",
    "welcome aboard!",
)


class Source:
    """What the payload builders draw from.

    Parameters
    ----------
    seed
        Two sources with the same seed and the same `now` draw the same values.
    now
        The instant the clock starts at. Defaults to the present, which makes ids, timestamps and the lifetimes of
        invites plausible; pass an instant to get the same payloads in every run.
    """

    __slots__ = ("_clock", "_serial", "random")

    def __init__(self, seed: int = 0, *, now: datetime.datetime | None = None) -> None:
        start = now if now is not None else datetime.datetime.now(_UTC)
        self._clock = int(start.timestamp() * 1_000)
        self._serial = 0
        self.random: random.Random = random.Random(seed)  # noqa: S311 - being reproducible is the point
        """The seeded generator behind every choice."""

    def snowflake(self, *, within_days: float = 0.0) -> str:
        """Draw an id which no other call of this source returns.

        Parameters
        ----------
        within_days
            Days before now in which the entity was created. `0` means right now: the clock moves on by one
            millisecond, so such ids increase.

        Returns
        -------
        str
            The id, as the gateway writes it.
        """
        self._serial = (self._serial + 1) & _SERIAL_MASK
        if within_days:
            created_at = self._clock - int(self.random.random() * within_days * _MILLISECONDS_A_DAY)
        else:
            self._clock += 1
            created_at = self._clock

        return str((created_at - _DISCORD_EPOCH) << _SERIAL_BITS | self._serial)

    def _id(self, given: str | None, /, *, within_days: float) -> str:
        return given if given is not None else self.snowflake(within_days=within_days)

    def timestamp(self, *, within_days: float = 0.0) -> str:
        """Draw an ISO 8601 timestamp.

        Parameters
        ----------
        within_days
            Days before now in which the instant lies; `0` means right now.

        Returns
        -------
        str
            The instant, in UTC.
        """
        return self.moment(within_days=within_days).isoformat(timespec="microseconds")

    def moment(self, *, within_days: float = 0.0) -> datetime.datetime:
        """Draw an instant.

        Parameters
        ----------
        within_days
            Days before now in which the instant lies; `0` means right now.

        Returns
        -------
        datetime.datetime
            The instant, in UTC.
        """
        back = self.random.random() * within_days * _MILLISECONDS_A_DAY if within_days else 0.0
        return datetime.datetime.fromtimestamp((self._clock - int(back)) / 1_000, _UTC)

    def milliseconds(self) -> int:
        """Read the clock.

        Returns
        -------
        int
            Milliseconds since 1970.
        """
        return self._clock

    def chance(self, probability: float, /) -> bool:
        """Toss a coin.

        Parameters
        ----------
        probability
            How often the answer is yes, from 0 to 1.

        Returns
        -------
        bool
            The answer.
        """
        return self.random.random() < probability

    def pick(self, options: collections.Sequence[_T], /) -> _T:
        """Choose one of some options.

        Parameters
        ----------
        options
            A sequence which is not empty.

        Returns
        -------
        object
            One of its items, each as likely as the others.

        Raises
        ------
        IndexError
            If there are no options.
        """
        return options[int(self.random.random() * len(options))]

    def whole(self, low: int, high: int, /) -> int:
        """Choose a whole number.

        Parameters
        ----------
        low
            The smallest answer.
        high
            The largest answer.

        Returns
        -------
        int
            A number from `low` to `high`, both included.
        """
        return low + int(self.random.random() * (high - low + 1))

    def word(self) -> str:
        """Make up a name.

        Returns
        -------
        str
            Two words and a number, fit for a channel or a user name.
        """
        return f"{self.pick(_ADJECTIVES)}-{self.pick(_NOUNS)}-{self.whole(1, 999)}"

    def sentence(self) -> str:
        """Choose something that one would write in a chat.

        Returns
        -------
        str
            A short text.
        """
        return self.pick(_SENTENCES)

    def digest(self) -> str:
        """Draw the hash of an image.

        Returns
        -------
        str
            32 hexadecimal digits.
        """
        return f"{self.random.getrandbits(128):032x}"

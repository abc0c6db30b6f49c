# SPDX-License-Identifier: BSD-3-Clause
"""What may be an id: checked once, at the door, so that nothing behind it has to. Pure."""

from __future__ import annotations

__all__ = ["MOST_DIGITS", "is_code", "is_snowflake", "stored_snowflake", "to_code", "to_snowflake"]

import re
import typing

import hikari

MOST_DIGITS: typing.Final = 20
"""How many decimal digits an unsigned number of 64 bits has at most; Discord's ids are such numbers."""

_CODE: typing.Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LIMIT: typing.Final = 10**MOST_DIGITS
_SNOWFLAKE: typing.Final = re.compile(r"[0-9]{1,20}", re.ASCII)


def is_snowflake(text: str, /) -> bool:
    """Return whether a text is an id as Discord writes it."""
    return _SNOWFLAKE.fullmatch(text) is not None


def is_code(text: str, /) -> bool:
    """Return whether a text can be the code of an invite, or another name that sake makes keys of."""
    return _CODE.fullmatch(text) is not None


def stored_snowflake(data: bytes | None, /) -> str | None:
    """Return the id that stored bytes are, if they are one: other programs may have written them."""
    text = "" if data is None else data.decode("ascii", "replace")
    return text if is_snowflake(text) else None


def to_code(given: object, name: str = "code", /) -> str:
    """Return the code of an invite that a caller gave.

    Parameters
    ----------
    given
        A text.
    name
        What to call it in the error.

    Raises
    ------
    ValueError
        If it is something else, or cannot be a code.
    """
    if isinstance(given, str) and is_code(given):
        return given

    error_message = f"{name} must be a code (1 to 64 ASCII letters, digits, '_' and '-'), not {given!r}"
    raise ValueError(error_message)


def to_snowflake(given: object, name: str = "id", /) -> str:
    """Return an id that a caller gave as it is written in payloads and keys.

    Parameters
    ----------
    given
        A whole number, a hikari object that has an id, or decimal digits.
    name
        What to call it in the error.

    Raises
    ------
    ValueError
        If it is something else, or does not fit into 64 bits.
    """
    if isinstance(given, int) and 0 <= given < _LIMIT:
        return int.__repr__(given)

    text = given if isinstance(given, str) else ""
    if isinstance(given, hikari.Unique):
        text = int.__repr__(given.id)

    if not is_snowflake(text):
        error_message = f"{name} must be an id (a whole number of at most {MOST_DIGITS} digits), not {given!r}"
        raise ValueError(error_message)

    return text

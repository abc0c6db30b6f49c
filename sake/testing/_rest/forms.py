# SPDX-License-Identifier: BSD-3-Clause
"""What may be asked for over REST, and what Discord says of the rest."""

from __future__ import annotations

__all__ = [
    "RESPONSE_CHECKS",
    "ApiError",
    "check_choice",
    "check_command",
    "check_commands",
    "check_direct_channel",
    "check_message",
    "check_response",
    "check_snowflake",
    "read_text",
    "read_whole",
]

import re
import typing
from collections import abc as collections

_Check: typing.TypeAlias = "collections.Callable[[object, str], None]"
"""Raises an [ApiError][] if a value cannot be what stands at a place; places in a document are parted by dots."""

_INVALID_FORM: typing.Final = 50_035
_DIGITS: typing.Final = re.compile(r"[0-9]{1,19}")
_INTEGER: typing.Final = re.compile(r"-?[0-9]{1,19}")
_LARGEST_INTEGER: typing.Final = (1 << 63) - 1
_MOST_COMPONENTS: typing.Final = 40


class ApiError(Exception):
    """An answer that says what is wrong.

    Parameters
    ----------
    status
        The HTTP status.
    code
        Discord's code for the error.
    message
        What is wrong.
    errors
        What is wrong with which part of the request.
    """

    def __init__(
        self, status: int, code: int, message: str, /, errors: collections.Mapping[str, typing.Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors


def _invalid(place: str, code: str, message: str, /) -> ApiError:
    errors: dict[str, typing.Any] = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(place.split(".") if place else []):
        errors = {part: errors}

    return ApiError(400, _INVALID_FORM, "Invalid Form Body", errors)


def check_snowflake(value: object, place: str, /) -> None:
    """Refuse what is no id."""
    digits = str(value) if isinstance(value, (int, str)) else ""
    if not _DIGITS.fullmatch(digits) or int(digits) > _LARGEST_INTEGER:
        raise _invalid(place, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')


def check_choice(value: object, options: collections.Collection[int], place: str, /) -> None:
    """Refuse what is not one of some numbers."""
    if isinstance(value, bool) or value not in options:
        words = ", ".join(map(str, sorted(options)))
        raise _invalid(place, "BASE_TYPE_CHOICES", f"Value must be one of {{{words}}}.")


def read_whole(
    query: collections.Mapping[str, str], name: str, /, *, default: int, low: int = 0, high: int = _LARGEST_INTEGER
) -> int:
    """Read a number from the parameters of a URL.

    Parameters
    ----------
    query
        The parameters.
    name
        The parameter's name.
    default
        What it is when it is not given.
    low
        The smallest number that is allowed.
    high
        The largest number that is allowed.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ApiError
        If it is no such number.
    """
    if name not in query:
        return default

    digits = query[name]
    value: object = int(digits) if _INTEGER.fullmatch(digits) else digits
    _whole(low, high)(value, name)
    return int(digits)


def read_text(query: collections.Mapping[str, str], name: str, /, *, most: int) -> str:
    """Read a text from the parameters of a URL that must not be missing.

    Parameters
    ----------
    query
        The parameters.
    name
        The parameter's name.
    most
        How many characters it may have.

    Returns
    -------
    str
        The text.

    Raises
    ------
    ApiError
        If it is missing, empty or too long.
    """
    _model(needs=(name,), **{name: _text(most, least=1)})(dict(query), "")
    return query[name]


def _whole(low: int = 0, high: int = _LARGEST_INTEGER, /) -> _Check:
    def check(value: object, place: str, /) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _invalid(place, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')

        if value < low:
            raise _invalid(place, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")

        if value > high:
            raise _invalid(place, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")

    return check


def _text(most: int, /, *, least: int = 0) -> _Check:
    def check(value: object, place: str, /) -> None:
        if not isinstance(value, str):
            raise _invalid(place, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')

        if len(value) < least:
            raise _invalid(place, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")

        if len(value) > most:
            raise _invalid(place, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")

    return check


def _truth(value: object, place: str, /) -> None:
    if not isinstance(value, bool):
        raise _invalid(place, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")


def _value(value: object, place: str, /) -> None:
    if not isinstance(value, (str, int, float)):
        raise _invalid(place, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')


def _each(item: _Check, most: int, /, *, least: int = 0) -> _Check:
    """Make the check of a list."""

    def check(value: object, place: str, /) -> None:
        if not isinstance(value, list):
            raise _invalid(place, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType.")

        items = typing.cast("list[object]", value)
        if not least <= len(items) <= most:
            raise _invalid(place, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")

        for index, member in enumerate(items):
            item(member, f"{place}.{index}" if place else str(index))

    return check


def _model(*, needs: collections.Collection[str] = (), **fields: _Check) -> _Check:
    """Make the check of an object: what it must have, and how what it may have looks."""

    def check(value: object, place: str, /) -> None:
        if not isinstance(value, dict):
            raise _invalid(place, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType.")

        given = typing.cast("dict[str, object]", value)
        for name, field in fields.items():
            inner = f"{place}.{name}" if place else name
            if given.get(name) is not None:
                field(given[name], inner)
            elif name in needs:
                raise _invalid(inner, "BASE_TYPE_REQUIRED", "This field is required.")

    return check


def _component(value: object, place: str, /) -> None:
    _COMPONENT(value, place)


_COMPONENT: typing.Final = _model(
    needs=("type",),
    type=_whole(1),
    accessory=_component,
    component=_component,
    components=_each(_component, _MOST_COMPONENTS),
    custom_id=_text(100),
    id=_whole(),
)

_EMBED: typing.Final = _model(
    author=_model(needs=("name",), name=_text(256)),
    color=_whole(0, 0xFFFFFF),
    description=_text(4_096),
    fields=_each(_model(needs=("name", "value"), name=_text(256, least=1), value=_text(1_024, least=1)), 25),
    footer=_model(needs=("text",), text=_text(2_048)),
    image=_model(needs=("url",), url=_text(2_048)),
    thumbnail=_model(needs=("url",), url=_text(2_048)),
    title=_text(256),
    url=_text(2_048),
)

check_message: typing.Final = _model(
    attachments=_each(_model(filename=_text(1_024), id=_value), 10),
    components=_each(_component, _MOST_COMPONENTS),
    content=_text(2_000),
    embeds=_each(_EMBED, 10),
    flags=_whole(),
    message_reference=_model(needs=("message_id",), message_id=check_snowflake),
    nonce=_value,
    poll=_model(),
    sticker_ids=_each(check_snowflake, 3),
    tts=_truth,
)
"""Refuse what cannot be written, or made of a message by an edit."""

check_direct_channel: typing.Final = _model(needs=("recipient_id",), recipient_id=check_snowflake)
"""Refuse what is no wish for a channel with a user."""

_SLASH: typing.Final = 1
_COMMAND: typing.Final = _model(
    needs=("name",),
    description=_text(100),
    name=_text(32, least=1),
    options=_each(_model(needs=("type", "name"), name=_text(32, least=1), type=_whole(1)), 25),
    type=_whole(1, 4),
)
_DESCRIBED: typing.Final = _model(needs=("description",), description=_text(100, least=1))


def check_command(value: object, place: str, /) -> None:
    """Refuse what cannot be registered as a command."""
    _COMMAND(value, place)
    if typing.cast("dict[str, object]", value).get("type") in {None, _SLASH}:
        _DESCRIBED(value, place)


check_commands: typing.Final = _each(check_command, 130)
"""Refuse what cannot be registered as all commands that there are."""

check_response: typing.Final = _model(needs=("type",), type=_whole(), data=_model())
"""Refuse what is no first answer to an interaction, of whatever type."""

_CHOICES: typing.Final = _each(_model(needs=("name", "value"), name=_text(100, least=1), value=_value), 25)
_MODAL: typing.Final = _model(
    needs=("custom_id", "title", "components"),
    components=_each(_component, 5, least=1),
    custom_id=_text(100, least=1),
    title=_text(45, least=1),
)

RESPONSE_CHECKS: typing.Final[dict[int, _Check]] = {
    4: _model(needs=("data",), data=check_message),
    5: _model(data=check_message),
    6: _model(),
    7: _model(data=check_message),
    8: _model(needs=("data",), data=_model(needs=("choices",), choices=_CHOICES)),
    9: _model(needs=("data",), data=_MODAL),
}
"""What refuses a first answer to an interaction, by its type."""

# SPDX-License-Identifier: BSD-3-Clause
"""What an address says, and how it may be shown. Pure."""

from __future__ import annotations

__all__ = ["check_address", "hide_password", "is_sendable"]

import typing
import urllib.parse

_SCHEMES: typing.Final[dict[str, str]] = {
    "embedded": "embedded",
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}

_ESCAPE: typing.Final = (
    "Characters such as / ? # @ % in a user name or password must be percent-encoded; or give the password as password="
)


def check_address(address: object, /) -> tuple[str, int | None]:
    """Return the address as redis-py reads it, and the database it names, if any.

    No error shows any of an address that could not be read: there is no telling which part of it is the password.

    Raises
    ------
    ValueError
        If it is no text, its scheme is not one of those that sake knows, or the rest of it leads nowhere.
    """
    if not isinstance(address, str):
        error_message = f"address must be a text such as redis://localhost, not {type(address).__name__}"
        raise ValueError(error_message)  # noqa: TRY004 - every setting that cannot be used is a ValueError

    if not is_sendable(address):
        error_message = "address must be made of whole characters; the one given has halves of some (surrogates)"
        raise ValueError(error_message)

    scheme, separator, rest = address.partition("://")
    if not separator or scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        error_message = f"address must begin with one of {known}; the one given does not"
        raise ValueError(error_message)

    scheme = _SCHEMES[scheme]
    if scheme == "embedded":
        if rest:
            error_message = "address must be embedded:// and nothing more; name a database as database="
            raise ValueError(error_message)
        return address, None

    parts = _split(f"{scheme}://{rest}")
    database = _database_of(parts)
    user, _, host = parts.netloc.rpartition("@")
    if scheme == "unix" and (host or not parts.path.strip("/") or (user and "@" in parts.path)):
        error_message = f"address must name the socket's path, as in unix:///run/redis.sock. {_ESCAPE}"
        raise ValueError(error_message)

    return f"{scheme}://{rest}", database


def is_sendable(text: str, /) -> bool:
    """Return whether a text has no lone surrogates, which no encoding has bytes for."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def hide_password(address: str, /) -> str:
    """Return of an address what may be shown: scheme, host, port and database, or the path of a socket."""
    scheme, _, _ = address.partition("://")
    if scheme == "embedded":
        return "embedded://"

    try:
        parts = _split(address)
        if scheme == "unix":
            return f"unix://{parts.path}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "localhost"
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return f"{scheme}://…" if scheme in _SCHEMES else "…"

    return f"{scheme}://{host}{port}{parts.path.rstrip('/')}"


def _split(address: str, /) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(address)
        is_sound = parts.port != 0 and "#" not in address and "@" not in parts.query
        urllib.parse.parse_qsl(parts.query, strict_parsing=bool(parts.query), keep_blank_values=True)
    except ValueError:
        is_sound = False
        parts = urllib.parse.urlsplit("")

    if not is_sound:
        error_message = f"address must be like redis://user:password@host:6379/0?name=value. {_ESCAPE}"
        raise ValueError(error_message)

    return parts


def _database_of(parts: urllib.parse.SplitResult, /) -> int | None:
    given = [value for name, value in urllib.parse.parse_qsl(parts.query) if name == "db"]
    path = "" if parts.scheme == "unix" else parts.path.removeprefix("/")
    text = given[0] if given else path
    if not all(number.isdecimal() and number.isascii() for number in (*given, path) if number):
        error_message = f"address must end in a database number, as in redis://localhost/0. {_ESCAPE}"
        raise ValueError(error_message)

    return int(text) if text else None

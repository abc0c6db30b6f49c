# SPDX-License-Identifier: BSD-3-Clause
"""What an address says, and how it may be shown. Pure."""

from __future__ import annotations

__all__ = [
    "OF_SENTINELS",
    "check_address",
    "hide_password",
    "is_cluster",
    "is_sendable",
    "is_sentinel",
    "nodes",
    "of_node",
    "sentinel_options",
    "service",
]

import typing
import urllib.parse
from collections import abc as collections

_SCHEMES: typing.Final[dict[str, str]] = {
    "embedded": "embedded",
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
_CLUSTER: typing.Final = "+cluster"
_SENTINEL: typing.Final = "+sentinel"
_MODES: typing.Final[dict[str, str]] = {
    f"{scheme}{mode}": f"{_SCHEMES[scheme]}{mode}"
    for mode in (_CLUSTER, _SENTINEL)
    for scheme in ("redis", "rediss", "valkey", "valkeys")
}
_PORTS: typing.Final = {_CLUSTER: 6379, _SENTINEL: 26379}
OF_SENTINELS: typing.Final = {"sentinel_password": "password", "sentinel_username": "username"}
"""The options that are for the Sentinels themselves, and what redis-py calls them."""


_ESCAPE: typing.Final = (
    "Characters such as / ? # @ % in a user name or password must be percent-encoded; or give the password as password="
)


def check_address(address: object, /) -> tuple[str, int | None]:
    """Return the address as the functions here read it, and the database it names, if any.

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
    if separator and scheme in _MODES:
        return _check_nodes(f"{_MODES[scheme]}://{rest}")
    if not separator or scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in (*_SCHEMES, *_MODES))
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


def is_cluster(address: str, /) -> bool:
    """Return whether an address is that of a Redis Cluster."""
    return address.partition("://")[0].endswith(_CLUSTER)


def is_sentinel(address: str, /) -> bool:
    """Return whether an address is that of Redis Sentinels, which know where the server is."""
    return address.partition("://")[0].endswith(_SENTINEL)


def nodes(address: str, /) -> list[tuple[str, int]]:
    """Return the hosts and ports that an address of a Cluster or of Sentinels lists.

    Raises
    ------
    ValueError
        If one of them cannot be read.
    """
    scheme, _, rest = address.partition("://")
    port = _PORTS[_CLUSTER if scheme.endswith(_CLUSTER) else _SENTINEL]
    hosts = _authority(rest).rpartition("@")[2]
    parts = [_split(f"redis://{host}") for host in hosts.split(",")]
    return [(part.hostname or "", part.port or port) for part in parts]


def of_node(address: str, host: str, port: int, /) -> str:
    """Return the address of one server of a Cluster, or one that Sentinels know of."""
    scheme, _, rest = address.partition("://")
    user, separator, _ = _authority(rest).rpartition("@")
    _, question_mark, query = rest.partition("?")
    own = [pair for pair in urllib.parse.parse_qsl(query) if pair[0] not in OF_SENTINELS]
    query = f"{question_mark}{urllib.parse.urlencode(own)}" if own else ""
    name = f"[{host}]" if ":" in host else host
    return f"{scheme.partition('+')[0]}://{user}{separator}{name}:{port}{query}"


def sentinel_options(address: str, options: collections.Mapping[str, typing.Any], /) -> dict[str, typing.Any]:
    """Return how to log in to the Sentinels themselves, in redis-py's words; `options` take the address's place."""
    pairs = {**dict(urllib.parse.parse_qsl(address.partition("?")[2])), **options}
    return {own: pairs[name] for name, own in OF_SENTINELS.items() if name in pairs}


def service(address: str, /) -> str:
    """Return the name under which Sentinels know the server."""
    path = address.partition("://")[2].partition("?")[0].partition("/")[2]
    return urllib.parse.unquote(path.strip("/"))


def is_sendable(text: str, /) -> bool:
    """Return whether a text has no lone surrogates, which no encoding has bytes for."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def hide_password(address: str, /) -> str:
    """Return of an address what may be shown: scheme, hosts, ports and database, or the path of a socket."""
    scheme, _, _ = address.partition("://")
    if scheme == "embedded":
        return "embedded://"

    try:
        if scheme in _MODES:
            name = service(address) if is_sentinel(address) else ""
            return f"{scheme}://{','.join(_show(*node) for node in nodes(address))}" + (f"/{name}" if name else "")
        parts = _split(address)
        if scheme == "unix":
            return f"unix://{parts.path}"
        shown = _show(parts.hostname or "localhost", parts.port)
    except ValueError:
        return f"{scheme}://…" if scheme in _SCHEMES or scheme in _MODES else "…"

    return f"{scheme}://{shown}{parts.path.rstrip('/')}"


def _show(host: str, port: int | None, /) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _authority(rest: str, /) -> str:
    return rest.partition("?")[0].partition("/")[0]


def _check_nodes(address: str, /) -> tuple[str, int | None]:
    scheme, _, rest = address.partition("://")
    example = f"{scheme}://one:6379,two:6379" if is_cluster(address) else f"{scheme}://one:26379,two:26379/service"
    try:
        found = nodes(address)
        parts = _split(of_node(address, *found[0]))
        database = _database_of(parts)
    except ValueError:
        found, database = [], None
    if not found or not all(host for host, _ in found) or "#" in rest:
        error_message = f"address must list servers, as in {example}. {_ESCAPE}"
        raise ValueError(error_message)

    if is_sentinel(address):
        if not service(address) or "/" in service(address):
            error_message = f"address must end in the name of the service that the Sentinels watch, as in {example}"
            raise ValueError(error_message)
        return address, database

    if service(address) not in {"", "0"} or database:
        error_message = "address must not name a database other than 0: a Redis Cluster has no others"
        raise ValueError(error_message)
    return address, 0


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

# SPDX-License-Identifier: BSD-3-Clause
"""What the server answers instead of a result. Pure."""

from __future__ import annotations

__all__ = ["ReplyError"]

import re
import typing

_START: typing.Final = re.compile(
    r"(?:EXECABORT Transaction discarded because of: )?(?:@\S+: *\d+: *)*-?(?:([A-Z]+) )?"
)
"""How an error begins; servers before 7.0 put the line of the script before it."""

_CLUSTER: typing.Final = frozenset(("ASK", "CLUSTERDOWN", "CROSSSLOT", "MOVED"))

_TEMPORARY: typing.Final = _CLUSTER | {
    "BUSY",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
}

_AWAY: typing.Final = frozenset(("LOADING", "MASTERDOWN"))
_AWAY_TEXT: typing.Final = "The cluster is down"
_CLUSTER_TEXT: typing.Final = "Script attempted to access a non local key"
_FORBIDDEN_TEXTS: typing.Final = ("ACL failure in script", "The user executing the script")
"""What has no code of its own where a script is refused it."""


class ReplyError(Exception):
    """An error that the server answered with.

    What it is, is told by how it begins. What follows may hold the names of keys, which others choose.

    Parameters
    ----------
    text
        The error as the server sent it: its code comes first.
    """

    def __init__(self, text: str, /) -> None:
        super().__init__(text)
        start = _START.match(text)
        code, rest = (start[1] or "", text[start.end() :]) if start else ("", text)
        self.code: typing.Final[str] = code
        """The first word, such as `WRONGTYPE`, or nothing."""
        self.is_away: typing.Final[bool] = code in _AWAY or (code == "CLUSTERDOWN" and rest.startswith(_AWAY_TEXT))
        """Whether it says that the server serves nothing of what it has, for now."""
        self.is_cluster: typing.Final[bool] = code in _CLUSTER or rest.startswith(_CLUSTER_TEXT)
        """Whether it says that the server is a node of a Cluster, where the key is elsewhere."""
        self.is_forbidden: typing.Final[bool] = code == "NOPERM" or rest.startswith(_FORBIDDEN_TEXTS)
        """Whether it says that the user may not do that."""
        self.is_unknown: typing.Final[bool] = rest.lower().startswith("unknown command")
        """Whether it says that the server has no such command."""
        self.is_full: typing.Final[bool] = code == "OOM"
        """Whether it says that the server has no memory left."""
        self.is_temporary: typing.Final[bool] = code in _TEMPORARY or self.is_cluster or self.is_forbidden
        """Whether the same request may succeed later."""

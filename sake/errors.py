# SPDX-License-Identifier: BSD-3-Clause
"""The errors that sake raises.

No other library's error leaves sake: what went wrong below is chained as the error's cause.

```text
SakeException
├── BackendError (also a ValueError)      the backend cannot be reached or refuses
├── CannotDelete (also a ValueError)      the entry may not be removed
├── ClosedClient                          the resource is not open, or in another event loop
├── DiscordError                          Discord was asked for what is not stored, and gave no answer
├── EntryNotFound (also a LookupError)    the entry is not stored
└── InvalidDataFound (also a LookupError) the entry is stored, but no model can be built from it
```
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "CannotDelete",
    "ClosedClient",
    "DiscordError",
    "EntryNotFound",
    "InvalidDataFound",
    "SakeException",
]


# Without __slots__: an exception has a __dict__ anyway, and pickling an exception carries nothing else.
class SakeException(Exception):
    """Base of all errors that sake raises.

    Catch this one to be safe from everything that may go wrong with a cache.

    Parameters
    ----------
    message : str
        What went wrong. It is also what `str()` of the error gives.
    exception : Exception | None
        The error that led to this one, if there was one.
    """

    exception: Exception | None
    """The error that led to this one, if there was one."""

    message: str
    """What went wrong."""

    def __init__(self, message: str, *, exception: Exception | None = None) -> None:
        super().__init__(message)
        self.exception = exception
        self.message = message


class BackendError(SakeException, ValueError):
    """The backend cannot be reached or refuses a request.

    Raised when a resource is opened, and by everything that reads or writes, if the server is away, rejects the
    credentials or answers with an error. `exception` is the backend's own error.

    The address, the password and the server's log tell more. While the server is away, a reader can ask Discord instead
    and come back later: the connection is made again as soon as the server is back.
    """


class CannotDelete(SakeException, ValueError):
    """An entry may not be removed.

    Raised by `delete_*` and `clear_*` methods of caches whose entries others depend on. What is merely missing never
    raises: removing it twice is fine.

    Remove what depends on the entry first, or leave the entry to the events of the gateway.
    """


class ClosedClient(SakeException):
    """A resource is used while it is not open, or from another event loop than the one that it was opened in.

    Raised by everything that reads or writes, before `open` was awaited and once `close` has begun. The message tells
    whether it is a matter of the event loop.

    Await `open` first, use the client in an `async with`, or let it open and close with the bot (`event_managed=True`).
    Make a client for each event loop and thread.
    """


class DiscordError(SakeException):
    """Discord was asked for what is not stored, and gave no answer.

    Raised by `fetch_*` methods if Discord cannot be reached, is out of order, limits the rate of requests, or rejects
    the token. `exception` is hikari's own error, and the message says what that says. Nothing follows for what was
    asked for: it may exist.

    Try again later, or look at the token if that is what Discord rejects.
    """


class EntryNotFound(SakeException, LookupError):
    """An entry is not stored.

    Raised by `get_*` methods that ask for one entry. Iterators, methods that ask for several entries and methods that
    remove entries never raise it.

    The entity may exist on Discord all the same: the cache holds what the gateway sent, for as long as it was told to.
    Ask Discord for it if it matters.
    """


class InvalidDataFound(SakeException, LookupError):
    """An entry is stored, but no model can be built from it.

    Raised by `get_*` methods that ask for one entry, if the stored bytes cannot be read (written with another `dumps`,
    or by another program), or if their shape is one that this version of hikari does not know, such as a new type of
    channel. The message names the key, and `exception` is the error of the reader. Iterators and methods that ask for
    several entries skip such entries.

    Treat it as a cache miss, and update hikari if the entity is of a new kind.
    """

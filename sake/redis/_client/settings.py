# SPDX-License-Identifier: BSD-3-Clause
"""What a client is given: checked when it is made, with sentences that help."""

from __future__ import annotations

__all__ = ["at_least", "check", "to_app", "warn_of_missing_intents"]

import typing
import warnings
from collections import abc as collections

import hikari

from .._model.addresses import is_sendable
from .application import Application

_SOUND: typing.Final[dict[str, tuple[collections.Callable[[object], bool], str]]] = {
    "config": (
        lambda given: given is None or isinstance(given, collections.MutableMapping),
        "a mapping to be written to",
    ),
    "connection_options": (lambda given: given is None or isinstance(given, collections.Mapping), "a mapping"),
    "dumps": (callable, "a function"),
    "loads": (callable, "a function"),
    "password": (
        lambda given: given is None or (isinstance(given, str) and is_sendable(given)),
        "a text of whole characters",
    ),
}


def at_least(least: int, number: int, name: str, /) -> int:
    """Return a whole number that a caller gave.

    Raises
    ------
    ValueError
        If it is none, or less than `least`.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < least:  # pyright: ignore[reportUnnecessaryIsInstance]
        error_message = f"{name} must be a whole number of at least {least}, not {number!r}"
        raise ValueError(error_message)

    return int(number)


def check(**given: object) -> None:
    """Refuse what a client was given if it is of another kind than what its name stands for.

    Raises
    ------
    ValueError
        If it is; it is named.
    """
    for name, thing in given.items():
        is_sound, what = _SOUND[name]
        if not is_sound(thing):
            error_message = f"{name} must be {what}, not {type(thing).__name__}"
            raise ValueError(error_message)


def to_app(app: object, /) -> hikari.RESTAware:
    """Return what models are bound to: an application, or one made of a REST client.

    Raises
    ------
    TypeError
        If it is neither.
    """
    # hikari's checks take a class for one of its instances, and whatever has network settings for a client.
    if not isinstance(app, type) and hasattr(app, "entity_factory"):
        if isinstance(app, hikari.RESTAware):
            return app
        if isinstance(app, hikari.api.RESTClient):
            return Application(app)

    error_message = f"app must be a bot or a REST client, not {_name(app)}"
    if isinstance(app, hikari.RESTApp):
        error_message += ": give it what the acquire() of yours returns, once that is started"
    raise TypeError(error_message)


def warn_of_missing_intents(
    cls: type[object],
    needed: hikari.Intents,
    parts: collections.Mapping[type[object], hikari.Intents],
    event_manager: object,
    app: object,
    /,
) -> None:
    """Warn, at the line that makes the client, of intents that the bot lacks and of the parts that need them."""
    aware = event_manager if hasattr(event_manager, "intents") else app
    intents = getattr(aware, "intents", None)
    if not isinstance(intents, hikari.Intents) or not (lacking := needed & ~intents):
        return

    missing = (_need([part for part, own in parts.items() if own & intent] or [cls], intent) for intent in lacking)
    warnings.warn(
        f"{cls.__name__} cannot be filled whole, as the bot lacks intents: {', '.join(missing)}",
        category=hikari.MissingIntentWarning,
        stacklevel=3,
    )


def _need(parts: collections.Sequence[type[object]], intent: hikari.Intents, /) -> str:
    names = [part.__name__ for part in parts]
    subject = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{subject} {'needs' if len(names) == 1 else 'need'} {intent.name}"


def _name(thing: object, /) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"{type(thing).__name__} ({thing!r:.64})"

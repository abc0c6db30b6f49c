# SPDX-License-Identifier: BSD-3-Clause
"""What a person sees of a demo: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

__all__ = ["Frame", "LiveScreen", "PlainScreen", "Screen", "make_screen"]

import contextlib
import dataclasses
import typing
from collections import abc as collections

import rich.console
import rich.live
import rich.markup
import rich.panel
import rich.table

_BYTES: typing.Final = 1 << 20
_MILLISECONDS: typing.Final = 1_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The figures of one moment."""

    phase: str
    """What is going on."""
    seconds: float
    """Seconds since the display began."""
    events: int
    """Gateway events so far."""
    event_rate: float
    """Gateway events a second, lately."""
    lag: float
    """Seconds from the arrival of an event until it was written: the largest, lately."""
    memory: int | None
    """Bytes that the server uses, if it tells."""
    counts: collections.Mapping[str, int]
    """Numbers of stored entities by kind, as the second process sees them."""
    reads: int
    """Entities that the second process has read so far."""
    read_rate: float
    """Entities that it read a second, lately."""
    read_errors: int
    """How often reading failed."""


class Screen(typing.Protocol):
    """Where a demo shows what it does."""

    interval: float
    """Seconds between two frames."""

    def say(self, text: str = "", /) -> None:
        """Show a line of text.

        Parameters
        ----------
        text
            The line, without markup.
        """

    def title(self, text: str, /) -> None:
        """Show the title of what follows.

        Parameters
        ----------
        text
            The title, without markup.
        """

    def show(self, frame: Frame, /) -> None:
        """Show the figures of a moment.

        Parameters
        ----------
        frame
            The figures.
        """

    def display(self) -> contextlib.AbstractContextManager[object]:
        """Show figures while a `with` block lasts.

        Returns
        -------
        contextlib.AbstractContextManager[object]
            What to enter.
        """
        ...


def make_screen(console: rich.console.Console, /) -> Screen:
    """Make the screen that fits where the output goes.

    Parameters
    ----------
    console
        Where it goes.

    Returns
    -------
    Screen
        A live one for a terminal, else a plain one.
    """
    return LiveScreen(console) if console.is_terminal and not console.is_dumb_terminal else PlainScreen(console)


class PlainScreen:
    """Lines of text, about one a second while figures are shown.

    Parameters
    ----------
    console
        Where they go.
    """

    __slots__ = ("_console", "interval")

    def __init__(self, console: rich.console.Console, /) -> None:
        self._console = console
        self.interval = 1.0

    def say(self, text: str = "", /) -> None:
        """Show a line of text."""
        self._console.print(text, markup=False)

    def title(self, text: str, /) -> None:
        """Show the title of what follows."""
        self.say()
        self.say(text)

    def show(self, frame: Frame, /) -> None:
        """Show the figures of a moment in one line."""
        counts = ", ".join(f"{number:,} {kind}" for kind, number in frame.counts.items() if number)
        self.say(
            f"{frame.seconds:5.1f} s  {frame.phase}: {frame.event_rate:,.0f} events/s, lag {_tell_lag(frame.lag)}, "
            f"{_tell_memory(frame.memory)}; reader: {frame.read_rate:,.0f} reads/s, {frame.read_errors} errors; "
            f"{counts or 'nothing stored yet'}"
        )

    def display(self) -> contextlib.AbstractContextManager[object]:
        """Show figures while a `with` block lasts."""
        return contextlib.nullcontext()


class LiveScreen:
    """A panel on a terminal which is kept up to date.

    Parameters
    ----------
    console
        The terminal.
    """

    __slots__ = ("_console", "_live", "interval")

    def __init__(self, console: rich.console.Console, /) -> None:
        self._console = console
        self._live: rich.live.Live | None = None
        self.interval = 0.25

    def say(self, text: str = "", /) -> None:
        """Show a line of text."""
        self._console.print(text, markup=False)

    def title(self, text: str, /) -> None:
        """Show the title of what follows."""
        self._console.print()
        self._console.print(f"[bold]{rich.markup.escape(text)}[/]")

    def show(self, frame: Frame, /) -> None:
        """Show the figures of a moment in the panel."""
        if self._live is not None:
            self._live.update(_render(frame), refresh=True)

    @contextlib.contextmanager
    def display(self) -> collections.Generator[None, None, None]:
        """Show figures while a `with` block lasts."""
        with rich.live.Live(console=self._console, auto_refresh=False) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None


def _render(frame: Frame, /) -> rich.console.RenderableType:
    figures = _make_table()
    for name, value in (
        ("events", f"{frame.events:,}"),
        ("events a second", f"{frame.event_rate:,.0f}"),
        ("write lag", _tell_lag(frame.lag)),
        ("server", _tell_memory(frame.memory)),
        ("", ""),
        ("second process", ""),
        ("entities read", f"{frame.reads:,}"),
        ("reads a second", f"{frame.read_rate:,.0f}"),
        ("errors", f"{frame.read_errors}"),
    ):
        figures.add_row(name, value)

    stored = _make_table()
    for kind, number in frame.counts.items():
        stored.add_row(kind, f"{number:,}")

    if not frame.counts:
        stored.add_row("nothing stored yet", "")

    columns = rich.table.Table.grid(padding=(0, 4))
    columns.add_row(figures, stored)
    title = rich.markup.escape(f"sake demo: {frame.phase}, {frame.seconds:.0f} s")
    return rich.panel.Panel(columns, title=title, title_align="left", expand=False, padding=(1, 2))


def _make_table() -> rich.table.Table:
    table = rich.table.Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", min_width=16)
    table.add_column(justify="right", style="bold", min_width=10)
    return table


def _tell_lag(seconds: float, /) -> str:
    return f"{seconds * _MILLISECONDS:.1f} ms"


def _tell_memory(used: int | None, /) -> str:
    return "memory unknown" if used is None else f"{used / _BYTES:.1f} MiB"

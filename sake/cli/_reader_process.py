# SPDX-License-Identifier: BSD-3-Clause
"""The second process of a demo, as seen from the first."""

from __future__ import annotations

__all__ = ["ReaderError", "ReaderProcess"]

import asyncio
import collections as collections_
import contextlib
import os
import pathlib
import sys
import typing
from collections import abc as collections

import orjson

import sake
from sake.cli import _comparison

if typing.TYPE_CHECKING:
    import types

    import typing_extensions

_CLOSE_SECONDS: typing.Final = 5.0
_FAREWELL: typing.Final = {"end": True}
_LONGEST_LINE: typing.Final = 2**28
_LAST_WORDS: typing.Final = 12
_MODULE: typing.Final = "sake.cli._reader"


class ReaderError(Exception):
    """The second process has ended though it should not have."""


class ReaderProcess:
    """Starts the second process, listens to what it reports, and ends it.

    Parameters
    ----------
    cleans_up
        Whether it removes what the demo keeps on its server if this process ends without a word.
    **options
        What its cache is made with, apart from the application; JSON has to be able to express it.
    """

    __slots__ = (
        "_last_words",
        "_listeners",
        "_process",
        "_reported",
        "_setup",
        "_verdicts",
        "counts",
        "error",
        "errors",
        "reads",
    )

    def __init__(self, *, cleans_up: bool, **options: object) -> None:
        self.counts: dict[str, int] = {}
        """How many entities of each kind it sees."""
        self.error = ""
        """The last failure to read, in words."""
        self.errors = 0
        """How often it failed to read."""
        self.reads = 0
        """How many entities it has read."""
        self._last_words: collections_.deque[str] = collections_.deque(maxlen=_LAST_WORDS)
        self._listeners: list[asyncio.Task[None]] = []
        self._setup = {"cache": options, "cleans_up": cleans_up}
        self._process: asyncio.subprocess.Process | None = None
        self._reported = asyncio.Event()
        self._verdicts: asyncio.Queue[_comparison.Verdict | None] = asyncio.Queue()

    async def __aenter__(self) -> typing_extensions.Self:
        pipe = asyncio.subprocess.PIPE
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            _MODULE,
            env=_build_environment(),
            limit=_LONGEST_LINE,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            # Ctrl-C is for the first process, which then closes this one's standard input.
            start_new_session=True,
        )
        # Both are there, as pipes were asked for.
        output, messages = typing.cast("tuple[asyncio.StreamReader, ...]", (process.stdout, process.stderr))
        self._listeners = [
            asyncio.create_task(self._listen(output), name="sake demo reports of the reader"),
            asyncio.create_task(self._note(messages), name="sake demo messages of the reader"),
        ]
        await self._send(self._setup)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: types.TracebackType | None,
        /,
    ) -> None:
        process = self._process
        if process is None:
            return

        try:
            # One that does not end by itself is ended below.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._send(_FAREWELL), _CLOSE_SECONDS)
                if process.stdin is not None:
                    process.stdin.close()

                await asyncio.wait_for(process.wait(), _CLOSE_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

            await process.wait()
            for listener in self._listeners:
                await listener

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def wait_reading(self, *, within: float) -> None:
        """Wait until it has told what it reads.

        Parameters
        ----------
        within
            Seconds to wait.

        Raises
        ------
        ReaderError
            If it ends instead, or it takes longer.
        """
        try:
            await asyncio.wait_for(self._reported.wait(), within)
        except TimeoutError:
            error_message = f"The second process has not begun to read within {within:.0f} s"
            raise ReaderError(error_message) from None

        if not self._verdicts.empty():
            raise self._explain()

    async def compare_guild(self, truth: collections.Mapping[str, typing.Any], /) -> _comparison.Verdict:
        """Let it compare a guild; from then on it reads nothing else.

        Parameters
        ----------
        truth
            What `sake.cli._truth.of_guild` made.

        Returns
        -------
        Verdict
            What it found.

        Raises
        ------
        ReaderError
            If the process ends instead.
        """
        return await self._order({"guild": truth})

    async def compare_rest(self, truth: collections.Mapping[str, typing.Any], /) -> _comparison.Verdict:
        """Let it compare what belongs to no guild, after all guilds.

        Parameters
        ----------
        truth
            What `sake.cli._truth.of_rest` made.

        Returns
        -------
        Verdict
            What it found.

        Raises
        ------
        ReaderError
            If the process ends instead.
        """
        return await self._order({"rest": truth})

    async def _order(self, order: dict[str, typing.Any], /) -> _comparison.Verdict:
        await self._send(order)
        verdict = await self._verdicts.get()
        if verdict is None:
            # For whoever asks next.
            self._verdicts.put_nowait(None)
            raise self._explain()

        return verdict

    def _explain(self) -> ReaderError:
        return ReaderError("\n".join(("The second process ended:", *(self._last_words or ("without a word",)))))

    async def _send(self, order: object, /) -> None:
        stdin = self._process.stdin if self._process is not None else None
        if stdin is not None and not stdin.is_closing():
            # That it has ended is told by the end of what it reports.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stdin.write(orjson.dumps(order) + b"\n")
                await stdin.drain()

    async def _listen(self, output: asyncio.StreamReader, /) -> None:
        while line := await output.readline():
            message = orjson.loads(line)
            if "verdict" in message:
                self._verdicts.put_nowait(_comparison.Verdict(**message["verdict"]))
            else:
                load = message["load"]
                self.reads, self.errors, self.error = load["reads"], load["errors"], load["error"]
                self.counts = load["counts"]
                self._reported.set()

        self._verdicts.put_nowait(None)
        self._reported.set()

    async def _note(self, messages: asyncio.StreamReader, /) -> None:
        while line := await messages.readline():
            self._last_words.append(line.decode(errors="replace").rstrip())


def _build_environment() -> dict[str, str]:
    """Let the other interpreter find this very package, wherever it is run from."""
    folder = str(pathlib.Path(sake.__file__).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{path}" if path else folder}

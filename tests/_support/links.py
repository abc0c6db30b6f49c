# SPDX-License-Identifier: BSD-3-Clause
"""A long way to a server: what is sent there, and what it answers, takes its time."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import tempfile
from collections import abc as collections


class Link:
    """A socket that leads to another one."""

    def __init__(self, server: pathlib.Path, path: pathlib.Path, delay: float) -> None:
        self.path = path
        self.delay = delay
        """Seconds that everything takes, in each direction."""
        self.is_open = asyncio.Event()
        """Whether anything passes. What is sent while nothing does waits."""
        self.is_open.set()
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect somebody."""
        there, back = await asyncio.open_unix_connection(self._server)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, target), name="link")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(waiting, target), name="link: sending")
        try:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65_536):
                    waiting.put_nowait((loop.time() + self.delay, data))
            waiting.put_nowait((loop.time() + self.delay, b""))
            await sending
        finally:
            sending.cancel()
            target.close()
            with contextlib.suppress(ConnectionError):
                await target.wait_closed()

    async def _send(self, waiting: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                at, data = await waiting.get()
                await asyncio.sleep(max(at - asyncio.get_running_loop().time(), 0))
                await self.is_open.wait()
                if not data:
                    break
                target.write(data)

    async def close(self) -> None:
        """Let nothing pass any more."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def slow(server: pathlib.Path, delay: float) -> collections.AsyncIterator[Link]:
    """Open a way that takes so many seconds in each direction."""
    with tempfile.TemporaryDirectory(prefix="sake-tests-") as folder:
        link = Link(server, pathlib.Path(folder) / "link.sock", delay)
        listener = await asyncio.start_unix_server(link.accept, link.path)
        try:
            yield link
        finally:
            listener.close()
            await link.close()

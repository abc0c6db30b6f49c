# SPDX-License-Identifier: BSD-3-Clause
"""Connections in memory: they are slow, narrow, cut and reset as a story wants it."""

from __future__ import annotations

import asyncio
import contextvars
import random
import socket
import typing
from collections import abc as collections
from collections import deque

from simulation import clock as clock_

Address = tuple[str, int]

_HIGH: typing.Final = 65_536
_CHUNK: typing.Final = 16_384
_NARROW: typing.Final = 8
"""How much smaller all buffers are where the link is narrow, as a story's links are thinner than real ones."""
_APART: typing.Final = 0.000_002
"""Seconds between what follows each other on one connection: more than timers are late."""
_SYSTEM_BUFFER: typing.Final = 131_072
"""Bytes that the system takes from a process before they are on their way."""


class Peer(typing.Protocol):
    """What serves one connection."""

    def received(self, data: bytes) -> None: ...

    def lost(self) -> None: ...


class Listener(typing.Protocol):
    """What answers at an address."""

    @property
    def is_listening(self) -> bool: ...

    def accept(self, link: Link) -> Peer: ...


class Network:
    """What connects processes with servers."""

    def __init__(self, clock: clock_.Clock, chance: random.Random) -> None:
        self.listeners: dict[Address, Listener] = {}
        self.links: dict[Link, str] = {}
        """Open connections, and the host that has each."""
        self.latency = (0.000_05, 0.000_4)
        self.width: float | None = None
        """Bytes a second, in each direction."""
        self.opened = 0
        self.splits = 0.1
        """The part of all replies that arrives in pieces."""
        self.chance = chance
        self._clock = clock
        self._is_cut = False
        self._mended: list[asyncio.Future[None]] = []

    @property
    def is_cut(self) -> bool:
        """Whether nothing gets through, in silence."""
        return self._is_cut

    def cut(self) -> None:
        """Let nothing through from now on."""
        self._is_cut = True

    def mend(self) -> None:
        """Let everything through again, also what was held back."""
        self._is_cut = False
        mended, self._mended = self._mended, []
        for waiter in mended:
            if not waiter.done():
                waiter.set_result(None)
        for link in list(self.links):
            link.mended()

    def delay(self) -> float:
        """Draw how long something takes to arrive."""
        low, high = self.latency
        return low + self.chance.random() * (high - low)

    def links_of(self, host: str) -> list[Link]:
        """Return the open connections of a host."""
        return [link for link, owner in self.links.items() if owner == host]

    async def connect(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol_factory: collections.Callable[[], asyncio.BaseProtocol],
        address: Address,
    ) -> tuple[Link, asyncio.BaseProtocol]:
        """Open a connection, as `create_connection` does."""
        await asyncio.sleep(self.delay() + self.delay())
        while self._is_cut:
            waiter: asyncio.Future[None] = loop.create_future()
            self._mended.append(waiter)
            await waiter

        listener = self.listeners.get(address)
        if listener is None or not listener.is_listening:
            error_message = f"{address} refuses"
            raise ConnectionRefusedError(111, error_message)

        from simulation import loop as loop_

        protocol = protocol_factory()
        link = Link(self, loop, protocol)
        self.links[link] = loop_.HOST.get()
        self.opened += 1
        link.number = self.opened
        link.peer = listener.accept(link)
        protocol.connection_made(link)
        return link, protocol


class _Socket:
    """As much of a socket as clients want to see."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM

    def __init__(self) -> None:
        self.drops_on_abort = False

    def setsockopt(self, level: int, name: int, value: typing.Any, *_: object) -> None:
        if (level, name) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.drops_on_abort = True

    def getsockopt(self, *_: object) -> int:
        return 0

    def fileno(self) -> int:
        return -1


class Link(asyncio.Transport):
    """One connection: the client's transport, and the way to the server and back."""

    def __init__(self, network: Network, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol) -> None:
        self.number = 0
        self.socket = _Socket()
        super().__init__({"socket": self.socket, "peername": ("10.0.0.1", 6379), "sockname": ("10.0.0.2", 40_000)})
        self.peer: Peer
        self._network = network
        self._loop = loop
        self._protocol = protocol
        self._context = contextvars.copy_context()
        self._unsent: deque[bytes] = deque()
        self._unsent_size = 0
        self._under_way: deque[bytes] = deque()
        """Chunks that the system has and the server has not."""
        self._under_way_size = 0
        self._line_free = [0.0, 0.0]
        self._arrived = [0.0, 0.0]
        self._held: deque[bytes] = deque()
        self._is_writing_paused = False
        self._is_reading_paused = False
        self._is_closing = False
        self._is_over = False
        self._is_reset = False
        self._inbox: deque[bytes | None] = deque()
        self.cut_reply_after: int | None = None
        """Bytes of replies that still arrive before the connection is reset."""

    # What a client does.

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not self._is_reading_paused

    def get_write_buffer_size(self) -> int:
        return self._unsent_size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._high // 4, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    @property
    def _share(self) -> int:
        return _NARROW if self._network.width else 1

    @property
    def _high(self) -> int:
        return _HIGH // self._share

    def pause_reading(self) -> None:
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        self._is_reading_paused = False
        while self._inbox and not self._is_reading_paused:
            self._give(self._inbox.popleft())

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or self._is_over or not data:
            return
        whole = bytes(data)
        size = _CHUNK // self._share
        for start in range(0, len(whole), size):
            chunk = whole[start : start + size]
            self._unsent.append(chunk)
            self._unsent_size += len(chunk)
        self._pump()
        if self._unsent_size > self._high and not self._is_writing_paused:
            self._is_writing_paused = True
            typing.cast("asyncio.Protocol", self._protocol).pause_writing()

    def writelines(self, list_of_data: collections.Iterable[typing.Any]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if not self._unsent:
            self._end(None)

    def abort(self) -> None:
        self._is_closing = True
        self._unsent.clear()
        self._unsent_size = 0
        if self.socket.drops_on_abort:
            self._under_way.clear()
            self._held.clear()
        self._end(None)

    # What happens on the way.

    def _pump(self) -> None:
        while self._unsent and self._under_way_size < _SYSTEM_BUFFER // self._share:
            chunk = self._unsent.popleft()
            self._unsent_size -= len(chunk)
            self._under_way.append(chunk)
            self._under_way_size += len(chunk)
            if not self._network.is_cut:
                self._loop.call_at(self._arrival(0, len(chunk)), self._deliver)
        if self._is_writing_paused and self._unsent_size <= self._high // 4:
            self._is_writing_paused = False
            typing.cast("asyncio.Protocol", self._protocol).resume_writing()
        if self._is_closing and not self._unsent and not self._is_over:
            self._end(None)

    def _arrival(self, way: int, size: int) -> float:
        now, width = self._loop.time(), self._network.width
        if width:
            self._line_free[way] = max(self._line_free[way], now) + size / width
            now = self._line_free[way]
        self._arrived[way] = max(self._arrived[way] + _APART, now + self._network.delay())
        return self._arrived[way]

    def _deliver(self) -> None:
        if not self._under_way or self._network.is_cut:
            return
        chunk = self._under_way.popleft()
        self._under_way_size -= len(chunk)
        self.peer.received(chunk)
        if not self._is_over:
            self._pump()

    def mended(self) -> None:
        """Go on after nothing got through."""
        if self._is_over:
            self._loop.call_at(self._arrival(0, 0), self._tell_peer)
            return
        if self._is_reset:
            self.reset()
        for chunk in list(self._under_way):
            self._loop.call_at(self._arrival(0, len(chunk)), self._deliver)
        held, self._held = self._held, deque()
        for data in held:
            self._send_back(data)

    # What a server does.

    def reply(self, data: bytes) -> None:
        """Send something to the client."""
        if self._is_over:
            return
        if self.cut_reply_after is not None:
            data = data[: self.cut_reply_after]
            self.cut_reply_after -= len(data)
        if len(data) > 1 and self._network.chance.random() < self._network.splits:
            place = 1 + int(self._network.chance.random() * (len(data) - 1))
            self._send_back(data[:place])
            data = data[place:]
        self._send_back(data)
        if self.cut_reply_after == 0:
            self.reset()

    def reset(self) -> None:
        """Break the connection off, after what was sent before."""
        self._loop.call_at(self._arrival(1, 0), self._broken, context=self._context)

    def _broken(self) -> None:
        self._is_reset = True
        if self._network.is_cut:
            return
        self._end(ConnectionResetError(104, "Connection reset by peer"))

    def _send_back(self, data: bytes) -> None:
        if self._network.is_cut:
            self._held.append(data)
        elif data:
            self._loop.call_at(self._arrival(1, len(data)), self._arrive, data, context=self._context)

    def _arrive(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._network.is_cut:
            self._held.append(data)
        elif self._is_reading_paused:
            self._inbox.append(data)
        else:
            self._give(data)

    def _give(self, data: bytes | None) -> None:
        if data is not None and not self._is_over:
            typing.cast("asyncio.Protocol", self._protocol).data_received(data)

    def _end(self, exc: Exception | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._is_closing = True
        self._network.links.pop(self, None)
        self._loop.call_soon(self._protocol.connection_lost, exc, context=self._context)
        if self._is_writing_paused:
            self._is_writing_paused = False
        self._loop.call_at(self._arrival(0, 0), self._tell_peer)

    def vanish(self) -> None:
        """Let the client be gone, without a word to it: what the system has been given still arrives."""
        if not self._is_over:
            self._is_over = self._is_closing = True
            self._network.links.pop(self, None)
            self._loop.call_at(self._arrival(0, 0), self._tell_peer)

    def _tell_peer(self) -> None:
        if self._network.is_cut and self._under_way:
            # What the system has been given arrives once something gets through; nobody looks at the answer.
            self._network.links.setdefault(self, "nobody")
            return
        while self._under_way:
            self.peer.received(self._under_way.popleft())
        self._network.links.pop(self, None)
        self.peer.lost()

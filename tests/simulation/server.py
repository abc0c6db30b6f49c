# SPDX-License-Identifier: BSD-3-Clause
"""A server in memory: fakeredis's core behind RESP, and the states that a server can be in."""

from __future__ import annotations

import copy
import hashlib
import typing
from collections import abc as collections

import fakeredis
import hiredis
import redis
from fakeredis._helpers import NoResponse
from fakeredis._helpers import SimpleError
from fakeredis._helpers import SimpleString
from fakeredis._socket import _fakesocket
from redis.crc import key_slot

from simulation import clock as clock_
from simulation import network as network_
from simulation import trace as trace_

Data = dict[int, dict[bytes, tuple[typing.Any, float | None]]]

_FREES: typing.Final = frozenset(
    {
        *("del", "expire", "expireat", "flushall", "flushdb", "getdel", "hdel", "lpop", "lrem", "ltrim", "persist"),
        *("pexpire", "pexpireat", "rename", "renamenx", "rpop", "smove", "spop", "srem", "unlink", "zrem"),
    }
)
"""Commands that write, and that a full server still does."""

_WRITES: typing.Final = _FREES | {
    *("append", "copy", "getex", "getset", "hincrby", "hmset", "hset", "hsetnx", "incr", "incrby", "lpush", "mset"),
    *("msetex", "msetnx", "psetex", "restore", "rpush", "sadd", "set", "setex", "setnx", "setrange", "zadd"),
}
_WHILE_LOADING: typing.Final = frozenset(
    {"auth", "client", "command", "config", "discard", "exec", "hello", "info", "multi", "select"}
)
_WITHOUT_KEYS: typing.Final = _WHILE_LOADING | {
    *("cluster", "echo", "eval", "evalsha", "fcall", "function", "ping", "quit", "role", "scan", "script", "time"),
    *("unwatch", "wait"),
}
_WORK: typing.Final = 0.000_1
"""Seconds that a server takes for a command at most."""
_HALF: typing.Final = 8_192
"""The first slot of the other node, where the server is one of two."""


class Server:
    """What answers at one address."""

    def __init__(self, network: network_.Network, clock: clock_.Clock, trace: trace_.Trace) -> None:
        self.has_msetex = True
        self.is_cluster = False
        self.is_down = False
        self.is_frozen = False
        self.is_full = False
        self.is_loading = False
        self.is_replica = False
        self.commands = 0
        self.on_change: collections.Callable[[bytes], None] = lambda _: None
        """Called after each command that may have changed something, with what came along with it."""
        self.doom: str | None = None
        """How the connection that asks next ends: before or after it is executed, or within the reply."""
        self.sessions: dict[Session, None] = {}
        self._clock = clock
        self._network = network
        self._waiting: list[tuple[Session, bytes]] = []
        self._trace = trace
        self.fake = fakeredis.FakeServer(version=(7,))

    @property
    def is_listening(self) -> bool:
        return not self.is_down

    @property
    def is_well(self) -> bool:
        """Whether it does what it is asked to."""
        states = self.is_down, self.is_frozen, self.is_full, self.is_loading, self.is_replica, self.is_cluster
        return not any(states) and not self._network.is_cut

    def accept(self, link: network_.Link) -> Session:
        session = Session(self, link)
        self.sessions[session] = None
        return session

    def freeze(self) -> None:
        """Answer nothing, while connections stay."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Do all that was asked meanwhile, in the order in which it came."""
        self.is_frozen = False
        waiting, self._waiting = self._waiting, []
        for session, data in waiting:
            session.serve(data)

    def received(self, session: Session, data: bytes) -> None:
        """Take what came through a connection."""
        if self.is_frozen:
            self._waiting.append((session, data))
        else:
            session.serve(data)

    def stop(self) -> None:
        """End, with all connections."""
        self.is_down = True
        self.is_frozen = False
        self._waiting.clear()
        for session in list(self.sessions):
            session.end()

    def start(self, data: Data | None) -> None:
        """Come back with some data, or [None][] for what there was."""
        if data is None:
            data = self.snapshot()
        self.fake = fakeredis.FakeServer(version=(7,))
        for index, items in data.items():
            for key, (value, expires) in items.items():
                item = fakeredis._core._database.Item(copy.deepcopy(value))
                item.expireat = expires
                self.fake.dbs[index][key] = item
        self.is_down = False

    def snapshot(self) -> Data:
        """Return all that is stored."""
        return {
            index: {key: (copy.deepcopy(item.value), item.expireat) for key, item in database._dict.items()}
            for index, database in self.fake.dbs.items()
        }

    def databases(self) -> collections.Iterator[tuple[int, dict[bytes, typing.Any]]]:
        """Yield what each database holds now; not to be changed."""
        for index in list(self.fake.dbs):
            yield index, self._peek(index)

    def _peek(self, index: int) -> dict[bytes, typing.Any]:
        database = self.fake.dbs[index]
        now = self._clock.now
        return {
            key: item.value for key, item in database._dict.items() if item.expireat is None or item.expireat >= now
        }

    def kill_all(self) -> None:
        """End all connections."""
        for session in list(self.sessions):
            session.end()

    def evict(self, choose: collections.Callable[[list[bytes]], list[bytes]]) -> int:
        """Remove some of the keys that have a lifetime."""
        removed = 0
        for _, database in sorted(self.fake.dbs.items()):
            for key in choose([key for key, item in database._dict.items() if item.expireat is not None]):
                del database._dict[key]
                removed += 1
        return removed

    def refusal(self, name: str, arguments: collections.Sequence[bytes], *, in_script: bool) -> str | None:
        """Return the error with which a command is refused, if it is."""
        if name == "msetex" and not self.has_msetex:
            return "ERR unknown command 'MSETEX'"
        if self.is_loading and name not in _WHILE_LOADING:
            return "LOADING Redis is loading the dataset in memory"
        if self.is_replica and name in _WRITES:
            return "READONLY You can't write against a read only replica."
        if self.is_full and name in _WRITES - _FREES:
            return "OOM command not allowed when used memory > 'maxmemory'."
        if self.is_cluster and name not in _WITHOUT_KEYS:
            return _refusal_of_cluster(name, arguments, in_script=in_script)
        return None

    def note(self, session: Session, name: str, arguments: collections.Sequence[bytes], outcome: str) -> None:
        """Write into the trace what was done."""
        self.commands += 1
        size = sum(map(len, arguments))
        self._trace.note("server", f"#{session.link.number}", name, len(arguments), size, outcome)

    def work(self) -> None:
        """Let the time pass that a command takes."""
        self._clock.advance(self._network.chance.random() * _WORK)


def _refusal_of_cluster(name: str, arguments: collections.Sequence[bytes], *, in_script: bool) -> str | None:
    many = {"del", "exists", "mget", "unlink", "touch"}
    keys = arguments if name in many else arguments[::2] if name == "mset" else arguments[:1]
    slots = {key_slot(key) for key in keys}
    if len(slots) > 1:
        return "CROSSSLOT Keys in request don't hash to the same slot"
    if slots and min(slots) >= _HALF:
        return (
            "ERR Script attempted to access a non local key in a cluster node"
            if in_script
            else f"MOVED {min(slots)} 10.0.0.9:6379"
        )
    return None


class Session(_fakesocket.FakeSocket):
    """One connection, seen from the server."""

    def __init__(self, server: Server, link: network_.Link) -> None:
        super().__init__(server.fake, 0, client_class=redis.Redis)
        self.link = link
        self._sim = server
        self._is_over = False
        self._out = bytearray()
        self._reader = hiredis.Reader()
        self._touched: list[bytes] = []
        self._has_written = False
        """Whether the script that runs has: it is not stopped any more for want of memory."""

    def __hash__(self) -> int:
        return self.link.number

    def received(self, data: bytes) -> None:
        if not self._is_over:
            self._sim.received(self, data)

    def lost(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._sim.sessions.pop(self, None)
            self.close()

    def end(self) -> None:
        """Break the connection off."""
        self.link.reset()
        self.lost()

    def serve(self, data: bytes) -> None:
        """Do what is asked."""
        if self._is_over:
            return
        doom, self._sim.doom = self._sim.doom, None
        if doom == "before":
            self.end()
            return
        self._reader.feed(data)
        while (command := self._reader.gets()) is not False:
            self._process_command(command)
        out, self._out = bytes(self._out), bytearray()
        if doom == "after":
            self.end()
            return
        if doom == "within":
            self.link.cut_reply_after = len(out) // 2
        if out:
            self.link.reply(out)

    def put_response(self, msg: typing.Any) -> None:
        _encode(self._out, msg)

    def _decode_result(self, result: typing.Any) -> typing.Any:
        return result

    def _process_command(self, fields: list[bytes]) -> None:
        name, arguments = fields[0].decode(errors="replace").lower(), fields[1:]
        self._sim.work()
        refusal = self._sim.refusal(name, arguments, in_script=False)
        if refusal is not None:
            if self._queueing:
                self._transaction_failed = True
            self._sim.note(self, name, arguments, refusal.partition(" ")[0])
            self.put_response(SimpleError(refusal))
            return
        if name == "command" and arguments[:1] == [b"INFO"]:
            known = [b"msetex", -5, [b"write"], 1, 1, 1] if self._sim.has_msetex else None
            self.put_response([known])
            return
        before = len(self._out)
        super()._process_command(fields)
        self._sim.note(self, name, arguments, hashlib.md5(self._out[before:]).hexdigest()[:6])
        if self._queueing:
            self._touched += arguments
        elif name in _WRITES or name in {"exec", "eval"}:
            self._touched += arguments
            self._sim.on_change(b" ".join(self._touched))
            self._touched.clear()

    def eval(self, script: bytes, numkeys: int, *arguments: bytes) -> typing.Any:
        """Run a script: as the base class does it, but compiled once, and without its checks of the script itself."""
        runtime, fake = self._get_server_runtime(self._server), typing.cast("typing.Any", self._server)
        compiled = self._server.script_cache.get(script)
        if compiled is None:
            compiled = self._server.script_cache[script] = runtime.compile(script)
        self._has_written = False
        fake._lua_current_socket[0] = self
        self._script_resp = 2
        fake._lua_set_keys_argv(
            runtime.table_from(arguments[: int(numkeys)]), runtime.table_from(arguments[int(numkeys) :])
        )
        try:
            result = compiled()
        finally:
            self._script_resp = None
        return self._convert_lua_result(result, nested=False)

    def _lua_redis_call(
        self, lua_runtime: typing.Any, expected_globals: object, op: bytes, *args: typing.Any
    ) -> typing.Any:
        func, sig = self._name_to_func(op.decode().lower())
        converted = [arg if isinstance(arg, bytes) else b"%d" % arg for arg in args]
        return self._convert_redis_result(lua_runtime, self._run_command(func, sig, converted, True))

    def _run_command(self, func: typing.Any, sig: typing.Any, args: list[typing.Any], from_script: bool) -> typing.Any:
        if from_script:
            refusal = self._sim.refusal(sig.name.lower(), args, in_script=True)
            if refusal is not None and not (self._has_written and refusal.startswith("OOM")):
                return SimpleError(refusal)
            self._has_written = self._has_written or sig.name.lower() in _WRITES
        return super()._run_command(func, sig, args, from_script)


def _encode(out: bytearray, value: typing.Any) -> None:
    if value is None:
        out += b"$-1\r\n"
    elif isinstance(value, bytes):
        out += b"$%d\r\n%b\r\n" % (len(value), value)
    elif isinstance(value, (bool, int)):
        out += b":%d\r\n" % value
    elif isinstance(value, SimpleString):
        out += b"+%b\r\n" % value.value
    elif isinstance(value, SimpleError):
        out += b"-%b\r\n" % value.value.encode()
    elif isinstance(value, (list, tuple)):
        out += b"*%d\r\n" % len(value)
        for part in value:
            _encode(out, part)
    elif isinstance(value, str):
        _encode(out, value.encode())
    elif isinstance(value, float):
        _encode(out, repr(value).encode())
    elif not isinstance(value, NoResponse):
        error_message = f"no RESP for {value!r}"
        raise TypeError(error_message)

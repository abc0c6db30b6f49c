# SPDX-License-Identifier: BSD-3-Clause
"""A primary, its replicas and the Sentinels that watch them, which a test may take away and give back."""

from __future__ import annotations

import contextlib
import pathlib
import secrets
import signal
import subprocess
import tempfile
import typing
import urllib.parse
from collections import abc as collections

import redis

from . import own_server

SERVICE: typing.Final = "bot-cache"
DOWN_AFTER: typing.Final = 1.5
"""Seconds after which Sentinels take a server that does not answer for dead: a busy machine keeps them waiting too."""

_HOST: typing.Final = "127.0.0.1"
_QUORUM: typing.Final = 2
_REPLICAS: typing.Final = 2
_SENTINELS: typing.Final = 3
_SECONDS: typing.Final = 30.0


class Instance:
    """One process: a server or a Sentinel."""

    def __init__(self, command: collections.Sequence[str], port: int, password: str | None, tls: Tls | None) -> None:
        self.port: typing.Final = port
        self._command = [*command]
        self._options: dict[str, typing.Any] = {"host": _HOST, "port": port, "password": password}
        if tls is not None:
            self._options |= {"ssl": True, "ssl_ca_certs": str(tls.certificate)}
        self._process: subprocess.Popen[bytes] | None = None

    def do(self, *command: typing.Any) -> typing.Any:
        """Send it a command."""
        with contextlib.closing(self.client()) as client:
            # Word by word, so that redis-py leaves the answer as it is.
            return client.execute_command(*str(command[0]).split(), *command[1:])

    def client(self, **options: typing.Any) -> redis.Redis:
        """Make a client of this instance alone."""
        return redis.Redis(**self._options, **options)

    @property
    def is_primary(self) -> bool:
        """Whether it takes itself for a primary."""
        return typing.cast("list[typing.Any]", self.do("ROLE"))[0] == b"master"

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        own_server.wait_until(self._answers, within=_SECONDS)

    def kill(self) -> None:
        """End it at once; everything it held is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(_SECONDS)

    def pause(self) -> None:
        """Let it answer nothing, while connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it ended"
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.do("PING"))

        return False


class Tls:
    """The certificate of all instances, and its key."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.certificate, self.key = own_server.make_certificate(folder, "sentinels")

    def settings(self, port: int) -> list[str]:
        """Return what lets an instance listen with it, and nothing else."""
        files = {"cert": self.certificate, "key": self.key, "ca-cert": self.certificate}
        return [
            *(f"tls-{name}-file {path}" for name, path in files.items()),
            *(f"tls-port {port}", "port 0", "tls-auth-clients no", "tls-replication yes"),
        ]


class OwnSentinels:
    """A primary with two replicas, and three Sentinels.

    Parameters
    ----------
    password
        What the servers ask for, if anything.
    sentinel_password
        What the Sentinels ask for, if anything.
    has_tls
        Whether all of them take nothing but TLS.
    """

    def __init__(
        self,
        binary: str,
        folder: pathlib.Path,
        *,
        password: str | None = None,
        sentinel_password: str | None = None,
        has_tls: bool = False,
    ) -> None:
        self.password: typing.Final = password
        self.sentinel_password: typing.Final = sentinel_password
        self.tls: typing.Final = Tls(folder) if has_tls else None
        self._binary = binary
        self._folder = folder
        self.servers: typing.Final = [self._make_server(number) for number in range(1 + _REPLICAS)]
        self.sentinels: typing.Final = self._make_sentinels()

    @property
    def hosts(self) -> str:
        """Where the Sentinels are, as an address lists it."""
        return ",".join(f"{_HOST}:{sentinel.port}" for sentinel in self.sentinels)

    @property
    def url(self) -> str:
        """The address, with the passwords."""
        user = f":{urllib.parse.quote(self.password, safe='')}@" if self.password else ""
        options = {"sentinel_password": self.sentinel_password} if self.sentinel_password else {}
        if self.tls is not None:
            options["ssl_ca_certs"] = str(self.tls.certificate)
        query = f"?{urllib.parse.urlencode(options)}" if options else ""
        return f"redis{'s' if self.tls else ''}+sentinel://{user}{self.hosts}/{SERVICE}{query}"

    @property
    def primary(self) -> Instance:
        """The server that the Sentinels say is the primary."""
        port = self._said()
        return next(server for server in self.servers if server.port == port)

    def start(self) -> None:
        """Start all, and wait until they know each other."""
        for instance in (*self.servers, *self.sentinels):
            instance.start()
        own_server.wait_until(self.is_well, within=_SECONDS)

    def kill(self) -> None:
        """End all of them."""
        for instance in (*self.sentinels, *self.servers):
            instance.kill()

    def clean(self) -> None:
        """Remove everything."""
        self.primary.do("FLUSHALL")

    def is_well(self) -> bool:
        """Return whether all Sentinels agree, and all servers are there and up to date."""
        if len({self._said(sentinel) for sentinel in self.sentinels}) != 1:
            return False
        for sentinel in self.sentinels:
            state = self._state(sentinel)
            found = int(state["num-slaves"]), int(state["num-other-sentinels"]), state["flags"]
            if found != (_REPLICAS, _SENTINELS - 1, "master"):
                return False
            try:
                sentinel.do("SENTINEL CKQUORUM", SERVICE)
            except redis.ResponseError:
                return False
        roles = [server.do("ROLE") for server in self.servers if server is not self.primary]
        return all(role[0] == b"slave" and role[2] == self.primary.port and role[3] == b"connected" for role in roles)

    def restore(self) -> None:
        """Bring back what a test took away, without waiting for the Sentinels to tell it what it is now."""
        for instance in (*self.sentinels, *self.servers):
            if not instance.is_running:
                instance.start()
            instance.resume()
        primary = self.primary
        for server in self.servers:
            if server is not primary and server.is_primary:
                server.do("REPLICAOF", _HOST, primary.port)
        own_server.wait_until(self.is_well, within=_SECONDS)

    def fail_over(self) -> None:
        """Let the Sentinels make another server the primary, though this one is well."""
        before = self.primary
        self.sentinels[0].do("SENTINEL FAILOVER", SERVICE)
        own_server.wait_until(lambda: self.has_moved(before), within=_SECONDS)

    def has_moved(self, before: Instance) -> bool:
        """Return whether all Sentinels that answer say that another server is the primary, and it is."""
        said = {self._said(sentinel) for sentinel in self.sentinels if sentinel.is_running}
        return len(said) == 1 and before.port not in said and self.primary.is_primary

    def _said(self, sentinel: Instance | None = None) -> int:
        asked = sentinel or next(each for each in self.sentinels if each.is_running)
        found = typing.cast("list[bytes]", asked.do("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE))
        return int(found[1])

    def _state(self, sentinel: Instance) -> dict[str, str]:
        answer = typing.cast("dict[bytes, bytes]", sentinel.do("SENTINEL MASTER", SERVICE))
        return {name.decode(): value.decode() for name, value in answer.items()}

    def _make_server(self, number: int) -> Instance:
        port = own_server.free_port()
        if number == 0:
            self._first_port = port
        settings = ['save ""', "appendonly no", "repl-diskless-sync-delay 0"]
        if number:
            settings.append(f"replicaof {_HOST} {self._first_port}")
        if self.password:
            settings += [f'requirepass "{self.password}"', f'masterauth "{self.password}"']
        return self._make(f"server-{number}", port, settings, self.password)

    def _make_sentinels(self) -> list[Instance]:
        ports = [own_server.free_port() for _ in range(_SENTINELS)]
        ids = [secrets.token_hex(20) for _ in ports]
        return [self._make_sentinel(number, ports, ids) for number in range(_SENTINELS)]

    def _make_sentinel(self, number: int, ports: list[int], ids: list[str]) -> Instance:
        others = [other for other in range(_SENTINELS) if other != number]
        milliseconds = int(DOWN_AFTER * 1_000)
        settings = [
            f"sentinel myid {ids[number]}",
            f"sentinel monitor {SERVICE} {_HOST} {self._first_port} {_QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} {milliseconds}",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel parallel-syncs {SERVICE} {_REPLICAS}",
            # Otherwise they find each other when they next tell the primary of themselves.
            *(f"sentinel known-sentinel {SERVICE} {_HOST} {ports[other]} {ids[other]}" for other in others),
        ]
        if self.password:
            settings.append(f'sentinel auth-pass {SERVICE} "{self.password}"')
        if self.sentinel_password:
            settings.append(f'requirepass "{self.sentinel_password}"')
        return self._make(f"sentinel-{number}", ports[number], settings, self.sentinel_password, "--sentinel")

    def _make(self, name: str, port: int, settings: list[str], password: str | None, *words: str) -> Instance:
        folder = self._folder / name
        folder.mkdir()
        file = folder / "settings.conf"
        listen = self.tls.settings(port) if self.tls else [f"port {port}"]
        file.write_text("\n".join([*listen, f"bind {_HOST}", f"dir {folder}", "loglevel warning", *settings, ""]))
        return Instance([self._binary, str(file), *words], port, password, self.tls)


@contextlib.contextmanager
def running(binary: str, /, **options: typing.Any) -> collections.Iterator[OwnSentinels]:
    """Run servers and Sentinels of a test's own."""
    with tempfile.TemporaryDirectory(prefix="sake-tests-") as folder:
        found = OwnSentinels(binary, pathlib.Path(folder), **options)
        try:
            found.start()
            yield found
        finally:
            found.kill()

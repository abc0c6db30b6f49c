# SPDX-License-Identifier: BSD-3-Clause
"""The command line as shells, scripts and full disks meet it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing
from collections import abc as collections

import pytest
from _support import interrupts
from _support import servers

import sake
from sake import cli
from sake.cli import _app

DEADLINE: typing.Final = 60.0
SMALL: typing.Final = ("demo", "--guilds", "2", "--members", "40", "--seconds", "0.3", "--rate", "100")
ENDLESS: typing.Final = ("demo", "--guilds", "3", "--members", "300", "--seconds", "600", "--rate", "200")
VERSION: typing.Final = f"sake {sake.__version__}\n"

needs_full = pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="there is no /dev/full")


class Ended(typing.NamedTuple):
    """How a command ended, and what it said."""

    code: int
    output: str
    errors: str


def command(*arguments: str, redirected: str = "") -> list[str]:
    return ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "sake", *arguments]


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"BOT_TOKEN", "REDIS_URL"}}
    return {**kept, **variables}


def run(*arguments: str, redirected: str = "", **variables: str) -> Ended:
    process = subprocess.run(
        command(*arguments, redirected=redirected),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=environment(**variables),
        check=False,
    )
    return Ended(process.returncode, process.stdout, process.stderr)


@contextlib.contextmanager
def running(*arguments: str, redirected: str = "", **variables: str) -> collections.Iterator[subprocess.Popen[str]]:
    with interrupts.heeded():
        process = subprocess.Popen(
            command(*arguments, redirected=redirected),
            env=environment(PYTHONUNBUFFERED="1", **variables),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

        process.communicate(timeout=DEADLINE)


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if text in line:
            return

    pytest.fail(f"it ended without {text!r}:\n{output}")


def eventually(condition: collections.Callable[[], object]) -> bool:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False

        time.sleep(0.05)

    return True


# Streams that are closed


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_the_demo_runs_where_streams_are_closed(closed: str) -> None:
    ended = run(*SMALL, redirected=closed)
    assert ended.code == 0, ended
    if " >" not in f" {closed}":
        assert "no differences" in ended.output


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("demo", "--help")])
def test_what_is_asked_for_where_nobody_can_read_it_is_no_error(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, redirected=">&-").code == 0


# Streams that are full, or whose reader has gone


@needs_full
@pytest.mark.parametrize("arguments", [SMALL, ("--version",), ("--help",), ("demo", "--help")])
def test_a_full_disk_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments, redirected=">/dev/full")
    assert ended.code == 1
    assert ended.errors == "sake: [Errno 28] No space left on device\n"


@needs_full
def test_a_full_disk_for_errors_too_is_no_crash() -> None:
    assert run(*SMALL, redirected=">/dev/full 2>/dev/full").code == 1


@needs_full
def test_a_server_that_is_away_and_a_full_disk_are_no_crash() -> None:
    ended = run(*SMALL, redirected=">/dev/full", REDIS_URL="redis://127.0.0.1:1")
    assert (ended.code, ended.errors.count("\n")) == (1, 1)


def test_the_demo_ends_when_nobody_reads_it_any_more() -> None:
    with running(*ENDLESS) as process:
        read_until(process, "guilds, ")
        assert process.stdout
        process.stdout.close()
        assert process.wait(DEADLINE) == 1


# Options that cannot be


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seconds", "1e300"),
        ("--seconds", "1e9"),
        ("--shards", "5000"),
        ("--guilds", "100000000"),
        ("--members", "100000000000"),
        ("--rate", "99999999999999999999"),
    ],
)
def test_an_option_that_is_too_large_is_refused_by_its_name(option: str, value: str) -> None:
    ended = run("demo", option, value)
    assert ended.code == 2
    assert option in ended.errors
    assert "Traceback" not in ended.errors


# The version


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_the_version_needs_no_extra(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(sys, "argv", ["sake", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out == VERSION


def test_the_version_is_the_same_with_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version").output == VERSION
    with pytest.raises(SystemExit):
        _app._app(["--version"], prog_name="sake")

    assert capsys.readouterr().out == VERSION


# What is left on a server of one's own


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_a_demo_that_is_killed_leaves_nothing_on_a_given_server(
    server: servers.Server, redis_url: str, number: signal.Signals
) -> None:
    with contextlib.closing(server.blocking_client(4)) as client:
        client.mset({"foreign": "1", "sake-demonstration:role": "2"})
        with running(*ENDLESS, REDIS_URL=f"{redis_url}?db=4") as process:
            read_until(process, "guilds, ")
            assert len(client.keys("sake-demo:*")) > 10
            os.killpg(process.pid, number)
            process.wait(DEADLINE)
            assert eventually(lambda: not client.keys("sake-demo:*"))

        # What the server had received, but not done, when it was removed.
        time.sleep(0.5)
        assert set(client.keys("*")) == {b"foreign", b"sake-demonstration:role"}
        assert eventually(lambda: len(client.client_list()) == 1)


def test_a_demo_right_after_another_finds_no_differences(server: servers.Server, redis_url: str) -> None:
    url = f"{redis_url}?db=4"
    for _ in range(2):
        ended = run(*SMALL, REDIS_URL=url)
        assert ended.code == 0, ended
        assert "no differences" in ended.output

    with contextlib.closing(server.blocking_client(4)) as client:
        assert not client.keys("*")


# Places


def test_the_demo_runs_with_a_long_path_for_temporary_files(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / ("l" * 60) / ("l" * 60)
    folder.mkdir(parents=True)
    ended = run(*SMALL, TMPDIR=str(folder))
    assert ended.code == 0, ended
    assert not list(folder.iterdir())

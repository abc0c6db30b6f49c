# SPDX-License-Identifier: BSD-3-Clause
"""The commands and their options."""

from __future__ import annotations

__all__ = ["run"]

import logging
import math
import os
import typing

import rich.console
import rich.logging
import typer

import sake
from sake.cli import _demo
from sake.cli import _screen

_app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def run() -> int:
    """Run the command line.

    Returns
    -------
    int
        The exit code.
    """
    try:
        _app(prog_name="sake")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0

    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"sake {sake.__version__}")
        raise typer.Exit


@_app.callback()
def _sake(
    *,
    version: typing.Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A distributed entity cache on Redis for Discord bots."""


@_app.command()
def demo(
    *,
    guilds: typing.Annotated[int, typer.Option(min=1, max=10_000, help="Number of guilds.")] = 25,
    members: typing.Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Number of members of all guilds together.")
    ] = 25_000,
    rate: typing.Annotated[int, typer.Option(min=1, max=1_000_000, help="Events a second.")] = 3_000,
    seconds: typing.Annotated[float, typer.Option(min=0, max=604_800, help="For how long events happen.")] = 10.0,
    shards: typing.Annotated[int, typer.Option(min=1, max=100, help="Number of the bot's shards.")] = 1,
    seed: typing.Annotated[int, typer.Option(help="Another world for each number.")] = 0,
    cluster: typing.Annotated[bool, typer.Option("--cluster", help="Start a Redis Cluster of three nodes.")] = False,
    privileged: typing.Annotated[
        bool, typer.Option(help="With BOT_TOKEN: ask for the intents that Discord grants on request only.")
    ] = True,
) -> None:
    """Watch a bot fill its cache while another process reads it.

    Everything runs on this machine: a Valkey server, a make-believe Discord, a bot, and a process that only reads. In
    the end that process compares what is stored with what the make-believe Discord knows to be true, and differences
    make the exit code 1.

    With the environment variable BOT_TOKEN the bot connects to the real Discord instead, and nothing is compared. With
    REDIS_URL that server is used, which may be a Redis Cluster or what Sentinels watch. All keys begin with
    `sake-demo:`, and are removed before and after, by the second process if this one is killed.
    """
    if not math.isfinite(seconds):
        raise typer.BadParameter("must be a finite number", param_hint="--seconds")

    redis_url = os.environ.get("REDIS_URL") or None
    if cluster and redis_url:
        raise typer.BadParameter("starts servers, so REDIS_URL must not name another", param_hint="--cluster")

    if members < 2 * guilds:
        raise typer.BadParameter(f"must be at least two for each of {guilds} guilds: {members}", param_hint="--members")

    settings = _demo.Settings(
        cluster=cluster,
        guilds=guilds,
        members=members,
        rate=rate,
        seconds=seconds,
        shards=shards,
        seed=seed,
        privileged=privileged,
    )
    console = rich.console.Console(highlight=False, soft_wrap=True)
    _show_logs(console)
    code = _demo.run(
        settings,
        _screen.make_screen(console),
        token=os.environ.get("BOT_TOKEN") or None,
        redis_url=redis_url,
    )
    raise typer.Exit(code)


def _show_logs(console: rich.console.Console, /) -> None:
    handler = rich.logging.RichHandler(console=console, show_path=False, show_time=False)
    logging.basicConfig(format="%(name)s: %(message)s", handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    # That the bundled server keeps nothing goes without saying here.
    logging.getLogger("sake.embedded").setLevel(logging.ERROR)

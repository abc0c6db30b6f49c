# SPDX-License-Identifier: BSD-3-Clause
"""Everything one does with a checkout. What follows `--` is passed on."""

from __future__ import annotations

import pathlib

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "typing", "tests"]
nox.options.error_on_external_run = True

EXTRAS = ("cli", "embedded", "speedups", "tanjun", "testing")
NO_TANJUN = (3, 14)
"""The first Python that Tanjun has no release for."""

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
IN_PARALLEL = ("-n", "3", "--dist", "loadfile")
"""More than there are processors where there are two: tests of outages do little but wait."""
LIGHTBULB = "hikari-lightbulb>=3"
PREDECESSOR = ("hikari-sake==1.1.2", "orjson")
SOURCES = ("benchmarks", "docs", "examples", "noxfile.py", "sake", "tests")


def _install(session: nox.Session, *groups: str, extras: str = "") -> None:
    session.install(*nox.project.dependency_groups(PYPROJECT, *groups), *(["-e", f".[{extras}]"] if extras else []))


def _extras(session: nox.Session) -> str:
    script = f"import sys; print(sys.version_info < {NO_TANJUN})"
    has_tanjun = session.run("python", "-c", script, silent=True) == "True\n"
    return ",".join(extra for extra in EXTRAS if extra != "tanjun" or has_tanjun)


def _test(session: nox.Session, *arguments: str, **environment: str) -> None:
    session.run("python", "-m", "pytest", *arguments, *session.posargs, env=environment)


@nox.session
def demo(session: nox.Session) -> None:
    """Watch a bot fill its cache while another process reads it."""
    session.install(".[cli,embedded,speedups,testing]")
    session.run("python", "-P", "-m", "sake", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests."""
    _install(session, "tests", extras=_extras(session))
    _test(session, *IN_PARALLEL)


@nox.session(python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """Run the tests on every Python there is, with the newest of everything."""
    _install(session, "tests", extras=_extras(session))
    _test(session, *IN_PARALLEL)


@nox.session
def floor(session: nox.Session) -> None:
    """Run the tests with the oldest of everything that the package asks for."""
    session.install("uv")
    wanted = ("--group", "pyproject.toml:tests", "--editable", f".[{_extras(session)}]")
    python = ("--python", session.virtualenv.location)
    session.run("uv", "pip", "install", *python, "--resolution", "lowest-direct", *wanted)
    _test(session, *IN_PARALLEL)


@nox.session
def lightbulb(session: nox.Session) -> None:
    """Install it beside hikari-lightbulb, which asks for a hikari of its own, and let a bot of both answer."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "tests"), "-e", ".[embedded,testing]", LIGHTBULB)
    _test(session, "tests/client/test_lightbulb.py")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give a bot 50,000 odd events and 5,000 texts that are none."""
    _install(session, "tests", extras=_extras(session))
    _test(session, "tests/outside/test_outside_fuzz.py", SAKE_FUZZ="50000")


@nox.session
def soak(session: nox.Session) -> None:
    """Let a bot and a reader live through a million events, and see that they hold no more than at the beginning."""
    _install(session, "tests", extras=_extras(session))
    _test(session, "tests/engine/test_soak.py", "-s", SAKE_SOAK="1000000")


@nox.session
def failovers(session: nox.Session) -> None:
    """Kill primaries in mid-stream, ten times in a row on each server, and see that nothing is lost."""
    _install(session, "tests", extras=_extras(session))
    _test(session, "tests/engine/test_failovers.py", "-s", SAKE_FAILOVERS="10")


@nox.session
def simulate(session: nox.Session) -> None:
    """Tell stories that nobody thought of: `-- --seeds 10000`, or `-- --seed 4711 --trace`."""
    _install(session, "tests", extras=_extras(session))
    session.run("python", "-m", "simulation", *session.posargs, env={"PYTHONHASHSEED": "0", "PYTHONPATH": "tests"})


@nox.session
def lint(session: nox.Session) -> None:
    """Check the rules and the format."""
    _install(session, "lint")
    session.run("ruff", "check", *(session.posargs or SOURCES))
    session.run("ruff", "format", "--check", *(session.posargs or SOURCES))


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types, and that all of what is public has them."""
    _install(session, "typing", "tests", extras=_extras(session))
    session.run("mypy", *session.posargs)
    # What bots write has to pass, whether they are strict or not.
    session.run("mypy", "tests/typing_examples.py")
    session.run("mypy", "--config-file=", "tests/typing_examples.py")
    session.run("pyright", *session.posargs)
    session.run("pyright", "--verifytypes", "sake", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation."""
    _install(session, "docs", extras="tanjun,testing")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, side by side with the predecessor, which needs an environment of its own."""
    _install(session, extras="embedded,speedups,testing")
    folder = pathlib.Path(session.create_tmp()) / "predecessor"
    python = folder / "bin" / "python"
    session.run("python", "-m", "venv", str(folder))
    session.run(str(python), "-m", "pip", "install", "--quiet", *PREDECESSOR, external=True)
    session.run("python", "benchmarks/run.py", "--old-python", str(python), *session.posargs)

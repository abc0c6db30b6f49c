# SPDX-License-Identifier: BSD-3-Clause
"""Everything one does with a checkout. What follows `--` is passed on."""

from __future__ import annotations

import pathlib

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "typing", "tests"]
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
PREDECESSOR = ("hikari-sake==1.1.2", "orjson")
SOURCES = ("benchmarks", "docs", "examples", "noxfile.py", "sake", "tests")


def _install(session: nox.Session, *groups: str, extras: str = "") -> None:
    session.install(*nox.project.dependency_groups(PYPROJECT, *groups), *(["-e", f".[{extras}]"] if extras else []))


@nox.session
def demo(session: nox.Session) -> None:
    """Watch a bot fill its cache while another process reads it."""
    session.install(".[cli,embedded,speedups,testing]")
    session.run("python", "-P", "-m", "sake", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests."""
    _install(session, "tests", extras="cli,embedded,speedups,tanjun,testing")
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Tell stories that nobody thought of: `-- --seeds 10000`, or `-- --seed 4711 --trace`."""
    _install(session, "tests", extras="cli,embedded,speedups,tanjun,testing")
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
    _install(session, "typing", "tests", extras="cli,embedded,speedups,tanjun,testing")
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

# SPDX-License-Identifier: BSD-3-Clause
"""What is said where hikari-sake was installed into the same folder, under or over this package."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest
from _support import samples

import sake

_CURE = "pip uninstall hikari-sake && pip install --force-reinstall sake-cache"

# What that one has of its own, and how its face begins.
_LEFT = ("_internal.py", "_redis_iterators.py", "_tanjun_adapter.py", "abc.py", "redis.py")
_FACE = """
__all__ = ["RedisCache", "abc", "errors", "redis"]

from . import abc
from . import redis
from .errors import SakeException
from .redis import RedisCache
"""

# A folder without `__init__.py` comes after every whole package, such as the one that is tested.
_ONLY_HERE = (
    "import pathlib, sys\nsys.path = [p for p in sys.path if not pathlib.Path(p, 'sake', '__init__.py').exists()]"
)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the package, among whose files those of the other one can be put."""
    source = pathlib.Path(sake.__file__).parent
    shutil.copytree(source, tmp_path / "sake", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "sake"


def _run(folder: pathlib.Path, program: str) -> subprocess.CompletedProcess[str]:
    (folder.parent / "program.py").write_text(program)
    environment = samples.environment() | {"PYTHONPATH": str(folder.parent)}
    return subprocess.run(
        [sys.executable, str(folder.parent / "program.py")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )


def test_alone_it_says_nothing(folder: pathlib.Path) -> None:
    process = _run(folder, "import sake\nprint(sake.__file__)")
    assert process.stderr == ""
    assert process.stdout.strip() == str(folder / "__init__.py")


@pytest.mark.parametrize("program", ["import sake", "import sake.redis", "from sake import RedisCache"])
def test_over_the_other_it_works_and_warns_at_the_import_with_the_cure(folder: pathlib.Path, program: str) -> None:
    for name in _LEFT:
        (folder / name).write_text("raise AssertionError")
    process = _run(folder, f"\n{program}\nimport sake\nprint(sake.RedisCache)")
    assert process.stdout.strip() == "<class 'sake.redis.RedisCache'>"
    assert f"{folder.parent / 'program.py'}:2: UserWarning" in process.stderr
    assert _CURE in process.stderr


@pytest.mark.parametrize("program", ["import sake", "import sake.redis", "from sake import RedisCache"])
def test_under_the_other_it_cannot_be_imported_and_names_the_cure(folder: pathlib.Path, program: str) -> None:
    for name in _LEFT:
        (folder / name).write_text("raise AssertionError")
    (folder / "__init__.py").write_text(_FACE)
    (folder / "errors.py").write_text("class SakeException(Exception): ...")
    process = _run(folder, program)
    assert process.returncode != 0
    assert process.stderr.splitlines()[-1].startswith("ImportError: ")
    assert _CURE in process.stderr


def test_what_is_left_when_the_other_was_uninstalled_names_the_cure(folder: pathlib.Path) -> None:
    for name in ("__init__.py", "errors.py", "py.typed"):
        (folder / name).unlink()
    process = _run(folder, f"{_ONLY_HERE}\nimport sake.redis")
    assert process.stderr.splitlines()[-1].startswith("ImportError: ")
    assert _CURE in process.stderr
